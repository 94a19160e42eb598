"""What need not be kept for ever: old events if the operator wishes, message ids, ended secrets, old faults."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, delete, exists, select, tuple_, update
from sqlalchemy.orm import Session

from productfruits.models import (
    ConnectionSecret,
    Content,
    ContentState,
    DeadLetter,
    Event,
    IdentitySecret,
    LoginThrottle,
    SeenMessage,
    Visitor,
)
from productfruits.services.times import microseconds

#: Segment retries for four hours and replays on request for days; ids are promised for at least seven days.
SEEN_FOR = dt.timedelta(days=30)
DEAD_LETTERS_FOR = dt.timedelta(days=30)
LOGIN_FAILURES_FOR = dt.timedelta(days=2)
#: Rows a call and table: the write lock is short, and the next call goes on.
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went. `more`: there may be more, so call again."""

    events: int
    message_ids: int
    dead_letters: int
    more: bool


def prune(session: Session, now: dt.datetime, event_days: int, chunk: int = CHUNK) -> Pruned:
    """Delete what is too old, at most `chunk` rows of each kind, in all workspaces. `event_days` 0 keeps all events.

    Ids of delete messages have no time and stay for ever: a captured delete must never work again. Safe to repeat and
    to run in several processes.
    """
    events = _events(session, now - dt.timedelta(days=event_days), chunk) if event_days else 0
    if events:
        _visitors_without_events(session)
    states = _void_states(session, chunk)
    message_ids = _message_ids(session, now - SEEN_FOR, chunk)
    letters = _count(session, delete(DeadLetter).where(DeadLetter.last_failed_at < now - DEAD_LETTERS_FOR))
    session.execute(delete(LoginThrottle).where(LoginThrottle.last_failure_at < now - LOGIN_FAILURES_FOR))
    for secret in (ConnectionSecret, IdentitySecret):
        ended = update(secret).where(secret.expires_at <= now, secret.ciphertext != b"")
        session.execute(ended.values(ciphertext=b""))
    return Pruned(events, message_ids, letters, more=bool(events or message_ids or states))


def _events(session: Session, before: dt.datetime, chunk: int) -> int:
    # By receipt, which follows the row numbers: the oldest rows are the first ones, and no index is needed.
    oldest = session.execute(select(Event.id, Event.received_at).order_by(Event.id).limit(chunk)).all()
    old = [row.id for row in oldest if row.received_at < before]
    return _count(session, delete(Event).where(Event.id <= old[-1], Event.received_at < before)) if old else 0


def _visitors_without_events(session: Session) -> None:
    """Forget what an anonymous id said once the events that said it are gone: nothing else would ever take it."""
    kept = exists().where(
        Event.workspace_id == Visitor.workspace_id,
        Event.anonymous_id == Visitor.anonymous_id,
        Event.user_id.is_(None),
    )
    _count(session, delete(Visitor).where(~kept))
    followed = exists().where(
        Event.workspace_id == ContentState.workspace_id,
        Event.anonymous_id == ContentState.anonymous_id,
        Event.user_id.is_(None),
    )
    _count(session, delete(ContentState).where(ContentState.anonymous_id.is_not(None), ~followed))


def _void_states(session: Session, chunk: int) -> int:
    """States from before an admin had everybody begin anew: nothing reads them any more."""
    removed = 0
    for content in session.scalars(select(Content).where(Content.reset_at.is_not(None))).all():
        assert content.reset_at is not None
        void = select(ContentState.id).where(
            ContentState.content_id == content.id, ContentState.state_at < microseconds(content.reset_at)
        )
        removed += _count(session, delete(ContentState).where(ContentState.id.in_(void.limit(chunk - removed))))
        if removed >= chunk:
            break
    return removed


def _message_ids(session: Session, before: dt.datetime, chunk: int) -> int:
    old = session.execute(
        select(SeenMessage.workspace_id, SeenMessage.digest)
        .where(SeenMessage.seen_at < before)
        .order_by(SeenMessage.seen_at)
        .limit(chunk)
    ).all()
    removed = 0
    for start in range(0, len(old), 500):  # SQLite bounds the variables of one statement
        keys = [tuple(row) for row in old[start : start + 500]]
        key = tuple_(SeenMessage.workspace_id, SeenMessage.digest)
        removed += _count(session, delete(SeenMessage).where(key.in_(keys)))
    return removed


def _count(session: Session, statement: Delete) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    # A DELETE always answers with a cursor result; the session's signature is wider.
    return cast("CursorResult[Any]", result).rowcount
