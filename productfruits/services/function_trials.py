"""Trying a function out in the editor: with a sample, with a stored event, or with a request that is caught for it."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Event, Function
from productfruits.services.documents import instant

CATCHES_FOR = dt.timedelta(minutes=10)
#: A request that was caught may be looked at for so long.
KEPT_FOR = dt.timedelta(days=1)
#: The user of the samples, who is nobody in the store.
WHO = {"userId": "user-1234", "anonymousId": "b5c2a1f0-3d7e-4c58-9a41-7f0e2d6c8b13"}
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "identify": {"traits": {"email": "ada@example.com", "name": "Ada Example", "plan": "pro"}},
    "track": {"event": "Report Exported", "properties": {"pages": 12, "format": "pdf"}},
    "page": {"name": "Pricing", "properties": {"url": "https://example.com/pricing", "title": "Pricing"}},
    "screen": {"name": "Settings", "properties": {"tab": "profile"}},
    "group": {"groupId": "company-9", "traits": {"name": "Example Inc.", "employees": 42}},
    "alias": {"previousId": "user-1200"},
    "delete": {},
}
TYPES = tuple(_DETAILS)


class NotWaiting(ProductFruitsError):
    """No editor waits for a request at this address."""


def sample(kind: str, now: dt.datetime) -> dict[str, Any]:
    """An event of this type, as a handler is given it."""
    return {
        "type": kind,
        "messageId": f"sample-{kind}",
        **WHO,
        **_DETAILS[kind],
        "context": {"library": {"name": "sample"}, "locale": "en-US", "ip": "192.0.2.1"},
        "timestamp": instant(now),
        "receivedAt": instant(now),
    }


def sample_request(url: str) -> dict[str, Any]:
    """A request as a source function is given it."""
    return {
        "method": "POST",
        "url": url,
        "headers": [["Content-Type", "application/json"]],
        "body": json.dumps({"id": "user-1234", "email": "ada@example.com", "action": "invoice.paid"}, indent=2),
    }


def message(event: Event) -> dict[str, Any]:
    """A stored event, as a handler is given it."""
    sent: dict[str, Any] = {
        "type": event.type,
        "messageId": event.message_id,
        "userId": event.sent_user_id,
        "anonymousId": event.anonymous_id,
        "previousId": event.previous_id,
        "groupId": event.group_id,
        "event" if event.type == "track" else "name": event.name,
        "traits" if event.type in ("identify", "group") else "properties": event.properties,
        "context": event.context,
        "timestamp": instant(event.timestamp),
        "receivedAt": instant(event.received_at),
    }
    return {name: value for name, value in sent.items() if value is not None}


def past_events(session: Session, workspace_id: int, limit: int = 20) -> list[Event]:
    """The newest stored events, to choose one from."""
    query = select(Event).where(Event.workspace_id == workspace_id)
    return list(session.scalars(query.order_by(Event.id.desc()).limit(limit)))


def past_event(session: Session, workspace_id: int, event_id: int) -> Event | None:
    return session.scalar(select(Event).where(Event.workspace_id == workspace_id, Event.id == event_id))


def wait_for_request(session: Session, function: Function, now: dt.datetime) -> None:
    """Keep the next request to the function's test address, for ten minutes."""
    function.catches_until, function.caught = now + CATCHES_FOR, None
    session.flush()


def catch(session: Session, token: str, request: dict[str, Any], now: dt.datetime) -> None:
    """Keep this request for the editor that waits. Raises `NotWaiting`."""
    function = None
    if token.isascii() and token.isprintable():
        function = session.scalar(select(Function).where(Function.test_token == token))
    if function is None or function.caught is not None or (function.catches_until or now) <= now:
        raise NotWaiting()
    function.caught, function.catches_until = request, now + KEPT_FOR
    session.flush()
