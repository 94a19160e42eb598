"""Adoption events as any sender tells them: recognised, known by their own id, led to the content they are about."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from productfruits.adoption import states, vocabulary
from productfruits.adoption.states import Happening
from productfruits.identity.directory import Sighting
from productfruits.models import Content, User, UserAlias
from productfruits.segment import timestamps
from productfruits.segment.messages import Message
from productfruits.services import content_states, seen_messages
from productfruits.services.content_states import Owner
from productfruits.services.times import microseconds

#: Type of the message by which a page begins a checklist anew. No event: it is stored nowhere and sent to nobody.
RESET = "reset"
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


def told(message: Message, received_at: dt.datetime) -> Told | None:
    """What an adoption event or a reset says, or None for any other message."""
    said = message.properties
    if message.type == RESET:
        reset_id, about = message.message_id or "", said.get("checklist")
        happening = Happening(states.RESET, _at(message, received_at), reset_id, session_id=reset_id)
        return Told(reset_id, "checklist", _number(about), _slug(about), happening, is_preview=False)
    if message.type != "track" or said.get("source") != vocabulary.SOURCE:
        return None
    raw, event_id = said.get("raw_name"), _text(said.get("event_id"))
    event = vocabulary.EVENTS.get(raw) if type(raw) is str else None
    if event is None or event_id is None:
        return None
    at = _at(message, received_at)
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
    """What an adoption event is kept under when it was seen; apart from messageIds."""
    return seen_messages.digest(event_id, kind=b"adoption event")


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


def _at(message: Message, received_at: dt.datetime) -> int:
    # As with traits: a clock that runs ahead must not win over everything said later.
    return microseconds(min(message.timestamp or received_at, received_at))


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
