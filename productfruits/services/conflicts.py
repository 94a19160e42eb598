"""Conflicts: pairs of users that one message spoke of, waiting for an admin to merge or to dismiss."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.identity.directory import Conflict as Dispute
from productfruits.models import Conflict, User
from productfruits.services import pages, same_person
from productfruits.services.locks import write_lock
from productfruits.services.pages import Page

DISMISSED = "dismissed"


class NoSuchConflict(ProductFruitsError):
    """There is no such conflict in this workspace, or it is resolved already."""


class NotInConflict(ProductFruitsError):
    """The user to keep is not one of the two users of this conflict."""


def record(session: Session, workspace_id: int, found: Sequence[Dispute], now: dt.datetime) -> Sequence[Conflict]:
    """Keep these conflicts for an admin; one that waits already for the same two users is not kept twice.

    Returns those that are kept. The caller holds the workspace's write lock.
    """
    if not found:
        return ()
    ids = {user_id for conflict in found for user_id in conflict.user_ids}
    waiting = {
        (row.kind, frozenset((row.user_id, row.other_user_id)))
        for row in session.execute(
            select(Conflict.kind, Conflict.user_id, Conflict.other_user_id).where(
                Conflict.workspace_id == workspace_id,
                Conflict.user_id.in_(ids),
                Conflict.resolved_at.is_(None),
            )
        )
    }
    kept = [
        Conflict(
            workspace_id=workspace_id,
            kind=conflict.kind,
            user_id=conflict.user_ids[0],
            other_user_id=conflict.user_ids[1],
            email=conflict.email,
            username=conflict.username,
            message_id=conflict.message_id,
            created_at=now,
        )
        for conflict in found
        if (conflict.kind, frozenset(conflict.user_ids)) not in waiting
    ]
    session.add_all(kept)
    session.flush()
    return kept


def page(
    session: Session,
    workspace_id: int,
    *,
    open_only: bool = False,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Conflict]:
    """Conflicts, newest first. Raises `pages.InvalidCursor`."""
    query = select(Conflict).where(Conflict.workspace_id == workspace_id)
    if open_only:
        query = query.where(Conflict.resolved_at.is_(None))
    if cursor is not None:
        (last_id,) = pages.decode("conflicts", cursor, tuple[int])
        query = query.where(Conflict.id < last_id)
    rows = session.scalars(query.order_by(Conflict.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda conflict: pages.encode("conflicts", conflict.id))


def count_open(session: Session, workspace_id: int) -> int:
    """How many conflicts wait for an admin."""
    query = select(func.count()).where(Conflict.workspace_id == workspace_id, Conflict.resolved_at.is_(None))
    return session.scalar(query) or 0


def get(session: Session, workspace_id: int, conflict_id: int) -> Conflict:
    """The conflict, resolved or not, or `NoSuchConflict`."""
    conflict = session.scalar(select(Conflict).where(Conflict.workspace_id == workspace_id, Conflict.id == conflict_id))
    if conflict is None:
        raise NoSuchConflict()
    return conflict


def merge(session: Session, workspace_id: int, conflict_id: int, keep_id: str, now: dt.datetime) -> User:
    """Resolve by folding the other user into the one to keep. Call it before the transaction's first read."""
    write_lock(session, workspace_id)
    conflict = _open(session, workspace_id, conflict_id)
    pair = (conflict.user_id, conflict.other_user_id)
    if keep_id not in pair:
        raise NotInConflict()
    other_id = pair[1] if keep_id == pair[0] else pair[0]
    kept = same_person.fold(session, workspace_id, keep_id, other_id, now)
    session.flush()
    return kept


def dismiss(session: Session, workspace_id: int, conflict_id: int, now: dt.datetime) -> None:
    """Resolve by leaving both users as they are. Call it before the transaction's first read."""
    write_lock(session, workspace_id)
    conflict = _open(session, workspace_id, conflict_id)
    conflict.resolved_at, conflict.resolution = now, DISMISSED
    session.flush()


def _open(session: Session, workspace_id: int, conflict_id: int) -> Conflict:
    conflict = get(session, workspace_id, conflict_id)
    if conflict.resolved_at is not None:
        raise NoSuchConflict()
    return conflict
