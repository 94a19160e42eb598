"""The heart: arrivals of messages become users, groups and events, in one transaction that the caller commits.

Whatever the grouping into transactions, the result is that of one message at a time in order of arrival.
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import bindparam, func, update
from sqlalchemy.orm import Session

from productfruits.database import UtcDateTime, table
from productfruits.identity import keys
from productfruits.identity.directory import Placement, Sighting
from productfruits.models import Connection, ConnectionSecret, Delivery, Event, SeenMessage
from productfruits.outgoing import chains
from productfruits.segment.messages import Message, Parsed
from productfruits.services import bulk, groups, lookups, outbox, people, rejections
from productfruits.services.locks import write_lock
from productfruits.services.outbox import Change, Outlet
from productfruits.services.rejections import Refused
from productfruits.services.times import microseconds

#: Refused elements of one request that are logged one by one; the rest only counts.
LOGGED_REFUSALS = 20
COUNTERS = ("accepted", "duplicates", "ignored", "rejected")
COUNT = (
    update(table(Connection))
    .where(table(Connection).c.id == bindparam("of_connection"))
    .values(
        {name: table(Connection).c[name] + bindparam(f"more_{name}") for name in COUNTERS}
        | {
            "first_received_at": func.coalesce(
                table(Connection).c.first_received_at, bindparam("first", type_=UtcDateTime)
            ),
            "last_received_at": func.coalesce(
                bindparam("last", type_=UtcDateTime), table(Connection).c.last_received_at
            ),
        }
    )
)
USE = (
    update(table(ConnectionSecret))
    .where(table(ConnectionSecret).c.id == bindparam("of_secret"))
    .values(last_used_at=bindparam("used"))
)
#: Why a message by the write key, which everybody can read in the page, was not obeyed (rule 10).
NOT_TRUSTED = {
    "public_delete": "A delete came from a public sender. Only the signed webhook, the auth token and the API erase.",
    "public_alias": "A public sender tried to fold two known users into one. Send the alias from your server.",
    "public_email": "A public sender spoke of a known user by e-mail alone. Send the userId as well.",
}
NO_TRAITS: Mapping[str, Any] = {}
NOTHING = Parsed(messages=(), refused=(), ignored=0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request whose sender is proven, with what could be read of it."""

    workspace_id: int
    connection_id: int | None
    #: The secret that verified it, for "last used"; None where there was none.
    secret_id: int | None
    #: The way in: "webhook", through which replays and test events come as well.
    source: str
    #: "server" or "public" (rule 10).
    trust: Literal["server", "public"]
    received_at: dt.datetime
    parsed: Parsed = NOTHING
    #: How many destinations of servers like this one the messages have come through (outgoing.chains).
    depth: int = 0
    #: A request that was refused as a whole after its connection was known: logged and counted, nothing else.
    refusal: Refused | None = None


@dataclass(slots=True)
class Receipt:
    """How many messages of one arrival were stored, seen before, knowingly ignored, and refused."""

    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Candidate:
    """A message of the group whose id was not seen before."""

    arrival: Arrival
    receipt: Receipt
    message: Message
    message_id: str
    sighting: Sighting
    placement: Placement | None = None


@dataclass(slots=True)
class _Group:
    """What one workspace gets in one transaction."""

    candidates: list[_Candidate] = field(default_factory=list)
    #: Digest -> the message is a delete (its id is kept for ever).
    seen: dict[str, bool] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    #: Where what is stored is to be sent to as well.
    outlets: list[Outlet] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def receive(session: Session, arrivals: Sequence[Arrival], now: dt.datetime) -> list[Receipt]:
    """Store the arrivals and answer a receipt for each, in their order. All or nothing: raises what the store raises.

    Repeating an arrival is safe: its messages count as duplicates and change nothing.
    """
    receipts = [Receipt() for _ in arrivals]
    # Sorted, so that two writers that need the same workspaces take their locks in the same order.
    for workspace_id in sorted({arrival.workspace_id for arrival in arrivals}):
        mine = [(a, r) for a, r in zip(arrivals, receipts, strict=True) if a.workspace_id == workspace_id]
        write_lock(session, workspace_id)
        _receive_workspace(session, workspace_id, mine, now)
    return receipts


def message_digest(message_id: str) -> str:
    return hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def _receive_workspace(
    session: Session, workspace_id: int, arrivals: Sequence[tuple[Arrival, Receipt]], now: dt.datetime
) -> None:
    group = _new_messages(session, workspace_id, arrivals)
    _place(session, workspace_id, group, now)
    _log_refusals(session, workspace_id, group, arrivals)
    events = _events(workspace_id, group.candidates)
    deliveries = outbox.deliveries(session, workspace_id, group.outlets, events, group.changes, now)
    with bulk.in_one_go(session):
        bulk.insert(session, Event, events)
        bulk.insert(session, Delivery, deliveries)
        _insert_seen(session, workspace_id, group.seen, now)
        _count(session, arrivals)


def _new_messages(session: Session, workspace_id: int, arrivals: Sequence[tuple[Arrival, Receipt]]) -> _Group:
    """Leave out what was seen before, in the store or earlier in this very group."""
    group = _Group()
    ids = {message.message_id for arrival, _ in arrivals for message in arrival.parsed.messages if message.message_id}
    digests = {message_id: message_digest(message_id) for message_id in ids}
    known, group.outlets = _seen(session, workspace_id, digests.values())
    for arrival, receipt in arrivals:
        received = microseconds(arrival.received_at)
        for message in arrival.parsed.messages:
            if message.message_id:
                digest = digests[message.message_id]
                if digest in known or digest in group.seen:
                    receipt.duplicates += 1
                    continue
                group.seen[digest] = message.type == "delete"
            message_id = message.message_id or f"made-up-{uuid.uuid4().hex}"
            sighting = _sighting(message, message_id, received, arrival.trust)
            group.candidates.append(_Candidate(arrival, receipt, message, message_id, sighting))
    return group


def _seen(session: Session, workspace_id: int, digests: Collection[str]) -> tuple[set[str], list[Outlet]]:
    """Those of the message ids that were seen before; and, with the same question, where new messages are sent to."""
    seen = lookups.by_keys(session, (SeenMessage.digest,), SeenMessage.digest, workspace_id, digests)
    rows, outlets = lookups.ask(session, [seen, outbox.question(workspace_id)])
    return {row.digest for row in rows}, outbox.outlets(outlets)


def _sighting(message: Message, message_id: str, received: int, trust: Literal["server", "public"]) -> Sighting:
    email = keys.find_email(message.type, message.traits, message.context)
    traits = keys.without_email(message.traits, email) if message.type == "identify" else NO_TRAITS
    sent = received if message.timestamp is None else microseconds(message.timestamp)
    return Sighting(
        kind=message.type,
        message_id=message_id,
        user_id=keys.identifier(message.user_id),
        anonymous_id=keys.identifier(message.anonymous_id),
        previous_id=keys.identifier(message.previous_id),
        group_id=keys.identifier(message.group_id),
        email=email,
        traits=traits,
        at=min(sent, received),  # a clock that runs ahead must not win over everything said later
        received=received,
        trust=trust,
    )


def _place(session: Session, workspace_id: int, group: _Group, now: dt.datetime) -> None:
    """Find or make the user of every message, by the matching rule, and write all that follows from it."""
    if not group.candidates:
        return
    directory = people.load(session, workspace_id, [candidate.sighting for candidate in group.candidates])
    group_calls = []
    for candidate in group.candidates:
        placement = candidate.placement = directory.apply(candidate.sighting)
        match placement.verdict:
            case "stored" | "erased":
                candidate.receipt.accepted += 1
            case "rejected":
                candidate.receipt.rejected += 1
                group.refused.append(
                    Refused(
                        candidate.arrival.received_at,
                        candidate.arrival.source,
                        "not_trusted",
                        NOT_TRUSTED[placement.reason or ""],
                    )
                )
            case _:
                candidate.receipt.ignored += 1
        if placement.verdict == "stored" and candidate.message.type == "group" and candidate.sighting.group_id:
            group_calls.append((candidate.sighting.group_id, candidate.message.traits, candidate.sighting.at))
    groups.merge(session, workspace_id, group_calls, now)
    changes = directory.changes()
    conflicts = people.save(session, workspace_id, changes, now)
    if any(outlet.filter.changes for outlet in group.outlets):
        spoken_of = [
            (candidate.placement.user.id, max(candidate.arrival.depth, chains.depth(candidate.message.context)))
            for candidate in group.candidates
            if candidate.placement is not None and candidate.placement.user is not None
        ]
        group.changes = outbox.changes(changes, conflicts, spoken_of)


def _events(workspace_id: int, candidates: Sequence[_Candidate]) -> list[dict[str, Any]]:
    """The rows of the event table."""
    rows = []
    for candidate in candidates:
        placement, message, sighting = candidate.placement, candidate.message, candidate.sighting
        if placement is None or placement.verdict != "stored" or placement.dropped:
            continue
        rows.append(
            {
                "workspace_id": workspace_id,
                "user_id": placement.user.id if placement.user else None,
                "type": message.type,
                "name": message.name,
                "message_id": candidate.message_id,
                "timestamp": message.timestamp or candidate.arrival.received_at,
                "received_at": candidate.arrival.received_at,
                "source": candidate.arrival.source,
                "signed": message.signed,
                "matched_by": placement.matched_by,
                "sent_user_id": sighting.user_id,
                "anonymous_id": sighting.anonymous_id,
                "previous_id": sighting.previous_id,
                "group_id": sighting.group_id,
                "properties": message.traits if message.type in ("identify", "group") else message.properties,
                "context": chains.with_depth(message.context, candidate.arrival.depth),
            }
        )
    return rows


def _insert_seen(session: Session, workspace_id: int, seen: dict[str, bool], now: dt.datetime) -> None:
    bulk.insert(
        session,
        SeenMessage,
        [
            {"workspace_id": workspace_id, "digest": digest, "seen_at": None if for_ever else now}
            for digest, for_ever in seen.items()
        ],
    )


def _log_refusals(
    session: Session, workspace_id: int, group: _Group, arrivals: Sequence[tuple[Arrival, Receipt]]
) -> None:
    """Count what was not stored, and keep the reasons of what was refused."""
    for arrival, receipt in arrivals:
        receipt.ignored += arrival.parsed.ignored
        receipt.rejected += len(arrival.parsed.refused) + (arrival.refusal is not None)
        if arrival.refusal is not None:
            group.refused.append(arrival.refusal)
        group.refused.extend(
            Refused(arrival.received_at, arrival.source, refusal.code, refusal.detail)
            for refusal in arrival.parsed.refused[:LOGGED_REFUSALS]
        )
    rejections.record(session, workspace_id, group.refused)


def _count(session: Session, arrivals: Sequence[tuple[Arrival, Receipt]]) -> None:
    """Count for the settings page, and note when a secret was last used."""
    for connection_id in sorted({a.connection_id for a, _ in arrivals if a.connection_id is not None}):
        mine = [(a, r) for a, r in arrivals if a.connection_id == connection_id]
        received = [a.received_at for a, _ in mine if a.refusal is None]
        counts = {f"more_{name}": sum(getattr(receipt, name) for _, receipt in mine) for name in COUNTERS}
        times = {"first": min(received, default=None), "last": max(received, default=None)}
        bulk.send(session, COUNT, {"of_connection": connection_id, **counts, **times})
    for secret_id in sorted({a.secret_id for a, _ in arrivals if a.secret_id is not None}):
        used = max(a.received_at for a, _ in arrivals if a.secret_id == secret_id)
        bulk.send(session, USE, {"of_secret": secret_id, "used": used})
