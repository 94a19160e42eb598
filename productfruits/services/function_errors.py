"""The Errors tab of an instance: its newest hundred failures, thirty days at most, with input and log."""

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from productfruits.functions import errors
from productfruits.functions.runs import Failure, Run
from productfruits.models import Function, FunctionError, FunctionInstance, FunctionRequest
from productfruits.services.documents import Document, instant

KEPT = 100
KEPT_FOR = dt.timedelta(days=30)
INPUT_CHARACTERS = 8_192


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that did not succeed, to be kept."""

    run: Run = field(repr=False)
    failure: Failure
    #: What the function was given: an event or a request.
    given: Any = field(repr=False)


def count(session: Session, instance_id: int, *, succeeded: int = 0, failed: int = 0, now: dt.datetime) -> None:
    """Count runs for the page of the function."""
    session.execute(
        update(FunctionInstance)
        .where(FunctionInstance.id == instance_id)
        .values(
            succeeded=FunctionInstance.succeeded + succeeded,
            failed=FunctionInstance.failed + failed,
            last_run_at=now,
        )
        .execution_options(synchronize_session=False)
    )


def record(
    session: Session, workspace_id: int, instance_id: int, failed: Failed, attempts: int, now: dt.datetime
) -> None:
    """Keep the failure, and drop the oldest that is too many."""
    text = json.dumps(failed.given, ensure_ascii=False, indent=2)
    if len(text) > INPUT_CHARACTERS:
        text = text[:INPUT_CHARACTERS] + "… (cut)"
    session.add(
        FunctionError(
            workspace_id=workspace_id,
            instance_id=instance_id,
            at=now,
            kind=failed.failure.kind,
            name=failed.failure.name,
            message=failed.failure.message.replace("\0", "\ufffd"),
            stack=failed.failure.stack.replace("\0", "\ufffd"),
            log=[[line.level, line.text.replace("\0", "\ufffd")] for line in failed.run.log],
            input=text.replace("\0", "\ufffd"),
            attempts=attempts,
            took_ms=failed.run.took_ms,
        )
    )
    session.flush()
    surplus = (
        select(FunctionError.id)
        .where(FunctionError.instance_id == instance_id)
        .order_by(FunctionError.id.desc())
        .offset(KEPT)
        .limit(KEPT)
    )
    numbers = session.scalars(surplus).all()
    if numbers:
        session.execute(delete(FunctionError).where(FunctionError.id.in_(numbers)))


def newest(session: Session, instance: FunctionInstance, limit: int = KEPT) -> Sequence[FunctionError]:
    """The instance's failures, newest first."""
    query = select(FunctionError).where(FunctionError.instance_id == instance.id)
    return session.scalars(query.order_by(FunctionError.id.desc()).limit(limit)).all()


def forget(session: Session, workspace_id: int, names_somebody: Callable[[bytes], bool]) -> None:
    """Delete all inputs that name an erased user: failures, requests that wait, the request caught for the editor."""
    for error in session.scalars(select(FunctionError).where(FunctionError.workspace_id == workspace_id)):
        if names_somebody(_bytes([error.input, error.message, error.stack, error.log])):
            session.delete(error)
    for request in session.scalars(select(FunctionRequest).where(FunctionRequest.workspace_id == workspace_id)):
        if names_somebody(_bytes(request.request)):
            session.delete(request)
    for function in session.scalars(
        select(Function).where(Function.workspace_id == workspace_id, Function.caught.is_not(None))
    ):
        if names_somebody(_bytes(function.caught)):
            function.caught = None
    session.flush()


def prune(session: Session, now: dt.datetime) -> None:
    """Forget failures that are too old, and requests that were caught for an editor nobody came back to."""
    session.execute(delete(FunctionError).where(FunctionError.at < now - KEPT_FOR))
    session.execute(
        update(Function)
        .where(Function.catches_until < now, Function.caught.is_not(None))
        .values(caught=None, catches_until=None)
        .execution_options(synchronize_session=False)
    )


def document(error: FunctionError) -> Document:
    """The public document of a failure."""
    return {
        "id": error.id,
        "at": instant(error.at),
        "kind": errors.TITLES.get(error.kind, error.kind),
        "name": error.name,
        "message": error.message,
        "stack": error.stack,
        "log": [{"level": level, "text": text} for level, text in error.log],
        "input": error.input,
        "attempts": error.attempts,
        "took_ms": error.took_ms,
    }


def _bytes(value: Any) -> bytes:
    # A name may stand in JSON that stands in text of JSON (a body in a request), escaped as often.
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"\\+", r"\\", text).encode("utf-8", "surrogatepass")
