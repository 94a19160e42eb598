"""What an ingest route answers. 4xx is final for Segment, but for 408 and 429; 5xx comes again for four hours.

Source: segmentio/action-destinations, packages/core/src/errors.ts.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from productfruits.services.arrivals import Receipt
from productfruits.workers.rates import TooManyRequests

_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An HTTP answer in plain values. `code` is what the metrics and the log call it, `message` says a refusal."""

    status: int
    code: str
    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    message: str = ""
    mimetype: str = "application/json"


def stored(receipt: Receipt, **more: str) -> Answer:
    """200: the transaction that holds the messages is committed."""
    return said(200, {**counts(receipt), **more})


def counts(receipt: Receipt) -> dict[str, Any]:
    """What the answer says of a receipt."""
    return {
        "success": True,
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "ignored": receipt.ignored,
        "rejected": receipt.rejected,
    }


def said(status: int, content: Any) -> Answer:
    """An answer that is yes, as a JSON document."""
    return Answer(status, "ok", _encode(content))


def refused(status: int, code: str, message: str, **headers: str) -> Answer:
    """An answer that is no: `code` for programs, `message` for people."""
    content: dict[str, Any] = {"code": code, "message": message}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, code, _encode(content), named, message)


def too_many_requests(err: TooManyRequests) -> Answer:
    """429: Segment comes again for four hours, and SDKs after the seconds of Retry-After."""
    return refused(429, "too_many_requests", str(err), Retry_After=str(err.wait_s))


#: One answer for every reason, so that nobody learns which tokens exist.
UNAUTHORIZED = refused(
    401,
    "invalid_signature",
    "The signature does not fit this URL. Copy the webhook URL and the shared secret of the settings page into "
    "Segment again.",
)
METHOD_NOT_ALLOWED = refused(
    405, "method_not_allowed", "Send events with POST, PUT or PATCH.", Allow="POST, PUT, PATCH"
)
TOO_SLOW = refused(408, "body_too_slow", "The body did not arrive in time. Send it again.")
INCOMPLETE = refused(400, "body_incomplete", "The connection ended before the body did. Send it again.")
TOO_LARGE = refused(
    413,
    "body_too_large",
    "The body is too large: 1 MiB for one event, 32 MiB for an array. Lower the batch size in Segment.",
)
ENCODED = refused(
    415,
    "content_encoding",
    "The signature covers the plain body, so compressed bodies are not taken. Send it without Content-Encoding.",
)
BATCH_NOT_ENABLED = refused(
    400,
    "batch_not_enabled",
    "This connection does not take arrays of events. Set the batch size to 0 in Segment, or switch batches on in the "
    "settings page.",
)
BUSY = refused(503, "busy", "More events are waiting than this server takes on. Send this again.", Retry_After="10")
UNAVAILABLE = refused(503, "unavailable", "Events cannot be stored right now. Send this again.", Retry_After="30")
