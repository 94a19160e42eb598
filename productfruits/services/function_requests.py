"""Requests to source functions that are to be tried again."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import FunctionInstance, FunctionRequest

#: A request that is being tried is anybody's after this time, should its process be killed.
LEASE = dt.timedelta(seconds=60)
BATCH = 20
#: Requests of one instance that may wait; each may hold half a megabyte.
MAX_WAITING = 500


class TooManyWait(ProductFruitsError):
    """Five hundred requests of this function wait to be tried again already. Send this one again later."""


def are_due(session: Session, now: dt.datetime) -> bool:
    """True when there is something to try again. Only reads."""
    return session.scalar(select(FunctionRequest.id).where(FunctionRequest.due_at <= now).limit(1)) is not None


def claim(session: Session, now: dt.datetime) -> Sequence[FunctionRequest]:
    """Take some that are due for yourself, those longest ago first; nobody else gets them for a minute."""
    due = select(FunctionRequest).where(FunctionRequest.due_at <= now).order_by(FunctionRequest.due_at).limit(BATCH)
    claimed = session.scalars(due.with_for_update(skip_locked=True)).all()
    for row in claimed:
        row.due_at = now + LEASE
    session.flush()
    return claimed


def add(
    session: Session,
    workspace_id: int,
    instance_id: int,
    request: dict[str, Any],
    due_at: dt.datetime,
    now: dt.datetime,
) -> None:
    """Have a request tried again after its first attempt. Raises `TooManyWait`."""
    waiting = select(func.count()).where(FunctionRequest.instance_id == instance_id)
    if (session.scalar(waiting) or 0) >= MAX_WAITING:
        raise TooManyWait()
    session.add(
        FunctionRequest(
            workspace_id=workspace_id,
            instance_id=instance_id,
            request=request,
            attempts=1,
            due_at=due_at,
            received_at=now,
        )
    )
    session.flush()


def put_off(session: Session, request_id: int, attempts: int, due_at: dt.datetime) -> None:
    """Try it once more, later; what was erased meanwhile stays away."""
    row = session.get(FunctionRequest, request_id)
    if row is not None:
        row.attempts, row.due_at = attempts, due_at
        session.flush()


def drop(session: Session, request_id: int) -> None:
    """Nothing more is tried. Safe to repeat."""
    row = session.get(FunctionRequest, request_id)
    if row is not None:
        session.delete(row)
        session.flush()


def instance(session: Session, instance_id: int) -> FunctionInstance | None:
    """The instance that a request is for, or None."""
    return session.get(FunctionInstance, instance_id)
