"""The heart: arrivals of messages become users, groups and events, in one transaction that the caller commits.

Whatever the grouping into transactions, the result is that of one message at a time in order of arrival.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from productfruits.database import encode_json
from productfruits.identity.directory import Directory, Placement, Sighting
from productfruits.models import Delivery, Event
from productfruits.services import (
    adoption_events,
    bulk,
    connection_counters,
    groups,
    lookups,
    outbox,
    people,
    rejections,
    seen_messages,
    waiting_items,
)
from productfruits.services.adoption_events import Told
from productfruits.services.adoption_intake import Following
from productfruits.services.arrivals import Arrival, PreparedArrival, PreparedMessage, Receipt, prepare
from productfruits.services.locks import write_lock
from productfruits.services.outbox import Change, Offer, Outlet
from productfruits.services.rejections import Refused

#: Columns of an event that come as JSON in text (arrivals.PreparedMessage).
DOCUMENTS = ("properties", "context")


class _Candidate(msgspec.Struct, eq=False):
    """A message of the group whose id was not seen before."""

    arrival: PreparedArrival
    receipt: Receipt
    message: PreparedMessage
    sighting: Sighting
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
    #: Where what is stored is to be sent to as well.
    outlets: list[Outlet] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    directory: Directory | None = None


def receive(session: Session, arrivals: Sequence[Arrival], now: dt.datetime) -> list[Receipt]:
    """Prepare the arrivals and `store` them."""
    return store(session, [prepare(arrival) for arrival in arrivals], now)


def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
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


def _receive_workspace(
    session: Session, workspace_id: int, arrivals: Sequence[tuple[PreparedArrival, Receipt]], now: dt.datetime
) -> None:
    with bulk.in_one_go(session):
        group = _new_messages(session, workspace_id, arrivals)
        _place(session, workspace_id, group, now)
        adoption_events.take_echoes(session, workspace_id, group.echoes, now)
        _log_refusals(session, workspace_id, group, arrivals)
        stored = [candidate for candidate in group.candidates if _is_kept(candidate.placement)]
        events = _events(workspace_id, stored) + [_written(event) for event in group.own_events]
        deliveries = []
        if group.outlets:
            offers = [_offer(candidate) for candidate in stored]
            offers += map(outbox.offer, group.own_events)
            deliveries = outbox.deliveries(session, workspace_id, group.outlets, events, offers, group.changes, now)
        with bulk.in_one_go(session):  # again, if something rare has ended it
            bulk.insert(session, Event, events, written=DOCUMENTS)
            bulk.insert(session, Delivery, deliveries)
            seen_messages.insert(session, workspace_id, group.seen, now)
            connection_counters.count(session, arrivals)
    if group.directory is not None:
        group.directory.forget()


def _new_messages(session: Session, workspace_id: int, arrivals: Sequence[tuple[PreparedArrival, Receipt]]) -> _Group:
    """Leave out what was seen before, in the store or earlier in this very group."""
    group = _Group()
    arrived = [(arrival, receipt, message) for arrival, receipt in arrivals for message in arrival.messages]
    known = _ask(session, workspace_id, group, [digest for *_, message in arrived for digest in message.digests])
    for arrival, receipt, message in arrived:
        if any(digest in known or digest in group.seen for digest in message.digests):
            receipt.duplicates += 1
            if message.told is not None:
                group.echoes.append((message.told, message.sighting))
            continue
        group.seen |= dict.fromkeys(message.digests, message.sighting.kind == "delete")
        group.candidates.append(_Candidate(arrival, receipt, message, message.sighting))
    return group


def _ask(session: Session, workspace_id: int, group: _Group, digests: Collection[str]) -> set[str]:
    """Those of the digests that are stored; in the same round trip, what of the workspace concerns every group."""
    seen = seen_messages.question(session, workspace_id, digests)
    rows, generations, outlets = lookups.ask(
        session, [seen, waiting_items.generation_question(workspace_id), outbox.question(workspace_id)]
    )
    group.generation = next((row.generation for row in generations), None)
    group.outlets = outbox.outlets(outlets)
    return {row.digest for row in rows}


def _place(session: Session, workspace_id: int, group: _Group, now: dt.datetime) -> None:
    """Find or make the user of every message, by the matching rule, and write all that follows from it."""
    if not group.candidates:
        return
    directory = people.load(session, workspace_id, [candidate.sighting for candidate in group.candidates])
    group.directory = directory
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
        if placement.verdict == "stored" and candidate.sighting.kind == "group" and candidate.sighting.group_id:
            group_calls.append((candidate.sighting.group_id, candidate.message.group_traits, candidate.sighting.at))
        if following is not None and placement.verdict == "stored":
            following.follow(candidate.message, placement, now)
    groups.merge(session, workspace_id, group_calls, now)
    changes = directory.changes()
    conflicts = people.save(session, workspace_id, changes, now)
    if following is not None:
        following.save()
        group.own_events = following.events(
            {c.sighting.message_id or "": c.arrival.received_at for c in group.candidates}
        )
        group.seen |= dict.fromkeys(following.digests(), False)
    if any(outlet.filter.changes for outlet in group.outlets):
        spoken_of = [
            (candidate.placement.user.id, candidate.message.depth)
            for candidate in group.candidates
            if candidate.placement is not None and candidate.placement.user is not None
        ]
        group.changes = outbox.changes(changes, conflicts, spoken_of)


def _following(session: Session, workspace_id: int, group: _Group, directory: Directory) -> Following | None:
    """Who follows what these messages mean for tours and checklists; None where they can mean nothing."""
    waiting = waiting_items.load(session, workspace_id, group.generation)
    events = [c.message.told for c in group.candidates if c.message.told is not None]
    contents = adoption_events.find_contents(session, workspace_id, events) if events else {}
    for candidate in group.candidates:
        told = candidate.message.told
        if told is not None and told in contents:
            candidate.content_id = contents[told].id
    if not contents and not waiting.checklists:
        return None
    names = {
        candidate.sighting.message_id or "": candidate.message.name
        for candidate in group.candidates
        if candidate.sighting.kind == "track" and candidate.message.name
    }
    seen = [candidate.sighting for candidate in group.candidates]
    return Following(session, workspace_id, directory, waiting, contents, seen, names)


def _is_kept(placement: Placement | None) -> bool:
    if placement is None or placement.sighting.kind == adoption_events.RESET:
        return False
    return placement.verdict == "stored" and not placement.dropped


def _offer(candidate: _Candidate) -> Offer:
    message = candidate.message
    return Offer(candidate.sighting.kind, message.name, message.is_adoption, message.depth)


def _events(workspace_id: int, candidates: Sequence[_Candidate]) -> list[dict[str, Any]]:
    """The rows of the event table."""
    rows = []
    for candidate in candidates:
        placement, message, sighting = candidate.placement, candidate.message, candidate.sighting
        if placement is None:
            continue
        rows.append(
            {
                "workspace_id": workspace_id,
                "user_id": placement.user.id if placement.user else None,
                "type": sighting.kind,
                "name": message.name,
                "message_id": sighting.message_id,
                "timestamp": message.timestamp,
                "received_at": candidate.arrival.received_at,
                "source": candidate.arrival.source,
                "signed": message.signed,
                "matched_by": placement.matched_by,
                "sent_user_id": sighting.user_id,
                "anonymous_id": sighting.anonymous_id,
                "previous_id": sighting.previous_id,
                "group_id": sighting.group_id,
                "content_id": candidate.content_id,
                "properties": message.properties,
                "context": message.context,
            }
        )
    return rows


def _written(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, **{name: encode_json(event[name]) for name in DOCUMENTS}}


def _log_refusals(
    session: Session, workspace_id: int, group: _Group, arrivals: Sequence[tuple[PreparedArrival, Receipt]]
) -> None:
    """Count what was not stored, and keep the reasons of what was refused."""
    for arrival, receipt in arrivals:
        receipt.ignored += arrival.ignored
        receipt.rejected += arrival.refused_count + (arrival.refusal is not None)
        if arrival.refusal is not None:
            group.refused.append(arrival.refusal)
        group.refused.extend(
            Refused(arrival.received_at, arrival.source, refusal.code, refusal.detail) for refusal in arrival.refused
        )
    rejections.record(session, workspace_id, group.refused)
