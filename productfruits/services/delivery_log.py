"""What became of the deliveries of a destination: attempts, newest first, and numbers."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.models import Delivery, DeliveryAttempt, Destination, Event
from productfruits.services import pages
from productfruits.services.documents import Document, instant
from productfruits.services.pages import Page


@dataclass(frozen=True, slots=True)
class Logged:
    """An attempt, its delivery, and the name of what was sent."""

    attempt: DeliveryAttempt
    delivery: Delivery
    #: Type and name of the event; None for changes of users, test events, and events that are not stored any more.
    type: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """How much waits, how much was given up, and when the oldest of each was noted."""

    pending: int
    failed: int
    oldest_failed: dt.datetime | None


def attempts(
    session: Session,
    destination: Destination,
    *,
    failed_only: bool = False,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Logged]:
    """The attempts, newest first. Raises `pages.InvalidCursor`."""
    query = (
        select(DeliveryAttempt, Delivery, Event.type, Event.name)
        .join(Delivery, Delivery.id == DeliveryAttempt.delivery_id)
        .outerjoin(Event, (Event.id == Delivery.event_id) & (Event.workspace_id == Delivery.workspace_id))
        .where(DeliveryAttempt.destination_id == destination.id)
    )
    if failed_only:
        query = query.where(DeliveryAttempt.outcome != "delivered")
    if cursor is not None:
        (last_id,) = pages.decode("attempts", cursor, tuple[int])
        query = query.where(DeliveryAttempt.id < last_id)
    rows = session.execute(query.order_by(DeliveryAttempt.id.desc()).limit(limit + 1)).all()
    found = [Logged(*row) for row in rows]
    return pages.cut(found, limit, lambda logged: pages.encode("attempts", logged.attempt.id))


def numbers(session: Session, destination: Destination) -> Numbers:
    """The numbers of the destination's page."""
    counted = {
        row.status: (row.many, row.oldest)
        for row in session.execute(
            select(Delivery.status, func.count().label("many"), func.min(Delivery.created_at).label("oldest"))
            .where(Delivery.destination_id == destination.id, Delivery.status.in_(("pending", "failed")))
            .group_by(Delivery.status)
        )
    }
    failed, oldest = counted.get("failed", (0, None))
    return Numbers(counted.get("pending", (0, None))[0], failed, oldest)


def document(logged: Logged) -> Document:
    """The public document of an attempt."""
    return {
        "id": logged.attempt.id,
        "delivery_id": logged.delivery.id,
        "kind": logged.delivery.kind,
        "type": logged.type,
        "event": logged.name,
        "at": instant(logged.attempt.at),
        "took_ms": logged.attempt.took_ms,
        "outcome": logged.attempt.outcome,
        "status": logged.attempt.status,
        "detail": logged.attempt.detail,
        "answer": logged.attempt.answer,
        "delivery": logged.delivery.status,
        "next_attempt_at": instant(logged.delivery.due_at) if logged.delivery.status == "pending" else None,
    }
