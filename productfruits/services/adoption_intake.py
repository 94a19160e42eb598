"""What messages mean for tours and checklists: adoption events move states, and any message can get an item done.

One at a time and in order of arrival, as the directory decides, so that it makes no difference where one group of
messages ends and the next one begins.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from productfruits.adoption import states
from productfruits.adoption.states import State
from productfruits.adoption.subjects import Subject
from productfruits.identity.directory import Directory, Person, Placement, Sighting
from productfruits.models import Event
from productfruits.services import content_states, own_events
from productfruits.services.adoption_events import RESET, OfContent, Told, event_digest
from productfruits.services.arrivals import PreparedMessage
from productfruits.services.content_states import Owner, States
from productfruits.services.own_events import OwnEvent
from productfruits.services.times import instant
from productfruits.services.waiting_items import Waiting, WaitingItem


@dataclass(slots=True, eq=False)
class _Holder:
    """Whoever has states: a person, or an anonymous id that belongs to nobody yet."""

    key: Person | str
    states: dict[int, State]
    changed: set[int] = field(default_factory=set)
    #: The holder that this one turned out to be.
    into: "_Holder | None" = None


class Following:
    """Follows the messages of one group, each right after the directory has placed it."""

    def __init__(
        self,
        session: Session,
        workspace_id: int,
        directory: Directory,
        waiting: Waiting,
        contents: Mapping[Told, OfContent],
        sightings: Sequence[Sighting],
        names: Mapping[str, str],
    ) -> None:
        """`names`: the names of the track events of this group by message id."""
        self._session = session
        self._workspace_id = workspace_id
        self._directory = directory
        self._waiting = waiting
        self._contents = contents
        self._names = names
        self._handovers = directory.handovers
        self._holders: dict[Person | str, _Holder] = {}
        self._written: list[tuple[_Holder, OwnEvent]] = []
        self._stored = self._load(sightings)

    def follow(self, message: PreparedMessage, placement: Placement, now: dt.datetime) -> None:
        """Take over what this message means; to be called after each message that was placed and is stored."""
        handed_over, self._handovers = self._handovers != self._directory.handovers, self._directory.handovers
        holder = self._holder(placement)
        if holder is None:
            return
        began = None if message.told is None or not _may(placement) else self._advance(holder, message.told)
        if not self._waiting.checklists:
            return
        if handed_over:
            due: Iterable[WaitingItem] = [item for each in self._waiting.checklists.values() for item in each.waiting]
        else:
            due = self._waiting.by_trait
            if message.sighting.kind == "track" and message.name is not None:
                due = (*due, *self._waiting.by_event.get(message.name, ()))
            if began is not None and began in self._waiting.checklists:
                due = (*due, *self._waiting.checklists[began].waiting)
        for item in due:
            state = holder.states.get(item.content_id)
            if state is None or not state.is_live or item.item_id in state.items:
                continue
            if self._is_met(holder, item, now):
                self._complete(holder, item, placement)

    def save(self) -> None:
        """Write the states that changed. After the people, who own them."""
        changed: States = {}
        for holder in self._holders.values():
            owner = _owner(holder)
            if holder.into is None and owner is not None:
                changed |= {(owner, content_id): holder.states[content_id] for content_id in holder.changed}
        content_states.save(self._session, self._workspace_id, changed)

    def events(self, received_at: Mapping[str, dt.datetime]) -> list[dict[str, Any]]:
        """The rows of the events that the server writes. `received_at`: by id of the message that led to it."""
        rows = []
        for holder, event in self._written:
            last = holder
            while last.into is not None:
                last = last.into
            owner = _owner(last)
            if owner is not None:
                user_id = owner[1] if owner[0] == "user" else None
                anonymous_id = holder.key if isinstance(holder.key, str) else None
                rows.append(event.row(self._workspace_id, user_id, anonymous_id, received_at[event.trigger]))
        return rows

    def digests(self) -> set[str]:
        """Under which copies of these events will be known."""
        return {event_digest(event.event_id) for _, event in self._written}

    def _load(self, sightings: Sequence[Sighting]) -> dict[Owner, dict[int, State]]:
        content_ids = {content.id for content in self._contents.values()} | self._waiting.checklists.keys()
        owners: list[Owner] = [("user", person.id) for person in self._directory.people_all() if person.stored]
        named = {i for sighting in sightings for i in (sighting.anonymous_id, sighting.previous_id) if i is not None}
        owners += (("visitor", anonymous_id) for anonymous_id in sorted(named))
        found: dict[Owner, dict[int, State]] = {}
        for (owner, content_id), state in content_states.load(
            self._session, self._workspace_id, owners, content_ids
        ).items():
            found.setdefault(owner, {})[content_id] = state
        return found

    def _holder(self, placement: Placement) -> _Holder | None:
        """Whose message this is; whoever joined or was folded by it is taken over first."""
        sighting, person = placement.sighting, placement.user
        if person is None:
            if placement.matched_by != "anonymous" or sighting.anonymous_id is None:
                return None
            return self._open(sighting.anonymous_id)
        holder = self._open(person)
        if sighting.kind in ("identify", "alias"):
            for anonymous_id in (sighting.anonymous_id, sighting.previous_id):
                if anonymous_id is not None and self._directory.owner_of(anonymous_id) is person:
                    self._absorb(holder, self._open(anonymous_id))
        if sighting.kind == "alias":
            for other in self._directory.people_all():
                if other.gone and other is not person and other.survivor() is person:
                    self._absorb(holder, self._open(other))
        return holder

    def _open(self, key: Person | str) -> _Holder:
        holder = self._holders.get(key)
        if holder is None:
            owner: Owner = ("visitor", key) if isinstance(key, str) else ("user", key.id)
            holder = self._holders[key] = _Holder(key, self._stored.pop(owner, {}))
        return holder

    def _absorb(self, holder: _Holder, other: _Holder) -> None:
        if other.into is not None or other is holder:
            return
        other.into = holder
        for content_id, state in other.states.items():
            known = holder.states.get(content_id)
            holder.states[content_id] = state if known is None else states.merge(known, state)
            holder.changed.add(content_id)
        if isinstance(other.key, str):
            del self._holders[other.key]  # an id that is taken away again begins anew

    def _advance(self, holder: _Holder, about: Told) -> int | None:
        """Move the state, and return the content's id if this is how it became live."""
        content = self._contents.get(about)
        if content is None or content_states.is_void(about.happening.at, content.reset_at):
            return None
        before = holder.states.get(content.id, states.NOTHING)
        after = states.advance(before, about.happening)
        if after is before:
            return None
        self._set(holder, content.id, after)
        return content.id if after.is_live and not before.is_live else None

    def _set(self, holder: _Holder, content_id: int, state: State) -> None:
        holder.states[content_id] = state
        holder.changed.add(content_id)
        if isinstance(holder.key, Person):
            holder.key.changed = True

    def _is_met(self, holder: _Holder, item: WaitingItem, now: dt.datetime) -> bool:
        if item.meets is not None:
            return item.meets(self._subject(holder), now)
        here = 0
        for placement in self._directory.placed(holder.key):
            if self._names.get(placement.sighting.message_id or "") == item.event:
                here += 1
        return here >= item.at_least or here + self._count(holder, item.event or "", item.at_least) >= item.at_least

    def _count(self, holder: _Holder, name: str, at_most: int) -> int:
        """How often it happened before this group, no further counted than anybody asks."""
        found = 0
        for portion in self._directory.portions(holder.key):
            conditions = [Event.workspace_id == self._workspace_id, Event.type == "track", Event.name == name]
            if portion.user_id is not None:
                conditions.append(Event.user_id == portion.user_id)
            else:
                conditions += [Event.user_id.is_(None), Event.anonymous_id == portion.anonymous_id]
            if portion.sent_user_id is not None:
                conditions.append(Event.sent_user_id == portion.sent_user_id)
            elif portion.without:
                conditions.append(or_(Event.sent_user_id.is_(None), Event.sent_user_id.not_in(portion.without)))
            some = select(Event.id).where(and_(*conditions)).limit(at_most).subquery()
            found += self._session.scalars(select(func.count()).select_from(some)).one()
        return found

    def _subject(self, holder: _Holder) -> Subject:
        person = holder.key
        if isinstance(person, str):
            visitor = self._directory.visitor(person)
            return Subject(traits={} if visitor is None else visitor.traits)
        return Subject(
            is_known=True,
            username=person.username,
            email=person.email,
            traits=person.traits,
            first_seen=instant(person.first_seen),
            last_seen=instant(person.last_seen),
            visits=person.visits,
            visit_began=instant(person.visit_began),
        )

    def _complete(self, holder: _Holder, item: WaitingItem, placement: Placement) -> None:
        """Get an item done, and with the last one the checklist."""
        checklist = self._waiting.checklists[item.content_id]
        own = {"item_id": item.item_id, "item_name": item.title, "how": item.how}
        self._write(holder, item.content_id, "checklist_item_completed", own, placement)
        state = holder.states[item.content_id]
        # A dismissed one has ended: its items go on being done, but a session ends only once.
        if state.state in ("in_progress", "snoozed") and states.is_done(state, checklist.item_ids):
            self._write(holder, item.content_id, "checklist_completed", {"end_reason": "completed"}, placement)

    def _write(self, holder: _Holder, content_id: int, raw: str, own: Mapping[str, Any], placement: Placement) -> None:
        """Write an adoption event that no page has seen happen. It moves the state, and gets nothing else done."""
        checklist = self._waiting.checklists[content_id]
        event, after = own_events.make(self._workspace_id, checklist, holder.states[content_id], raw, own, placement)
        self._set(holder, content_id, after)
        self._written.append((holder, event))


def _may(placement: Placement) -> bool:
    """Whoever is known by a username begins anew by that name alone: an anonymous id is less than that (rule 10)."""
    sighting, person = placement.sighting, placement.user
    return sighting.kind != RESET or sighting.user_id is not None or person is None or person.username is None


def _owner(holder: _Holder) -> Owner | None:
    """Whose rows these are in the end; None where the user was erased by this very group."""
    if isinstance(holder.key, str):
        return ("visitor", holder.key)
    return None if holder.key.gone else ("user", holder.key.id)
