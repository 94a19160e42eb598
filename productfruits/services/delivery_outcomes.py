"""What became of attempts to deliver, and what comes next for the delivery and for its destination."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.functions import retries
from productfruits.models import Delivery, DeliveryAttempt, Destination
from productfruits.outgoing import retry
from productfruits.services import bulk, function_deliveries
from productfruits.services.deliveries import Attempt
from productfruits.services.function_deliveries import Ran

log = structlog.get_logger()

#: Outcomes that say nothing about whether somebody listens.
UNSENT = ("not_sendable", "loop", "nothing_left", "left_out")
#: When to come back to a function for which there was no process.
NOT_RUN_AGAIN = dt.timedelta(seconds=30)


def record(session: Session, attempts: Sequence[Attempt], now: dt.datetime, spread: Callable[[], float]) -> None:
    """Log the attempts, and decide what comes next for their deliveries and destinations.

    `spread` gives a number from -1 to 1 each time. What was erased or deleted meanwhile is passed over.
    """
    rows = {
        row.id: row
        for row in session.execute(
            select(Delivery.id, Delivery.workspace_id, Delivery.attempts)
            .where(Delivery.id.in_({attempt.delivery_id for attempt in attempts}))
            .with_for_update()
        )
    }
    known = [attempt for attempt in attempts if attempt.delivery_id in rows]
    states: dict[int, dict[str, Any]] = {}
    for attempt in known:
        tried = states.get(attempt.delivery_id, {}).get("attempts", rows[attempt.delivery_id].attempts)
        tried += attempt.outcome != "not_run"
        states[attempt.delivery_id] = {
            "id": attempt.delivery_id,
            "attempts": tried,
            **_next(attempt, tried, now, spread()),
        }
    bulk.update(session, Delivery, "id", list(states.values()))
    bulk.insert(
        session,
        DeliveryAttempt,
        [
            {
                "workspace_id": rows[attempt.delivery_id].workspace_id,
                "destination_id": attempt.destination_id,
                "delivery_id": attempt.delivery_id,
                "at": attempt.at,
                "took_ms": attempt.took_ms,
                "status": attempt.status,
                "outcome": attempt.outcome,
                "detail": attempt.detail,
                "answer": attempt.answer,
            }
            for attempt in known
            if attempt.outcome != "not_run"
        ],
    )
    _judge_destinations(session, attempts, now)
    function_deliveries.note(
        session,
        [
            Ran(attempt.destination_id, states[attempt.delivery_id]["attempts"], attempt.at, attempt.failed)
            for attempt in known
            if attempt.is_run and states[attempt.delivery_id]["status"] != "pending"
        ],
        now,
    )


def _next(attempt: Attempt, tried: int, now: dt.datetime, spread: float) -> dict[str, Any]:
    """The new state of the delivery."""
    if attempt.outcome == "delivered":
        return {"status": "delivered", "due_at": now, "finished_at": now}
    if attempt.outcome in ("loop", "nothing_left", "left_out", "refused"):
        return {"status": "dropped", "due_at": now, "finished_at": now}
    again = None
    if attempt.outcome == "not_run":
        again = now + NOT_RUN_AGAIN
    elif attempt.is_run and attempt.outcome in ("retry", "timed_out"):
        again = retries.next_attempt(tried, now, spread)
    elif attempt.outcome not in ("gone", "not_sendable", "error"):
        again = retry.next_attempt(tried, now, spread=spread, wish=attempt.wish)
    if again is None:
        return {"status": "failed", "due_at": now, "finished_at": now}
    return {"status": "pending", "due_at": again, "finished_at": None}


def _judge_destinations(session: Session, attempts: Sequence[Attempt], now: dt.datetime) -> None:
    """Patience with those who do not answer, and an end with those who take nothing for days."""
    told: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.outcome not in ("loop", "nothing_left", "left_out", "not_run"):
            told.setdefault(attempt.destination_id, []).append(attempt)
    touched = session.scalars(
        select(Destination).where(Destination.id.in_(told)).with_for_update().execution_options(populate_existing=True)
    )
    for destination in touched:
        for attempt in told[destination.id]:
            _judge(destination, attempt, now)
    session.flush()


def _judge(destination: Destination, attempt: Attempt, now: dt.datetime) -> None:
    if attempt.outcome == "delivered":
        destination.last_delivered_at = attempt.at
        destination.unanswered, destination.rests_until, destination.failing_since = 0, None, None
        return
    if not attempt.is_run:  # a function that throws is for its Errors tab, and never switched off
        destination.failing_since = destination.failing_since or attempt.at
    if attempt.outcome in ("unreachable", "timed_out"):
        destination.unanswered += 1
        peace = retry.peace(destination.unanswered)
        destination.rests_until = now + peace if peace else None
    elif attempt.outcome not in UNSENT:
        destination.unanswered, destination.rests_until = 0, None
    if attempt.outcome == "gone":
        _stop(destination, "gone", now)
    elif destination.failing_since and now - destination.failing_since >= retry.SWITCHED_OFF_AFTER:
        _stop(destination, "failing", now)


def _stop(destination: Destination, because: str, now: dt.datetime) -> None:
    if destination.enabled:
        destination.enabled = False
        destination.stopped_at, destination.stopped_because = now, because
        log.warning("destination_stopped", destination_id=destination.id, because=because)
