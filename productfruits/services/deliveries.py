"""The outbox as its workers see it: who may send what now, and what became of it.

A worker leases a destination, not a single delivery: so one request at a time goes to each, from however many workers,
and one that hangs holds up nobody but itself. A lease that runs out, because its worker was killed, is anybody's again;
what was sent and not recorded is then sent once more, under the same webhook-id.
"""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Integer, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, selectinload

from productfruits.database import UtcDateTime
from productfruits.functions import retries
from productfruits.models import Delivery, DeliveryAttempt, Destination
from productfruits.outgoing import bodies, retry
from productfruits.outgoing.bodies import Body
from productfruits.services import bulk, destinations, function_deliveries, parcels
from productfruits.services.destinations import Endpoint
from productfruits.services.function_deliveries import Ran
from productfruits.services.function_errors import Failed
from productfruits.services.function_instances import Runnable
from productfruits.services.parcels import Due, Parcel
from productfruits.services.vault import Undecryptable, Vault

log = structlog.get_logger()

#: Longer than a worker ever works on what it has claimed: a lane's time, one request, and the recording.
LEASE = dt.timedelta(seconds=60)
#: Deliveries of one destination that are taken at once.
BATCH = 200
#: And of all of them together, since their documents are in memory until they are sent.
PARCELS = 4_000
DUE = (
    select(Delivery.id, Delivery.kind, Delivery.event_id, Delivery.subject, Delivery.depth, Delivery.created_at)
    .where(
        Delivery.destination_id == bindparam("destination"),
        Delivery.status == "pending",
        Delivery.due_at <= bindparam("now", type_=UtcDateTime),
    )
    .order_by(Delivery.due_at)
    .limit(bindparam("most", type_=Integer))
)
#: Outcomes that say nothing about whether somebody listens.
UNSENT = ("not_sendable", "loop", "nothing_left", "left_out")
#: When to come back to a function for which there was no process.
NOT_RUN_AGAIN = dt.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Batch:
    """What to send to one destination, in this order, and all that it takes to do so without the store."""

    destination_id: int
    kind: str
    method: str
    endpoint: Endpoint
    body: Body
    #: Sign with these, newest first.
    secrets: tuple[str, ...] = field(repr=False)
    #: Attempts in a row, so far, that nobody answered.
    unanswered: int
    parcels: tuple[Parcel, ...]
    #: What runs instead of a request.
    function: Runnable | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one try."""

    delivery_id: int
    destination_id: int
    at: dt.datetime
    took_ms: int
    #: "delivered", "failed", "gone", "unreachable", "timed_out", "not_sendable", "loop", "nothing_left" or
    #: "left_out"; of a function also "retry", "refused" (it does not take this event), "error" or "not_run".
    outcome: str
    status: int | None = None
    detail: str | None = None
    answer: str | None = field(default=None, repr=False)
    #: The pause that the receiver asked for.
    wish: dt.timedelta | None = None
    #: A run of a function that did not succeed.
    failed: Failed | None = field(default=None, repr=False)
    is_run: bool = False


def are_due(session: Session, now: dt.datetime) -> bool:
    """True when a worker could claim something. Only reads."""
    return session.scalar(select(_claimable(now).exists())) or False


def claim(
    session: Session, worker: str, places: int, now: dt.datetime, vault: Vault, *, slow: int | None = None
) -> list[Batch]:
    """Lease up to `places` destinations with due deliveries, those longest ago first, and say what to send them.

    At most `slow` of them are such that did not answer the last time. Call it in a transaction that may write, and
    commit before anything is sent.
    """
    answering = _claim(session, _claimable(now).where(Destination.unanswered == 0), places)
    left = places - len(answering)
    silent = _claim(
        session, _claimable(now).where(Destination.unanswered > 0), min(left, left if slow is None else slow)
    )
    chosen = [*answering, *silent]
    most = max(1, min(BATCH, PARCELS // max(1, len(chosen))))
    due: dict[int, Sequence[Due]] = {}
    opened: list[Batch] = []
    for destination in chosen:
        destination.leased_by, destination.leased_until = worker, now + LEASE
        try:
            opened.append(_open(session, destination, now, vault))
        except Undecryptable:
            # The operator is told at the start and by `doctor`; the others go on meanwhile.
            log.error("destination_undecryptable", destination_id=destination.id)
            destination.leased_by, destination.leased_until = None, now
            destination.rests_until = now + retry.LONGEST_PEACE
            continue
        # Whoever did not answer lately is asked with one request.
        due[destination.id] = _due(
            session, destination.id, now, 1 if destination.unanswered >= retry.PATIENCE else most
        )
    session.flush()
    packed = parcels.pack(session, {each.id: each for each in chosen if each.id in due}, due, now)
    return [replace(batch, parcels=tuple(packed[batch.destination_id])) for batch in opened]


def release(session: Session, worker: str, destination_ids: Collection[int], now: dt.datetime) -> None:
    """Give the destinations back, after what was sent to them is recorded."""
    if destination_ids:
        session.execute(
            update(Destination)
            .where(Destination.id.in_(destination_ids), Destination.leased_by == worker)
            .values(leased_by=None, leased_until=now)
            .execution_options(synchronize_session=False)
        )


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


def _claimable(now: dt.datetime) -> Any:
    due = exists().where(
        Delivery.destination_id == Destination.id, Delivery.status == "pending", Delivery.due_at <= now
    )
    return select(Destination).where(
        Destination.enabled,
        Destination.leased_until <= now,
        or_(Destination.rests_until.is_(None), Destination.rests_until <= now),
        due,
    )


def _claim(session: Session, claimable: Any, places: int) -> Sequence[Destination]:
    if places <= 0:
        return ()
    oldest = claimable.order_by(Destination.leased_until).limit(places).options(selectinload(Destination.secrets))
    # Read anew: a release in this transaction went past what the session remembers of the row.
    found: Sequence[Destination] = session.scalars(
        oldest.with_for_update(skip_locked=True, of=Destination).execution_options(populate_existing=True)
    ).all()
    return found


def _due(session: Session, destination_id: int, now: dt.datetime, most: int) -> Sequence[Due]:
    return [Due(*row) for row in session.execute(DUE, {"destination": destination_id, "now": now, "most": most})]


def _open(session: Session, destination: Destination, now: dt.datetime, vault: Vault) -> Batch:
    return Batch(
        destination_id=destination.id,
        kind=destination.kind,
        method=destination.method,
        endpoint=destinations.endpoint(destination, vault),
        body=bodies.read(destination.body),
        secrets=tuple(
            vault.decrypt(secret.identity, secret.ciphertext).decode()
            for secret in destinations.live_secrets(destination, now)
        ),
        unanswered=destination.unanswered,
        parcels=(),
        function=function_deliveries.runnable_of(session, destination, vault),
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
