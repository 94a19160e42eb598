"""The heart: arrivals of messages become users, groups and events, in one transaction that the caller commits.

Whatever the grouping into transactions, the result is that of one message at a time in order of arrival.
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.orm import Session

from productfruits.identity import keys
from productfruits.identity.directory import Directory, Placement, Sighting
from productfruits.models import Event, SeenMessage
from productfruits.segment.messages import Message, Parsed
from productfruits.services import (
    adoption_events,
    bulk,
    connection_counters,
    groups,
    lookups,
    people,
    rejections,
    waiting_items,
)
from productfruits.services.adoption_events import Told
from productfruits.services.adoption_intake import Following
from productfruits.services.locks import write_lock
from productfruits.services.rejections import Refused
from productfruits.services.times import microseconds

#: Refused elements of one request that are logged one by one; the rest only counts.
LOGGED_REFUSALS = 20
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
    #: What it tells about a tour or a checklist, if it is an adoption event.
    told: Told | None = None
    content_id: int | None = None
    placement: Placement | None = None


@dataclass(slots=True)
class _Group:
    """What one workspace gets in one transaction."""

    candidates: list[_Candidate] = field(default_factory=list)
    #: Digest -> the message is a delete (its id is kept for ever).
    seen: dict[str, bool] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    #: Adoption events that were seen before, of which some tell that a page knows what the server found out.
    echoes: list[tuple[Told, Sighting]] = field(default_factory=list)
    #: Number of the state of the workspace's content; None where nothing was ever published.
    generation: int | None = None
    #: Events that the server writes because of these messages.
    own_events: list[dict[str, Any]] = field(default_factory=list)


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
    adoption_events.take_echoes(session, workspace_id, group.echoes, now)
    _log_refusals(session, workspace_id, group, arrivals)
    with bulk.in_one_go(session):
        _insert_events(session, workspace_id, group)
        _insert_seen(session, workspace_id, group.seen, now)
        connection_counters.count(session, arrivals)


def _new_messages(session: Session, workspace_id: int, arrivals: Sequence[tuple[Arrival, Receipt]]) -> _Group:
    """Leave out what was seen before, in the store or earlier in this very group."""
    group = _Group()
    arrived = [
        (arrival, receipt, message, adoption_events.told(message, arrival.received_at))
        for arrival, receipt in arrivals
        for message in arrival.parsed.messages
    ]
    digests = {m.message_id: message_digest(m.message_id) for _, _, m, _ in arrived if m.message_id}
    known, group.generation = _seen(
        session, workspace_id, [*digests.values(), *(told.digest for *_, told in arrived if told is not None)]
    )
    for arrival, receipt, message, told in arrived:
        own = [digests[message.message_id]] if message.message_id else []
        if told is not None:
            # An adoption event comes from the page and, under another messageId, through Segment.
            own.append(told.digest)
        message_id = message.message_id or f"made-up-{uuid.uuid4().hex}"
        sighting = _sighting(message, message_id, microseconds(arrival.received_at), arrival.trust)
        if any(digest in known or digest in group.seen for digest in own):
            receipt.duplicates += 1
            if told is not None:
                group.echoes.append((told, sighting))
            continue
        group.seen |= dict.fromkeys(own, message.type == "delete")
        group.candidates.append(_Candidate(arrival, receipt, message, message_id, sighting, told))
    return group


def _seen(session: Session, workspace_id: int, digests: Collection[str]) -> tuple[set[str], int | None]:
    """Those of the digests that are stored; and, in the same round trip, the number of the content's state."""
    question = lookups.by_keys(session, (SeenMessage.digest,), SeenMessage.digest, workspace_id, digests)
    rows, generations = lookups.ask(session, [question, waiting_items.generation_question(workspace_id)])
    return {row.digest for row in rows}, next((row.generation for row in generations), None)


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
    following = _following(session, workspace_id, group, directory)
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
                        rejections.NOT_TRUSTED[placement.reason or ""],
                    )
                )
            case _:
                candidate.receipt.ignored += 1
        if placement.verdict == "stored" and candidate.message.type == "group" and candidate.sighting.group_id:
            group_calls.append((candidate.sighting.group_id, candidate.message.traits, candidate.sighting.at))
        if following is not None and placement.verdict == "stored":
            following.follow(candidate.message, placement, candidate.told, now)
    groups.merge(session, workspace_id, group_calls, now)
    people.save(session, workspace_id, directory.changes(), now)
    if following is not None:
        following.save()
        group.own_events = following.events({c.message_id: c.arrival.received_at for c in group.candidates})
        group.seen |= dict.fromkeys(following.digests(), False)


def _following(session: Session, workspace_id: int, group: _Group, directory: Directory) -> Following | None:
    """Who follows what these messages mean for tours and checklists; None where they can mean nothing."""
    waiting = waiting_items.load(session, workspace_id, group.generation)
    events = [candidate.told for candidate in group.candidates if candidate.told is not None]
    contents = adoption_events.find_contents(session, workspace_id, events) if events else {}
    for candidate in group.candidates:
        if candidate.told is not None and candidate.told in contents:
            candidate.content_id = contents[candidate.told].id
    if not contents and not waiting.checklists:
        return None
    names = {
        candidate.message_id: candidate.message.name
        for candidate in group.candidates
        if candidate.message.type == "track" and candidate.message.name
    }
    sightings = [candidate.sighting for candidate in group.candidates]
    return Following(session, workspace_id, directory, waiting, contents, sightings, names)


def _insert_events(session: Session, workspace_id: int, group: _Group) -> None:
    rows = []
    for candidate in group.candidates:
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
                "content_id": candidate.content_id,
                "properties": message.traits if message.type in ("identify", "group") else message.properties,
                "context": message.context,
            }
        )
    bulk.insert(session, Event, rows + group.own_events)


def _insert_seen(session: Session, workspace_id: int, seen: dict[str, bool], now: dt.datetime) -> None:
    bulk.insert(
        session,
        SeenMessage,
        [
            {"workspace_id": workspace_id, "digest": digest, "seen_at": None if for_ever else now}
            for digest, for_ever in seen.items()
        ],
        # Nobody can know the id of an event that the server writes, but somebody could have guessed it.
        known_by=("workspace_id", "digest"),
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
