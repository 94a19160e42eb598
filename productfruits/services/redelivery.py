"""Sending again, and sending for a try: one delivery, everything that failed, a stretch of time, a test event."""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, Update, select, update
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Delivery, Destination, Event
from productfruits.outgoing import filters
from productfruits.services import bulk, destinations, outbox
from productfruits.services.outbox import Outlet

#: Events that one call of `replay` looks at; the next call goes on.
CHUNK = 2_000


class NoSuchDelivery(ProductFruitsError):
    """There is no such delivery to this destination, or it is older than what is kept of deliveries."""


class SwitchedOff(ProductFruitsError):
    """This destination is switched off, so nothing is sent to it. Switch it on first."""


class NoStretch(ProductFruitsError):
    """The end of the time to replay is not after its beginning."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries are due again, and after which event to go on; None at the end."""

    deliveries: int
    after: int | None


def test(session: Session, destination: Destination, now: dt.datetime) -> Delivery:
    """Have a made-up event sent as a stored one would be; what becomes of it stands in the log."""
    _check_on(destination)
    delivery = Delivery(
        workspace_id=destination.workspace_id,
        destination_id=destination.id,
        kind="test",
        status="pending",
        due_at=now,
        created_at=now,
    )
    session.add(delivery)
    # Somebody wants to see now whether it works.
    destination.rests_until = None
    session.flush()
    return delivery


def get(session: Session, destination: Destination, delivery_id: int) -> Delivery:
    """The delivery to this destination, or `NoSuchDelivery`."""
    found = None
    if 0 <= delivery_id < 2**63:
        found = session.scalar(
            select(Delivery).where(Delivery.destination_id == destination.id, Delivery.id == delivery_id)
        )
    if found is None:
        raise NoSuchDelivery()
    return found


def resend(session: Session, destination: Destination, delivery: Delivery, now: dt.datetime) -> None:
    """Send one again, whatever became of it, under the same webhook-id."""
    _check_on(destination)
    delivery.status, delivery.attempts, delivery.due_at, delivery.finished_at = "pending", 0, now, None
    destination.rests_until = None
    session.flush()


def recover(session: Session, destination: Destination, since: dt.datetime, now: dt.datetime) -> int:
    """Send again everything noted since then that was given up. Returns how many."""
    _check_on(destination)
    destination.rests_until = None
    session.flush()
    return _count(
        session,
        update(Delivery)
        .where(Delivery.destination_id == destination.id, Delivery.status == "failed", Delivery.created_at >= since)
        .values(status="pending", attempts=0, due_at=now, finished_at=None),
    )


def replay(
    session: Session,
    destination: Destination,
    start: dt.datetime,
    end: dt.datetime,
    now: dt.datetime,
    after: int = 0,
    chunk: int = CHUNK,
) -> Replayed:
    """Send the stored events received from `start` until before `end` that the destination takes, sent already or not.

    One call looks at `chunk` events, so that the store is held for a moment only; go on with `after`. Each event keeps
    its webhook-id, so that a receiver can leave out what it has.
    """
    _check_on(destination)
    if end <= start:
        raise NoStretch()
    events = session.execute(
        select(Event.id, Event.workspace_id, Event.type, Event.name, Event.properties, Event.context)
        .where(
            Event.workspace_id == destination.workspace_id,
            Event.id > after,
            Event.received_at >= start,
            Event.received_at < end,
        )
        .order_by(Event.id)
        .limit(chunk)
    ).mappings()
    found: Sequence[Any] = events.all()
    outlet = Outlet(destination.id, filters.read(destination.filter))
    rows = outbox.deliveries_of_events([outlet], found, [outbox.offer(event) for event in found], now)
    bulk.insert(
        session,
        Delivery,
        [{**row, "finished_at": None} for row in rows],
        known_by=("workspace_id", "event_id", "destination_id"),
        replacing=("status", "attempts", "due_at", "finished_at"),
    )
    return Replayed(len(rows), found[-1]["id"] if len(found) == chunk else None)


def replay_all(
    writing: Callable[[], AbstractContextManager[Session]],
    workspace_id: int,
    key: str,
    start: dt.datetime,
    end: dt.datetime,
    now: dt.datetime,
) -> int:
    """`replay` to the end, each part in a transaction of its own that `writing` opens, so that senders get their turn
    at the store in between. Returns how many deliveries are due again."""
    deliveries, after = 0, 0
    while True:
        with writing() as session:
            part = replay(session, destinations.by_key(session, workspace_id, key), start, end, now, after)
        deliveries += part.deliveries
        if part.after is None:
            return deliveries
        after = part.after


def _check_on(destination: Destination) -> None:
    if not destination.enabled:
        raise SwitchedOff()


def _count(session: Session, statement: Update) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    # An UPDATE always answers with a cursor result; the session's signature is wider.
    return cast("CursorResult[Any]", result).rowcount
