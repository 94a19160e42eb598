"""Erasing a user: everything that is stored about the person goes, hashes remain to keep late messages out.

The order of an operator (admin page, API, command line); Segment's own delete message takes the same steps in bulk
inside `intake`.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, or_, select
from sqlalchemy.orm import Session

from productfruits.database import Base
from productfruits.models import Conflict, DeadLetter, Erasure, Event, GroupMember, User, UserAlias, Visitor
from productfruits.services import content_states, function_errors, objects, outbox, pages, tombstones, users
from productfruits.services.locks import write_lock
from productfruits.services.outbox import Change
from productfruits.services.pages import Page
from productfruits.services.times import microseconds


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows of each kind are gone."""

    users: int
    aliases: int
    events: int
    memberships: int
    conflicts: int
    dead_letters: int


def erase(session: Session, workspace_id: int, user_id: str, requested_by: str, now: dt.datetime) -> Erased:
    """Erase the user and what is stored about the person; raises `users.NoSuchUser`.

    Messages that carry one of the user's keys and a time not after `now` are dropped from now on. `requested_by` is
    "api", "cli" or "admin". Call it before the transaction's first read; afterwards, on SQLite, the write-ahead log is
    to be truncated, since it still holds the old pages.
    """
    write_lock(session, workspace_id)
    user = users.get(session, workspace_id, user_id)
    digest = tombstones.digester(session, workspace_id)
    keys = [digest(kind, value) for kind, value in _ids(session, user)]
    if user.email_key:
        keys.append(digest("email", user.email_key))
    tombstones.bury(session, workspace_id, dict.fromkeys(keys, microseconds(now)))
    return remove(session, workspace_id, user_id, requested_by, now)


def remove(session: Session, workspace_id: int, user_id: str, requested_by: str, now: dt.datetime) -> Erased:
    """Erase for a caller who holds the workspace's write lock and sees to the tombstones (Segment's delete)."""
    user = users.get(session, workspace_id, user_id)
    ids = _ids(session, user)
    user_ids = {value for kind, value in ids if kind == "user_id"}
    anonymous_ids = {value for kind, value in ids if kind == "anonymous_id"}
    # Beside the user's own events: what was kept with nobody and yet carries an id of the user.
    loose = and_(Event.user_id.is_(None), or_(Event.sent_user_id.in_(user_ids), Event.anonymous_id.in_(anonymous_ids)))
    mine = or_(Event.user_id == user_id, loose)
    outbox.forget_events(session, workspace_id, mine)
    outbox.forget_subjects(session, workspace_id, outbox.OF_USERS, {user_id})
    in_conflict = or_(Conflict.user_id == user_id, Conflict.other_user_id == user_id)
    disputed = select(Conflict.id).where(Conflict.workspace_id == workspace_id, in_conflict)
    outbox.forget_subjects(
        session, workspace_id, outbox.OF_CONFLICTS, {str(number) for number in session.scalars(disputed)}
    )
    texts = user_ids | anonymous_ids | {text for text in (user.email, user.email_key) if text}
    objects.forget(session, workspace_id, texts)
    erased = Erased(
        users=1,
        aliases=_delete(session, UserAlias, workspace_id, UserAlias.user_id == user_id),
        events=_delete(session, Event, workspace_id, mine),
        memberships=_delete(session, GroupMember, workspace_id, GroupMember.user_id == user_id),
        conflicts=_delete(session, Conflict, workspace_id, in_conflict),
        dead_letters=erase_dead_letters(session, workspace_id, texts),
    )
    _delete(session, Visitor, workspace_id, Visitor.anonymous_id.in_(anonymous_ids))
    content_states.erase(session, workspace_id, user_id, anonymous_ids)
    _delete(session, User, workspace_id, User.id == user_id)
    session.expunge(user)
    session.add(
        Erasure(
            workspace_id=workspace_id,
            requested_by=requested_by,
            users=erased.users,
            events=erased.events,
            created_at=now,
        )
    )
    session.flush()
    outbox.note(session, workspace_id, Change("user.deleted", user_id), now)
    return erased


def erase_dead_letters(session: Session, workspace_id: int, spellings: set[str]) -> int:
    """Delete the requests set aside whose bytes name one of the ids or e-mails; returns how many.

    What functions were given and failed at goes as well.
    """
    function_errors.forget(session, workspace_id, lambda given: names_somebody(given, spellings))
    named: Sequence[int] = [
        letter.id
        for letter in session.execute(
            select(DeadLetter.id, DeadLetter.body).where(
                DeadLetter.workspace_id == workspace_id, DeadLetter.body.is_not(None)
            )
        )
        if names_somebody(letter.body, spellings)
    ]
    return _delete(session, DeadLetter, workspace_id, DeadLetter.id.in_(named)) if named else 0


def proofs(
    session: Session, workspace_id: int, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Erasure]:
    """The workspace's erasures, newest first: when, on whose order, how much. Raises `pages.InvalidCursor`."""
    query = select(Erasure).where(Erasure.workspace_id == workspace_id)
    if cursor is not None:
        (last_id,) = pages.decode("erasures", cursor, tuple[int])
        query = query.where(Erasure.id < last_id)
    rows = session.scalars(query.order_by(Erasure.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda erasure: pages.encode("erasures", erasure.id))


def names_somebody(body: bytes, spellings: Iterable[str]) -> bool:
    """True if raw JSON contains one of the texts, written plainly or with escapes, in any case of ASCII letters."""
    lower = body.lower()
    for text in spellings:
        plain = json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass").lower()
        escaped = json.dumps(text)[1:-1].encode().lower()
        if plain in lower or escaped in lower:
            return True
    return False


def _ids(session: Session, user: User) -> set[tuple[str, str]]:
    """Every (kind, value) that leads to the user, the username included."""
    aliases = select(UserAlias.kind, UserAlias.value).where(
        UserAlias.workspace_id == user.workspace_id, UserAlias.user_id == user.id
    )
    ids = {(kind, value) for kind, value in session.execute(aliases)}
    return ids | {("user_id", user.username)} if user.username else ids


def _delete(session: Session, table: type[Base], workspace_id: int, condition: ColumnElement[bool]) -> int:
    mine = table.__table__.c.workspace_id == workspace_id
    result = session.execute(delete(table).where(mine, condition).execution_options(synchronize_session=False))
    # A DELETE always answers with a cursor result; the session's signature is wider.
    return cast("CursorResult[Any]", result).rowcount
