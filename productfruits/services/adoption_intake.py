"""What messages mean for tours and checklists: adoption events move states, and any message can get an item done.

One at a time and in order of arrival, as the directory decides, so that it makes no difference where one group of
messages ends and the next one begins.
"""

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from productfruits.adoption import states, vocabulary
from productfruits.adoption.states import Happening, State
from productfruits.adoption.subjects import Subject
from productfruits.identity.directory import Directory, Person, Placement, Sighting
from productfruits.models import Content, Event, User, UserAlias
from productfruits.segment import timestamps
from productfruits.segment.messages import Message
from productfruits.services import content_states
from productfruits.services.content_states import Owner, States
from productfruits.services.times import instant, microseconds
from productfruits.services.waiting_items import Waiting, WaitingItem

#: Namespace of the ids of the events that the server writes itself.
OWN_EVENTS = uuid.UUID("5b0c1f5e-9d5b-5a52-8f0e-6a1c8f6f2b1d")
#: `source` of these events.
OWN_SOURCE = "server"
#: Nobody can snooze for longer.
LONGEST_SNOOZE = dt.timedelta(days=366)
_ID_CHARACTERS = 200
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_WHOLE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Told:
    """An adoption event as a message tells it, whoever sent it. Nothing in it is proven."""

    event_id: str
    kind: str
    content_id: int | None
    content_key: str | None
    happening: Happening
    is_preview: bool

    @property
    def digest(self) -> str:
        """Under which it counts once, whatever the messageId is that its copy comes with."""
        return event_digest(self.event_id)

    @property
    def is_echo_of_ours(self) -> bool:
        """Whether it may be a copy of an event that the server wrote."""
        return len(self.event_id) == 36 and self.event_id[14] == "5"


@dataclass(frozen=True, slots=True)
class OfContent:
    """The content that an adoption event is about."""

    id: int
    reset_at: dt.datetime | None


@dataclass(slots=True, eq=False)
class _Holder:
    """Whoever has states: a person, or an anonymous id that belongs to nobody yet."""

    key: Person | str
    states: dict[int, State]
    changed: set[int] = field(default_factory=set)
    #: The holder that this one turned out to be.
    into: "_Holder | None" = None


@dataclass(frozen=True, slots=True)
class _Written:
    """An event that the server writes, because of a message of somebody."""

    holder: _Holder
    trigger: Sighting
    matched_by: str
    content_id: int
    event: vocabulary.AdoptionEvent
    event_id: str
    at: int
    properties: Mapping[str, Any]


def told(message: Message, received_at: dt.datetime) -> Told | None:
    """What an adoption event says, or None for any other message."""
    said = message.properties
    if message.type != "track" or said.get("source") != vocabulary.SOURCE:
        return None
    raw, event_id = said.get("raw_name"), _text(said.get("event_id"))
    event = vocabulary.EVENTS.get(raw) if type(raw) is str else None
    if event is None or event_id is None:
        return None
    # As with traits: a clock that runs ahead must not win over everything said later.
    at = microseconds(min(message.timestamp or received_at, received_at))
    snoozed_until = timestamps.parse(said.get("snoozed_until"))
    until = None if snoozed_until is None else microseconds(snoozed_until)
    return Told(
        event_id=event_id,
        kind=event.of,
        content_id=_number(said.get("id")),
        content_key=_slug(said.get("content_key")),
        happening=Happening(
            raw=event.raw,
            at=at,
            event_id=event_id,
            version=_number(said.get("version")) or 0,
            session_id=_text(said.get("session_id")),
            step_id=_slug(said.get("step_id")),
            item_id=_slug(said.get("item_id")),
            how=_one_of(said.get("how"), vocabulary.ITEM_WAYS),
            end_reason=_one_of(said.get("end_reason"), vocabulary.END_REASONS),
            snoozed_until=None if until is None else min(until, at + LONGEST_SNOOZE // dt.timedelta(microseconds=1)),
        ),
        is_preview=said.get("is_preview") is True,
    )


def event_digest(event_id: str) -> str:
    """The hash under which an adoption event is seen; apart from those of messageIds."""
    return hashlib.blake2b(event_id.encode(), digest_size=16, person=b"adoption event").hexdigest()


def find_contents(session: Session, workspace_id: int, events: Iterable[Told]) -> dict[Told, OfContent]:
    """The contents that these events are about. Nothing for previews, and for what this workspace does not have."""
    real = [event for event in events if not event.is_preview]
    ids = {event.content_id for event in real if event.content_id}
    keys = {event.content_key for event in real if event.content_id is None and event.content_key}
    if not ids and not keys:
        return {}
    rows = session.execute(
        select(Content.id, Content.key, Content.kind, Content.reset_at).where(
            Content.workspace_id == workspace_id, or_(Content.id.in_(ids), Content.key.in_(keys))
        )
    ).all()
    by_id = {(row.id, row.kind): row for row in rows}
    by_key = {(row.key, row.kind): row for row in rows}
    found = {}
    for event in real:
        row = by_id.get((event.content_id or 0, event.kind))
        if row is None and event.content_id is None:
            row = by_key.get((event.content_key or "", event.kind))
        if row is not None:
            found[event] = OfContent(row.id, row.reset_at)
    return found


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
        self._written: list[_Written] = []
        self._stored = self._load(sightings)

    def follow(self, message: Message, placement: Placement, about: Told | None, now: dt.datetime) -> None:
        """Take over what this message means; to be called after each message that was placed and is stored."""
        handed_over, self._handovers = self._handovers != self._directory.handovers, self._directory.handovers
        holder = self._holder(placement)
        if holder is None:
            return
        began = None if about is None else self._advance(holder, about)
        if not self._waiting.checklists:
            return
        if handed_over:
            due: Iterable[WaitingItem] = [item for each in self._waiting.checklists.values() for item in each.waiting]
        else:
            due = self._waiting.by_trait
            if message.type == "track" and message.name is not None:
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
        for written in self._written:
            holder = written.holder
            while holder.into is not None:
                holder = holder.into
            owner = _owner(holder)
            if owner is None:
                continue
            trigger = written.trigger
            rows.append(
                {
                    "workspace_id": self._workspace_id,
                    "user_id": owner[1] if owner[0] == "user" else None,
                    "type": "track",
                    "name": written.event.name,
                    "message_id": written.event_id,
                    "timestamp": instant(written.at),
                    "received_at": received_at[trigger.message_id or ""],
                    "source": OWN_SOURCE,
                    "signed": True,
                    "matched_by": written.matched_by,
                    # None of the ids of the message: if it parts from this user some day, what was done stays done.
                    "sent_user_id": None,
                    "anonymous_id": written.holder.key if isinstance(written.holder.key, str) else None,
                    "previous_id": None,
                    "group_id": None,
                    "content_id": written.content_id,
                    "properties": dict(written.properties),
                    "context": {},
                }
            )
        return rows

    def digests(self) -> set[str]:
        """Under which copies of these events will be known."""
        return {event_digest(written.event_id) for written in self._written}

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
        state = holder.states[content_id]
        trigger = placement.sighting
        at = max(trigger.at, state.state_at)
        item_id = own.get("item_id", "")
        event_id = str(uuid.uuid5(OWN_EVENTS, f"{self._workspace_id}/{content_id}/{item_id}/{trigger.message_id}"))
        after = states.advance(
            state,
            Happening(
                raw=raw,
                at=at,
                event_id=event_id,
                version=state.version,
                session_id=state.session_id,
                item_id=item_id or None,
                how=own.get("how"),
                end_reason=own.get("end_reason"),
                reported=False,
            ),
        )
        self._set(holder, content_id, after)
        done = sum(item in after.items for item in checklist.item_ids)
        properties = {
            "id": content_id,
            "content_type": "checklist",
            "content_key": checklist.key,
            "content_name": checklist.name,
            "version": state.version,
            "session_id": state.session_id,
            "raw_name": raw,
            "event_id": event_id,
            "is_preview": False,
            "source": vocabulary.SOURCE,
            **own,
            "items_count": len(checklist.item_ids),
            "progress": round(100 * done / len(checklist.item_ids)),
        }
        event = vocabulary.EVENTS[raw]
        self._written.append(
            _Written(holder, trigger, placement.matched_by, content_id, event, event_id, at, properties)
        )


def take_echoes(session: Session, workspace_id: int, echoes: Iterable[tuple[Told, Sighting]], now: dt.datetime) -> None:
    """Copies of events that the server wrote have come back: a page has told its analytics about them."""
    ours = [(about, sighting) for about, sighting in echoes if about.is_echo_of_ours and about.content_id]
    for about, sighting in ours:
        owners = _owners(session, workspace_id, sighting)
        content_states.report(session, workspace_id, owners, about.content_id or 0, about.event_id, now)


def _owners(session: Session, workspace_id: int, sighting: Sighting) -> list[Owner]:
    """Whoever the ids of a message lead to."""
    owners: list[Owner] = []
    mine = UserAlias.workspace_id == workspace_id
    for kind, value in (("user_id", sighting.user_id), ("anonymous_id", sighting.anonymous_id)):
        if value is None:
            continue
        found = session.scalar(select(UserAlias.user_id).where(mine, UserAlias.kind == kind, UserAlias.value == value))
        if found is None and kind == "user_id":
            found = session.scalar(select(User.id).where(User.workspace_id == workspace_id, User.username == value))
        if found is not None:
            owners.append(("user", found))
        elif kind == "anonymous_id":
            owners.append(("visitor", value))
    return owners


def _owner(holder: _Holder) -> Owner | None:
    """Whose rows these are in the end; None where the user was erased by this very group."""
    if isinstance(holder.key, str):
        return ("visitor", holder.key)
    return None if holder.key.gone else ("user", holder.key.id)


def _text(value: Any) -> str | None:
    if type(value) is not str:
        return None
    text = value.strip()
    return text if 0 < len(text) <= _ID_CHARACTERS else None


def _slug(value: Any) -> str | None:
    return value if type(value) is str and _SLUG.fullmatch(value) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= _WHOLE else None


def _one_of(value: Any, known: Sequence[str]) -> str | None:
    return value if type(value) is str and value in known else None
