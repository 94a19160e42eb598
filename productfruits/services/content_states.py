"""How far users and visitors are in tours and checklists: read, written, moved, and begun anew."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, false, func, not_, or_, select, update
from sqlalchemy.orm import Session

from productfruits.adoption import states
from productfruits.adoption.gates import Progress
from productfruits.adoption.states import State
from productfruits.models import Content, ContentState, User
from productfruits.services import adoption_settings, bulk, users
from productfruits.services.locks import write_lock
from productfruits.services.times import instant, microseconds

#: Whose state it is: a user's by our id, or that of an anonymous id which belongs to nobody.
Owner = tuple[Literal["user", "visitor"], str]
#: The state of an owner in a content.
States = dict[tuple[Owner, int], State]


@dataclass(frozen=True, slots=True)
class Followed:
    """How far somebody is in a content."""

    content: Content
    state: State


COLUMNS = (
    ContentState.user_id,
    ContentState.anonymous_id,
    ContentState.content_id,
    ContentState.state,
    ContentState.version,
    ContentState.session_id,
    ContentState.step_id,
    ContentState.items,
    ContentState.times_shown,
    ContentState.first_shown_at,
    ContentState.last_shown_at,
    ContentState.ended_at,
    ContentState.end_reason,
    ContentState.snoozed_until,
    ContentState.state_at,
)
_REPLACED = tuple(column.key for column in COLUMNS if column.key not in ("user_id", "anonymous_id", "content_id"))


def load(
    session: Session, workspace_id: int, owners: Iterable[Owner], content_ids: Collection[int] | None = None
) -> States:
    """The states of these owners, of all contents or of these; void ones left out."""
    user_ids, anonymous_ids = _split(owners)
    owned = []
    if user_ids:
        owned.append(ContentState.user_id.in_(user_ids))
    if anonymous_ids:
        owned.append(ContentState.anonymous_id.in_(anonymous_ids))
    if not owned or (content_ids is not None and not content_ids):
        return {}
    found: States = {}
    # Each by its own index, which an OR over both would not use.
    for condition in owned:
        query = (
            select(*COLUMNS, Content.reset_at)
            .join(Content, Content.id == ContentState.content_id)
            .where(ContentState.workspace_id == workspace_id, condition)
        )
        if content_ids is not None:
            query = query.where(ContentState.content_id.in_(content_ids))
        for row in session.execute(query):
            if not is_void(row.state_at, row.reset_at):
                found[owner_of(row), row.content_id] = from_row(row)
    return found


def save(session: Session, workspace_id: int, changed: States) -> None:
    """Write these states, whether they are stored already or not."""
    by_user: list[dict[str, Any]] = []
    by_visitor: list[dict[str, Any]] = []
    for ((kind, owner), content_id), state in changed.items():
        row = {
            "workspace_id": workspace_id,
            "content_id": content_id,
            "user_id": owner if kind == "user" else None,
            "anonymous_id": owner if kind == "visitor" else None,
            **_values(state),
        }
        (by_user if kind == "user" else by_visitor).append(row)
    for rows, owner_column in ((by_user, "user_id"), (by_visitor, "anonymous_id")):
        key = ("workspace_id", owner_column, "content_id")
        bulk.insert(session, ContentState, rows, known_by=key, replacing=_REPLACED)


def move(session: Session, workspace_id: int, source: Owner, to_user_id: str | None) -> None:
    """Give the states of one owner to a user, with those whom the user has already made one; to nobody: erase them."""
    theirs = load(session, workspace_id, [source])
    session.execute(delete(ContentState).where(ContentState.workspace_id == workspace_id, _owned_by(source)))
    if to_user_id is None or not theirs:
        return
    target: Owner = ("user", to_user_id)
    own = load(session, workspace_id, [target])
    moved: States = {}
    for (_, content_id), state in theirs.items():
        known = own.get((target, content_id))
        moved[target, content_id] = state if known is None else states.merge(known, state)
    save(session, workspace_id, moved)


def erase(session: Session, workspace_id: int, user_id: str, anonymous_ids: Collection[str]) -> None:
    """Forget all states of a user and of the anonymous ids."""
    mine = ContentState.workspace_id == workspace_id
    session.execute(delete(ContentState).where(mine, ContentState.user_id == user_id))
    if anonymous_ids:
        session.execute(delete(ContentState).where(mine, ContentState.anonymous_id.in_(anonymous_ids)))


def report(
    session: Session, workspace_id: int, owners: Collection[Owner], content_id: int, event_id: str, now: dt.datetime
) -> None:
    """Note that a page has told its analytics about an event that the server had found out."""
    known = load(session, workspace_id, owners, [content_id])
    changed = {key: after for key, state in known.items() if (after := states.report(state, event_id)) is not state}
    if changed:
        save(session, workspace_id, changed)
        touch(session, workspace_id, {owner for (kind, owner), _ in changed if kind == "user"}, now)


def touch(session: Session, workspace_id: int, user_ids: Collection[str], now: dt.datetime) -> None:
    """Have the pages of these users ask anew."""
    if user_ids:
        session.execute(
            update(User).where(User.workspace_id == workspace_id, User.id.in_(user_ids)).values(changed_at=now)
        )


def of_user(session: Session, workspace_id: int, user_id: str) -> list[Followed]:
    """Every content that the user has a state in, last shown first."""
    own = load(session, workspace_id, [("user", user_id)])
    ids = [content_id for _, content_id in own]
    found = {row.id: row for row in session.scalars(select(Content).where(Content.id.in_(ids)))} if ids else {}
    followed = [Followed(found[content_id], state) for (_, content_id), state in own.items()]
    return sorted(followed, key=lambda each: (each.state.last_shown_at or 0, each.content.id), reverse=True)


def counts(session: Session, content: Content) -> dict[str, int]:
    """How many users and visitors are in which state."""
    return counts_by_content(session, [content])[content.id]


def counts_by_content(session: Session, contents: Sequence[Content]) -> dict[int, dict[str, int]]:
    """The same for many contents of one workspace: id -> state -> how many."""
    found: dict[int, dict[str, int]] = {content.id: {} for content in contents}
    void = [
        and_(ContentState.content_id == content.id, ContentState.state_at < microseconds(content.reset_at))
        for content in contents
        if content.reset_at is not None
    ]
    query = (
        select(ContentState.content_id, ContentState.state, func.count())
        .where(ContentState.content_id.in_(found), not_(or_(false(), *void)))
        .group_by(ContentState.content_id, ContentState.state)
    )
    for content_id, state, number in session.execute(query):
        found[content_id][state] = number
    return found


def has_completed(session: Session, workspace_id: int) -> bool:
    """Whether anybody has completed anything."""
    # By the contents, since the index of the states begins with them.
    mine = select(Content.id).where(Content.workspace_id == workspace_id)
    query = select(ContentState.id).where(ContentState.content_id.in_(mine), ContentState.state == "completed")
    return session.scalar(query.limit(1)) is not None


def reset_user(
    session: Session, workspace_id: int, user_id: str, now: dt.datetime, content_id: int | None = None
) -> int:
    """Have one user begin anew, in one content or in all; returns in how many there was something to forget.

    Call it before the transaction's first read.
    """
    write_lock(session, workspace_id)
    users.get(session, workspace_id, user_id)
    mine = [ContentState.workspace_id == workspace_id, ContentState.user_id == user_id]
    if content_id is not None:
        mine.append(ContentState.content_id == content_id)
    result = session.execute(delete(ContentState).where(*mine).execution_options(synchronize_session=False))
    touch(session, workspace_id, [user_id], now)
    # A DELETE always answers with a cursor result; the session's signature is wider.
    return cast("CursorResult[Any]", result).rowcount


def reset_everybody(session: Session, content: Content, now: dt.datetime) -> None:
    """Have everybody begin anew in a content. Its numbers stay, since they count what happened."""
    content.reset_at = now
    session.flush()
    adoption_settings.bump_generation(session, content.workspace_id)


def progress(content_id: int, kind: str, state: State) -> Progress:
    """A state as the gates see it."""
    return Progress(
        content_id,
        kind,
        state.state,
        _instant(state.last_shown_at),
        _instant(state.ended_at),
        state.end_reason,
        _instant(state.snoozed_until),
    )


def is_void(state_at: int, reset_at: dt.datetime | None) -> bool:
    """Whether everybody was made to begin anew since then."""
    return reset_at is not None and state_at < microseconds(reset_at)


def owner_of(row: Any) -> Owner:
    return ("user", row.user_id) if row.user_id is not None else ("visitor", row.anonymous_id)


def from_row(row: Any) -> State:
    return State(
        state=row.state,
        version=row.version,
        session_id=row.session_id,
        step_id=row.step_id,
        items=states.load_items(row.items),
        times_shown=row.times_shown,
        first_shown_at=_at(row.first_shown_at),
        last_shown_at=_at(row.last_shown_at),
        ended_at=_at(row.ended_at),
        end_reason=row.end_reason,
        snoozed_until=_at(row.snoozed_until),
        state_at=row.state_at,
    )


def _values(state: State) -> dict[str, Any]:
    return {
        "state": state.state,
        "version": state.version,
        "session_id": state.session_id,
        "step_id": state.step_id,
        "items": states.dump_items(state),
        "times_shown": state.times_shown,
        "first_shown_at": _instant(state.first_shown_at),
        "last_shown_at": _instant(state.last_shown_at),
        "ended_at": _instant(state.ended_at),
        "end_reason": state.end_reason,
        "snoozed_until": _instant(state.snoozed_until),
        "state_at": state.state_at,
    }


def _at(moment: dt.datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def _instant(at: int | None) -> dt.datetime | None:
    return None if at is None else instant(at)


def _split(owners: Iterable[Owner]) -> tuple[list[str], list[str]]:
    user_ids: list[str] = []
    anonymous_ids: list[str] = []
    for kind, owner in owners:
        (user_ids if kind == "user" else anonymous_ids).append(owner)
    return user_ids, anonymous_ids


def _owned_by(owner: Owner) -> ColumnElement[bool]:
    kind, value = owner
    return ContentState.user_id == value if kind == "user" else ContentState.anonymous_id == value
