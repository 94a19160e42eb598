"""One attempt at giving an event to a destination function, and what it means for the outbox."""

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from productfruits.errors import ProductFruitsError
from productfruits.functions import errors, expressions
from productfruits.functions.expressions import ExpressionFailed
from productfruits.functions.runs import Call, Run
from productfruits.functions.runtime import Sandbox
from productfruits.outgoing import chains
from productfruits.outgoing.http import Egress
from productfruits.outgoing.jitsu import CannotEvaluate, Evaluate
from productfruits.services import function_runs
from productfruits.services.deliveries import Attempt, Batch
from productfruits.services.documents import Document
from productfruits.services.function_errors import Failed
from productfruits.services.parcels import Parcel

#: Type of event -> the handler that takes it.
HANDLERS = {
    kind: f"on{kind.capitalize()}" for kind in ("identify", "track", "page", "screen", "group", "alias", "delete")
}
OFF = "Not run: functions are switched off on this server. Set PRODUCTFRUITS_FUNCTIONS=on and start it again."
GONE = "Not run: the function's instance, or what it was to be given, is not stored any more."
LOOP = f"Not run: this event has come through {chains.MAX_DEPTH} destinations of servers like this one already."
#: Kinds of failure that say "this event is not for me": neither the function nor its receiver is broken.
REFUSALS = (errors.UNSUPPORTED, errors.MESSAGE_REJECTED, errors.DROPPED)


def attempt(sandbox: Sandbox | None, egress: Egress, batch: Batch, parcel: Parcel) -> Attempt:
    """Run the function of the batch with the parcel's event."""
    at, began = dt.datetime.now(dt.UTC), time.monotonic()

    def became(outcome: str, detail: str | None = None, failed: Failed | None = None, *, ran: bool = False) -> Attempt:
        return Attempt(
            delivery_id=parcel.delivery_id,
            destination_id=batch.destination_id,
            at=at,
            took_ms=int((time.monotonic() - began) * 1_000),
            outcome=outcome,
            detail=detail,
            failed=failed,
            is_run=ran,
        )

    if parcel.depth >= chains.MAX_DEPTH:
        return became("loop", LOOP)
    if parcel.is_left_out:
        return became("left_out")
    event = event_of(parcel.kind, parcel.document)
    if event is None or batch.function is None:
        return became("nothing_left", GONE)
    if sandbox is None:
        return became("not_run", OFF)
    try:
        call = Call(HANDLERS[event["type"]], (event,))
        run = function_runs.run(sandbox, egress, batch.function, call, depth=parcel.depth)
    except ProductFruitsError as err:
        return became("not_run", str(err))
    if run.failure is None:
        return became("delivered", ran=True)
    detail = f"{errors.TITLES[run.failure.kind]}: {run.failure.name}: {run.failure.message}"[:1_024]
    failed = None if run.failure.kind == errors.DROPPED else Failed(run, run.failure, event)
    return became(outcome_of(run), detail, failed, ran=True)


def not_run(batch: Batch, parcel: Parcel, detail: str) -> Attempt:
    """There was no process for it now: it is nobody's fault, and no attempt."""
    return Attempt(parcel.delivery_id, batch.destination_id, dt.datetime.now(dt.UTC), 0, "not_run", detail=detail)


def evaluator(sandbox: Sandbox) -> Evaluate:
    """What runs the JavaScript of Jitsu's destinations; without any network."""

    def evaluate(key: str, scripts: Mapping[str, str], document: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return expressions.evaluate(sandbox, key, scripts, document)
        except ExpressionFailed as err:
            raise CannotEvaluate(str(err)) from err

    return evaluate


def outcome_of(run: Run) -> str:
    """What a run means for its delivery."""
    if run.failure is None:
        return "delivered"
    if run.failure.kind == errors.TIMEOUT:
        return "timed_out"
    if run.failure.kind == errors.RETRY:
        return "retry"
    return "refused" if run.failure.kind in REFUSALS else "error"


def event_of(kind: str, document: Document | None) -> dict[str, Any] | None:
    """The event as Segment would hand it to a handler; None if it is not stored any more."""
    if document is None:
        return None
    if kind == "user.deleted":
        return {"type": "delete", "userId": document["user"]["id"], "timestamp": document["timestamp"], "context": {}}
    message: dict[str, Any] | None = document["message"]
    return message
