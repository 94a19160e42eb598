"""What is to be sent, noted in the transaction of what it speaks about, so that neither is kept without the other.

A row says which event goes to which destination; the body is made when it is sent. A workspace without destinations
pays nothing but a question that travels with another one.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, select, text, update
from sqlalchemy.orm import Session

from productfruits.database import table
from productfruits.identity.directory import Changes
from productfruits.models import Conflict, Delivery, Destination, Event
from productfruits.outgoing import chains, filters
from productfruits.outgoing.filters import Filter
from productfruits.services import bulk, lookups

#: Changes whose subject is a user.
OF_USERS = ("user.created", "user.updated", "user.deleted")
OF_CONFLICTS = ("user.conflict",)
ENABLED = select(table(Destination).c.id, table(Destination).c.filter).where(
    table(Destination).c.workspace_id == bindparam("of_workspace"), table(Destination).c.enabled
)


@dataclass(frozen=True, slots=True)
class Outlet:
    """A destination that is switched on, and what it takes."""

    id: int
    filter: Filter


class Offer(msgspec.Struct, frozen=True, gc=False):
    """Of an event, what destinations choose by, and how many servers like this one it came through."""

    kind: str
    name: str | None
    is_adoption: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a user: "user.created" and the like. `subject`: the user's id, or the conflict's."""

    kind: str
    subject: str
    depth: int = 0


def question(workspace_id: int) -> lookups.Question:
    """Asks for the outlets of the workspace; its answer is for `outlets`."""
    return lookups.Question(ENABLED, {"of_workspace": workspace_id})


def outlets(rows: Iterable[Any]) -> list[Outlet]:
    """The outlets in the answer to `question`."""
    return [Outlet(row.id, filters.read(row.filter)) for row in rows]


def changes(decided: Changes, conflicts: Sequence[Conflict], spoken_of: Iterable[tuple[str, int]]) -> list[Change]:
    """What happened to users in a group of messages. Who was erased is told of by the erasure itself.

    `spoken_of`: a user's id and the depth of the chain (outgoing.chains), for each message.
    """
    depths: dict[str, int] = {}
    for user_id, found in spoken_of:
        depths[user_id] = max(depths.get(user_id, 0), found)
    updated = [person for person in decided.changed_people if person.keys_changed or person.traits_changed]
    return [
        *(Change("user.created", person.id, depths.get(person.id, 0)) for person in decided.new_people),
        *(Change("user.updated", person.id, depths.get(person.id, 0)) for person in updated),
        *(Change("user.conflict", str(row.id), depths.get(row.user_id, 0)) for row in conflicts),
    ]


def deliveries(
    session: Session,
    workspace_id: int,
    taking: Sequence[Outlet],
    events: Sequence[dict[str, Any]],
    offers: Sequence[Offer],
    changed: Sequence[Change],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    """The rows of events and changes that are stored together. If an event is sent, all of them get their ids here.

    `offers`: one for each event. The caller holds the workspace's write lock.
    """
    takers = _takers(taking, offers)
    if any(takers):
        for event, event_id in zip(events, _next_event_ids(session, len(events)), strict=True):
            event["id"] = event_id
    return [
        *_deliveries_of_events(takers, events, offers, now),
        *_deliveries_of_changes(workspace_id, taking, changed, now),
    ]


def offer(event: Mapping[str, Any]) -> Offer:
    """The offer of an event, a row of the event table."""
    is_adoption = filters.is_adoption(event["type"], event["properties"])
    return Offer(event["type"], event["name"], is_adoption, chains.depth(event["context"]))


def deliveries_of_events(
    taking: Sequence[Outlet], events: Sequence[Mapping[str, Any]], offers: Sequence[Offer], now: dt.datetime
) -> list[dict[str, Any]]:
    """The rows of these events (each with its id, its workspace and its offer) for the outlets that take them."""
    return _deliveries_of_events(_takers(taking, offers), events, offers, now)


def note(session: Session, workspace_id: int, change: Change, now: dt.datetime) -> None:
    """Have a change that an operator made sent to whoever takes it."""
    [rows] = lookups.ask(session, [question(workspace_id)])
    bulk.insert(session, Delivery, _deliveries_of_changes(workspace_id, outlets(rows), [change], now))


def forget_events(session: Session, workspace_id: int, condition: ColumnElement[bool]) -> None:
    """Drop the deliveries of the events that meet the condition, with what is logged of them; before the events go."""
    gone = select(Event.id).where(Event.workspace_id == workspace_id, condition)
    _forget(session, workspace_id, Delivery.event_id.in_(gone))


def forget_subjects(session: Session, workspace_id: int, kinds: Sequence[str], subjects: Collection[str]) -> None:
    """Drop the deliveries of changes of these users or conflicts, with what is logged of them."""
    if subjects:
        _forget(session, workspace_id, and_(Delivery.kind.in_(kinds), Delivery.subject.in_(subjects)))


def move_subject(session: Session, workspace_id: int, from_user_id: str, to_user_id: str) -> None:
    """Make the changes of one user those of another."""
    session.execute(
        update(Delivery)
        .where(Delivery.workspace_id == workspace_id, Delivery.kind.in_(OF_USERS), Delivery.subject == from_user_id)
        .values(subject=to_user_id)
        .execution_options(synchronize_session=False)
    )


def _takers(taking: Sequence[Outlet], offers: Sequence[Offer]) -> list[Sequence[Outlet]]:
    """Which outlets take each of the offers. Most events of a group are of few kinds and names."""
    known: dict[tuple[str, str | None, bool], Sequence[Outlet]] = {}
    found = []
    for offered in offers:
        key = (offered.kind, offered.name, offered.is_adoption)
        takers = known.get(key)
        if takers is None:
            kind, name, is_adoption = key
            takers = known[key] = [each for each in taking if each.filter.takes(kind, name, is_adoption=is_adoption)]
        found.append(takers)
    return found


def _deliveries_of_events(
    takers: Sequence[Sequence[Outlet]], events: Sequence[Mapping[str, Any]], offers: Sequence[Offer], now: dt.datetime
) -> list[dict[str, Any]]:
    return [
        _row(event["workspace_id"], outlet.id, now, "event.stored", event_id=event["id"], depth=offered.depth)
        for event, offered, outlets in zip(events, offers, takers, strict=True)
        for outlet in outlets
    ]


def _deliveries_of_changes(
    workspace_id: int, taking: Sequence[Outlet], changed: Sequence[Change], now: dt.datetime
) -> list[dict[str, Any]]:
    """The rows of these changes for the outlets that take them."""
    return [
        _row(workspace_id, outlet.id, now, change.kind, subject=change.subject, depth=change.depth)
        for change in changed
        for outlet in taking
        if outlet.filter.takes_change(change.kind)
    ]


def _next_event_ids(session: Session, count: int) -> list[int]:
    """Numbers for the next events, so that deliveries can name them."""
    if session.get_bind().dialect.name == "postgresql":
        sequence = text("SELECT nextval(pg_get_serial_sequence('event', 'id')) FROM generate_series(1, :count)")
        return list(session.scalars(sequence, {"count": count}))
    # The write lock is the store's: nobody else numbers events meanwhile.
    last = session.scalar(select(func.max(Event.id))) or 0
    return list(range(last + 1, last + 1 + count))


def _forget(session: Session, workspace_id: int, condition: ColumnElement[bool]) -> None:
    session.execute(
        delete(Delivery)
        .where(Delivery.workspace_id == workspace_id, condition)
        .execution_options(synchronize_session=False)
    )


def _row(
    workspace_id: int,
    destination_id: int,
    now: dt.datetime,
    kind: str,
    *,
    event_id: int | None = None,
    subject: str | None = None,
    depth: int = 0,
) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "destination_id": destination_id,
        "kind": kind,
        "event_id": event_id,
        "subject": subject,
        "depth": depth,
        "status": "pending",
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }
