"""What is sent for a delivery: the document of its event or change, made of what is stored now.

Made when it is sent and not when it is noted, so that nothing of an erased user is left to send, and a note costs
next to nothing.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.adoption.rules import HeavyAudience
from productfruits.models import Conflict, Destination, Event, User, Workspace
from productfruits.outgoing import chains, filters
from productfruits.services import audiences, documents, outbox
from productfruits.services.documents import Document, instant

Row = TypeVar("Row", Event, Conflict, User, Workspace)
#: Ids of one statement.
CHUNK = 1_000
#: Kinds that go to everybody who takes them, whatever the audience: a deleted user is in none.
ALWAYS = ("test", "user.deleted")
#: The user of test events, who is nobody in the store.
SAMPLE_USER: Document = {
    "id": "0" * 32,
    "username": "ada",
    "email": "ada@example.com",
    "traits": {"name": "Ada Example", "plan": "pro"},
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery, ready to be written as its destination wishes."""

    delivery_id: int
    #: Stays the same however often it is sent: receivers know by it what they have seen.
    webhook_id: str
    kind: str
    depth: int
    #: None: what was to be sent is not stored any more.
    document: Document | None = field(repr=False)
    #: Its user is in none of the audiences that the destination is for.
    is_left_out: bool = False
    #: Why it cannot be told whether the user is.
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What the outbox says of a delivery."""

    id: int
    kind: str
    event_id: int | None
    subject: str | None
    depth: int
    created_at: dt.datetime


def pack(
    session: Session, destinations: Mapping[int, Destination], due: Mapping[int, Sequence[Due]], now: dt.datetime
) -> Mapping[int, list[Parcel]]:
    """The parcels of what is due, by destination. What they speak of is loaded for all of them at once."""
    every = [delivery for deliveries in due.values() for delivery in deliveries]
    workspaces = _by_id(session, Workspace, {destination.workspace_id for destination in destinations.values()})
    events = _by_id(session, Event, {delivery.event_id for delivery in every if delivery.event_id is not None})
    conflicts = _by_id(session, Conflict, {int(number) for number in _subjects(every, outbox.OF_CONFLICTS)})
    users = _by_id(
        session,
        User,
        {event.user_id for event in events.values() if event.user_id}
        | _subjects(every, outbox.OF_USERS)
        | {conflict.user_id for conflict in conflicts.values()},
    )

    def document(workspace: str, delivery: Due) -> Document | None:
        event = events.get(delivery.event_id)
        if delivery.kind == "test":
            return sample(workspace, now, delivery.depth)
        if delivery.kind == "event.stored":
            if event is None:
                return None
            return _of_event(workspace, event, users.get(event.user_id), delivery.depth)
        if delivery.kind == "user.deleted":
            return _document(delivery.kind, workspace, delivery.created_at, user={"id": delivery.subject})
        conflict = None
        if delivery.kind in outbox.OF_CONFLICTS:
            conflict = conflicts.get(int(delivery.subject or 0))
        user = users.get(conflict.user_id if conflict else delivery.subject)
        if user is None:
            return None
        more = {"conflict": documents.conflict(conflict)} if conflict else {}
        return _document(delivery.kind, workspace, delivery.created_at, user=_user(user), **more)

    def user_id(delivery: Due) -> str | None:
        if event := events.get(delivery.event_id):
            return event.user_id
        conflict = conflicts.get(int(delivery.subject or 0)) if delivery.kind in outbox.OF_CONFLICTS else None
        return conflict.user_id if conflict else delivery.subject

    packed: dict[int, list[Parcel]] = {}
    for number, destination in destinations.items():
        workspace = workspaces[destination.workspace_id].key
        wanted = filters.read(destination.filter).audiences
        whose = {delivery.id: user_id(delivery) for delivery in due[number] if wanted and delivery.kind not in ALWAYS}
        members, obstacle = _members(session, destination, wanted, {user for user in whose.values() if user}, now)
        packed[number] = [
            Parcel(
                delivery.id,
                webhook_id(destination, delivery),
                delivery.kind,
                delivery.depth,
                document(workspace, delivery),
                is_left_out=obstacle is None and delivery.id in whose and whose[delivery.id] not in members,
                obstacle=obstacle if delivery.id in whose else None,
            )
            for delivery in due[number]
        ]
    return packed


def _members(
    session: Session, destination: Destination, wanted: Set[str], user_ids: Set[str], now: dt.datetime
) -> tuple[Set[str], str | None]:
    """Who of them is in an audience, or why that cannot be told: no destination may keep the others from theirs."""
    found: set[str] = set()
    ids = sorted(user_ids)
    try:
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            found |= audiences.members(session, destination.workspace_id, wanted, some, now)
    except (audiences.LeadsNowhere, HeavyAudience) as err:
        return frozenset(), str(err)
    return found, None


def webhook_id(destination: Destination, delivery: Due) -> str:
    """The stable id: of an event the same one in every replay, so that a receiver can leave out what it has."""
    if delivery.event_id is not None:
        return f"msg_{destination.uid}_e{delivery.event_id}"
    return f"msg_{destination.uid}_d{delivery.id}"


def sample(workspace: str, now: dt.datetime, depth: int = 0) -> Document:
    """The document of a test event."""
    event = {
        "message_id": "test-event",
        "type": "track",
        "event": "Test Event",
        "timestamp": instant(now),
        "received_at": instant(now),
        "properties": {"price": 12.5, "currency": "EUR"},
        "source": "test",
        "matched_by": "username",
        "user_id": SAMPLE_USER["id"],
        "sent_user_id": "ada",
        "anonymous_id": None,
        "group_id": None,
        "context": {},
    }
    message = {
        "type": "track",
        "event": "Test Event",
        "messageId": f"productfruits-test-{int(now.timestamp())}",
        "timestamp": instant(now),
        "userId": "productfruits-test",
        "properties": event["properties"],
        "context": chains.with_depth({}, depth + 1),
    }
    return _document("test", workspace, now, event=event, user=SAMPLE_USER, message=message)


def _of_event(workspace: str, event: Event, user: User | None, depth: int) -> Document:
    described = {
        **documents.event_with_user(event),
        "sent_user_id": event.sent_user_id,
        "anonymous_id": event.anonymous_id,
        "group_id": event.group_id,
        "context": event.context,
    }
    return _document(
        "event.stored",
        workspace,
        event.timestamp,
        event=described,
        user=None if user is None else _user(user),
        message=_message(event, user, depth),
    )


def _message(event: Event, user: User | None, depth: int) -> Document:
    """The event as a message of Segment, with its own messageId: where it comes back to us, it counts as seen."""
    sent: dict[str, Any] = {
        "type": event.type,
        "messageId": event.message_id,
        "timestamp": instant(event.timestamp),
        "userId": event.sent_user_id or (user.username if user else None),
        "anonymousId": event.anonymous_id,
        "previousId": event.previous_id,
        "groupId": event.group_id,
        "traits" if event.type in ("identify", "group") else "properties": event.properties,
        "context": chains.with_depth(event.context, depth + 1),
    }
    if event.name is not None:
        sent["event" if event.type == "track" else "name"] = event.name
    if sent["userId"] is None and sent["anonymousId"] is None and user is not None:
        sent["anonymousId"] = user.id  # Segment refuses a message from nobody
    return {name: value for name, value in sent.items() if value is not None}


def _document(kind: str, workspace: str, at: dt.datetime, **parts: Any) -> Document:
    return {
        "type": kind,
        "timestamp": instant(at),
        "workspace": workspace,
        "event": None,
        "user": None,
        "conflict": None,
        "message": None,
        **parts,
    }


def _user(user: User) -> Document:
    return {"id": user.id, "username": user.username, "email": user.email, "traits": user.traits}


def _subjects(deliveries: Sequence[Due], kinds: Sequence[str]) -> set[str]:
    return {delivery.subject for delivery in deliveries if delivery.kind in kinds and delivery.subject}


def _by_id(session: Session, model: type[Row], ids: Collection[Any]) -> Mapping[Any, Row]:
    """The rows with these ids. None of the models numbers its rows by workspace."""
    wanted = list(ids)
    found: dict[Any, Row] = {}
    for start in range(0, len(wanted), CHUNK):
        query = select(model).where(model.id.in_(wanted[start : start + CHUNK]))
        found |= {row.id: row for row in session.scalars(query)}
    return found
