"""The outbox as its workers see it: who may send what now, and what became of it.

A worker leases a destination, not a single delivery: so one request at a time goes to each, from however many workers,
and one that hangs holds up nobody but itself. A lease that runs out, because its worker was killed, is anybody's again;
what was sent and not recorded is then sent once more, under the same webhook-id.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Integer, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, selectinload

from productfruits.database import UtcDateTime
from productfruits.models import Delivery, Destination
from productfruits.outgoing import bodies, retry
from productfruits.outgoing.bodies import Body
from productfruits.services import destinations, function_deliveries, parcels
from productfruits.services.destinations import Endpoint
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
    """Lease up to `places` destinations with due deliveries, those longest ago first. What to send them, `fill` says.

    At most `slow` of them are such that did not answer the last time. Call it in a transaction that may write, and
    commit before anything is sent.
    """
    answering = _claim(session, _claimable(now).where(Destination.unanswered == 0), places)
    left = places - len(answering)
    silent = _claim(
        session, _claimable(now).where(Destination.unanswered > 0), min(left, left if slow is None else slow)
    )
    opened: list[Batch] = []
    for destination in (*answering, *silent):
        destination.leased_by, destination.leased_until = worker, now + LEASE
        try:
            opened.append(_open(session, destination, now, vault))
        except Undecryptable:
            # The operator is told at the start and by `doctor`; the others go on meanwhile.
            log.error("destination_undecryptable", destination_id=destination.id)
            destination.leased_by, destination.leased_until = None, now
            destination.rests_until = now + retry.LONGEST_PEACE
    session.flush()
    return opened


def fill(session: Session, batches: Sequence[Batch], now: dt.datetime, *, parcels_in_all: int = PARCELS) -> list[Batch]:
    """The claimed batches with what to send, as it is stored now.

    Only reads. After the transaction that claimed: making documents takes longer than all the rest, and others would
    have to wait for it with what they want to write.
    """
    chosen = {
        each.id: each
        for each in session.scalars(
            select(Destination).where(Destination.id.in_([batch.destination_id for batch in batches]))
        )
    }
    most = max(1, min(BATCH, parcels_in_all // max(1, len(chosen))))
    due = {
        # Whoever did not answer lately is asked with one request.
        each.id: _due(session, each.id, now, 1 if each.unanswered >= retry.PATIENCE else most)
        for each in chosen.values()
    }
    packed = parcels.pack(session, chosen, due, now)
    return [replace(batch, parcels=tuple(packed.get(batch.destination_id, ()))) for batch in batches]


def release(session: Session, worker: str, destination_ids: Collection[int], now: dt.datetime) -> None:
    """Give the destinations back, after what was sent to them is recorded."""
    if destination_ids:
        session.execute(
            update(Destination)
            .where(Destination.id.in_(destination_ids), Destination.leased_by == worker)
            .values(leased_by=None, leased_until=now)
            .execution_options(synchronize_session=False)
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
