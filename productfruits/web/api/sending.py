"""Users and events from a customer's own server, in the shapes of Product Fruits' REST API."""

import datetime as dt
from typing import Any

from productfruits.segment import messages, user_object
from productfruits.segment.reader import Body, Element
from productfruits.services.arrivals import Arrival
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import sent_schemas
from productfruits.web.api.endpoints import SOURCE, Caller, endpoint
from productfruits.web.api.refusals import BadRequest


@endpoint(
    "POST",
    "/identify",
    body=sent_schemas.Identification,
    answer=sent_schemas.Receipt,
    refusals=(400, 413, 415),
    way_in=True,
)
def identify(caller: Caller, body: dict[str, Any]) -> Document:
    """Tell who a user is.

    Makes the user or updates it by the matching rule, like an identify of Segment: data is updated, and what is left
    out stays. The answer comes after the commit.
    """
    return _receive(caller, user_object.identifying(body["user"], body.get("message_id")))


@endpoint(
    "POST",
    "/events/track",
    body=sent_schemas.Tracking,
    answer=sent_schemas.Receipt,
    refusals=(400, 413, 415),
    way_in=True,
)
def track(caller: Caller, body: dict[str, Any]) -> Document:
    """Tell what a user did.

    Like a track of Segment. `properties.username` says who did it and is not stored among the properties; a user who
    is not known yet is made.
    """
    properties = dict(body["properties"])
    message = {
        "type": "track",
        "messageId": body.get("message_id"),
        "userId": properties.pop("username"),
        "event": body["event"],
        "properties": properties,
        "timestamp": body.get("timestamp"),
    }
    return _receive(caller, [message])


def _receive(caller: Caller, sent: list[dict[str, Any]]) -> Document:
    parsed = messages.parse(Body(True, tuple(map(Element, sent))), signed=None)
    if parsed.refused:
        raise BadRequest({"": [refusal.detail for refusal in parsed.refused]}, "body")
    receipt = current_runtime().writer.receive(
        Arrival(
            workspace_id=caller.workspace_id,
            connection_id=None,
            secret_id=None,
            source=SOURCE,
            trust="server",
            received_at=dt.datetime.now(dt.UTC),
            parsed=parsed,
        )
    )
    return {
        "success": True,
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "ignored": receipt.ignored,
        "rejected": receipt.rejected,
    }
