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
    Delivery,
    DestinationSecret,
    Event,
    IdentitySecret,
    LoginThrottle,
    SeenMessage,
    Visitor,
)
from productfruits.services import function_errors
from productfruits.services.times import microseconds

#: Segment retries for four hours and replays on request for days; ids are promised for at least seven days.
SEEN_FOR = dt.timedelta(days=30)
#: Deliveries and their attempts: those that arrived, and those that did not.
DELIVERED_FOR = dt.timedelta(days=7)
FAILED_FOR = dt.timedelta(days=30)
DEAD_LETTERS_FOR = dt.timedelta(days=30)
LOGIN_FAILURES_FOR = dt.timedelta(days=2)
#: Rows a call and table: the write lock is short, and the next call goes on.
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went. `more`: there may be more, so call again."""

    events: int
    deliveries: int
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
    deliveries = _deliveries(session, now, chunk)
    message_ids = _message_ids(session, now - SEEN_FOR, chunk)
    letters = _count(session, delete(DeadLetter).where(DeadLetter.last_failed_at < now - DEAD_LETTERS_FOR))
    function_errors.prune(session, now)
    session.execute(delete(LoginThrottle).where(LoginThrottle.last_failure_at < now - LOGIN_FAILURES_FOR))
    for secret in (ConnectionSecret, DestinationSecret, IdentitySecret):
        ended = update(secret).where(secret.expires_at <= now, secret.ciphertext != b"")
        session.execute(ended.values(ciphertext=b""))
    return Pruned(events, deliveries, message_ids, letters, more=bool(events or deliveries or message_ids or states))


def _events(session: Session, before: dt.datetime, chunk: int) -> int:
    # By receipt, which follows the row numbers: the oldest rows are the first ones, and no index is needed.
    oldest = session.execute(select(Event.id, Event.received_at).order_by(Event.id).limit(chunk)).all()
    old = [row.id for row in oldest if row.received_at < before]
    if not old:
        return 0
    # Without the event there is nothing to send, and SQLite may give its number to another one.
    too_old = select(Event.id).where(Event.id <= old[-1], Event.received_at < before)
    _count(session, delete(Delivery).where(Delivery.event_id <= old[-1], Delivery.event_id.in_(too_old)))
    return _count(session, delete(Event).where(Event.id <= old[-1], Event.received_at < before))


def _deliveries(session: Session, now: dt.datetime, chunk: int) -> int:
    """What nobody took for a month is given up; what arrived is of interest for a week."""
    removed = 0
    for statuses, before in (
        (("delivered", "dropped"), now - DELIVERED_FOR),
        (("pending", "failed"), now - FAILED_FOR),
    ):
        # The oldest rows are the first ones, so no index is needed.
        oldest = session.execute(
            select(Delivery.id, Delivery.created_at)
            .where(Delivery.status.in_(statuses))
            .order_by(Delivery.id)
            .limit(chunk)
        ).all()
        old = [row.id for row in oldest if row.created_at < before]
        if old:
            removed += _count(
                session,
                delete(Delivery).where(
                    Delivery.id <= old[-1], Delivery.status.in_(statuses), Delivery.created_at < before
                ),
            )
    return removed


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
