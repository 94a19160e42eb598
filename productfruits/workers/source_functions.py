"""Source functions at work: a request becomes calls of Segment, which become messages like all others.

What asks to be run again is kept and tried six times, first after one to three minutes.
"""

import datetime as dt
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.errors import ProductFruitsError
from productfruits.functions import errors, retries
from productfruits.functions.errors import Busy, DoesNotStart
from productfruits.functions.runs import Call, Failure, Run
from productfruits.functions.runtime import Sandbox
from productfruits.models import FunctionInstance
from productfruits.outgoing import chains
from productfruits.outgoing.http import Egress
from productfruits.segment import messages, reader
from productfruits.segment.messages import Parsed
from productfruits.services import function_errors, function_instances, function_requests, function_runs, objects
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.services.function_errors import Failed
from productfruits.services.function_instances import Runnable
from productfruits.services.vault import Undecryptable, Vault
from productfruits.workers.not_stored import NotStored
from productfruits.workers.store_faults import where
from productfruits.workers.writer import Writer

log = structlog.get_logger()

SOURCE = "source_function"
LOOK_S = 5.0
#: Method, URL, headers as pairs, body as text.
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request. `receipt` counts the messages, `objects` what was set; `again`: it is tried again."""

    failure: Failure | None
    receipt: Receipt | None = None
    objects: int = 0
    again: bool = False


class SourceFunctions:
    """Runs source functions for whoever has a request for one, and those again that asked for it."""

    def __init__(
        self, sessions: sessionmaker[Session], sandbox: Sandbox, egress: Egress, vault: Vault, writer: Writer
    ) -> None:
        self._sessions = sessions
        self._sandbox = sandbox
        self._egress = egress
        self._vault = vault
        self._writer = writer
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to try again what is due. Safe to repeat."""
        if self._thread is None and not self._stopping.is_set():
            self._thread = threading.Thread(target=self._live, name="productfruits-functions", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the run at hand. Safe to repeat."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def find(self, token: str) -> Runnable | None:
        """The function with this address; None if there is none, or if it is switched off."""
        return self._find(lambda session: function_instances.by_token(session, token))

    def take(self, runnable: Runnable, request: Request) -> Taken:
        """Run the function.

        Raises `NotStored`, `Busy` or `DoesNotStart`, after which the sender is to come again.
        """
        return self._run(runnable, request, attempts=1)

    def retry_due(self, now: dt.datetime) -> int:
        """Run again what is due; returns how many requests that were."""
        with self._sessions.begin() as session:
            begin_immediate(session)
            waiting = function_requests.claim(session, now)
        for row in waiting:
            if self._stopping.is_set():
                break
            self._again(row.id, row.instance_id, row.request, row.attempts + 1)
        return len(waiting)

    def _again(self, request_id: int, instance_id: int, request: Request, attempts: int) -> None:
        runnable = self._find(lambda session: function_requests.instance(session, instance_id))
        if runnable is not None:
            try:
                self._run(runnable, request, attempts=attempts, request_id=request_id)
            except (NotStored, Busy, DoesNotStart):
                return  # its lease runs out, then it is tried anew
        else:
            with self._sessions.begin() as session:
                begin_immediate(session)
                function_requests.drop(session, request_id)

    def _find(self, find: Callable[[Session], FunctionInstance | None]) -> Runnable | None:
        with self._sessions() as session:
            instance = find(session)
            if instance is None or not instance.enabled:
                return None
            return function_instances.runnable(instance, self._vault)

    def _run(self, runnable: Runnable, request: Request, *, attempts: int, request_id: int | None = None) -> Taken:
        depth = depth_of(request)
        received_at = dt.datetime.now(dt.UTC)
        run = function_runs.run(self._sandbox, self._egress, runnable, Call("onRequest", (), {**request}), depth=depth)
        now = dt.datetime.now(dt.UTC)
        if run.failure is None:
            parsed, sets = read_calls(run, depth)
            receipt = self._store(runnable, parsed, received_at)
            with self._sessions.begin() as session:
                begin_immediate(session)
                objects.put(session, runnable.workspace_id, sets, now)
                function_errors.count(session, runnable.instance_id, succeeded=1, now=now)
                if request_id is not None:
                    function_requests.drop(session, request_id)
            return Taken(None, receipt, len(sets))
        again = None
        if errors.is_retried(run.failure.kind):
            again = retries.next_attempt(attempts, now, random.uniform(-1, 1))
        with self._sessions.begin() as session:
            begin_immediate(session)
            if again is not None and request_id is not None:
                function_requests.put_off(session, request_id, attempts, again)
            elif again is not None:
                function_requests.add(session, runnable.workspace_id, runnable.instance_id, request, again, received_at)
            else:
                if request_id is not None:
                    function_requests.drop(session, request_id)
                function_errors.count(session, runnable.instance_id, failed=1, now=now)
                if run.failure.kind != errors.DROPPED:
                    failed = Failed(run, run.failure, _shown(request))
                    function_errors.record(session, runnable.workspace_id, runnable.instance_id, failed, attempts, now)
        return Taken(run.failure, again=again is not None)

    def _store(self, runnable: Runnable, parsed: Parsed, received_at: dt.datetime) -> Receipt:
        if not parsed.messages and not parsed.refused:
            return Receipt()
        return self._writer.receive(
            Arrival(
                workspace_id=runnable.workspace_id,
                connection_id=None,
                secret_id=None,
                source=SOURCE,
                trust="server",
                received_at=received_at,
                parsed=parsed,
            )
        )

    def _live(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                with self._sessions() as session:
                    due = function_requests.are_due(session, dt.datetime.now(dt.UTC))
                if due:
                    self.retry_due(dt.datetime.now(dt.UTC))
            except (ProductFruitsError, SQLAlchemyError, Undecryptable) as err:  # the loop's edge: it is tried again
                log.warning("functions_failed", error=type(err).__name__, where=where(err))


def read_calls(run: Run, depth: int = 0) -> tuple[Parsed, list[dict[str, Any]]]:
    """What `Segment` was called with: messages, and what was set."""
    calls: list[dict[str, Any]] = [msgspec.json.decode(call) for call in run.calls]
    sets = [call for call in calls if call["type"] == "set"]
    sent = [_with_depth(call, depth) for call in calls if call["type"] != "set"]
    return messages.parse(reader.read(msgspec.json.encode(sent)), signed=None, first_may_delete=False), sets


def depth_of(request: Request) -> int:
    """How many destinations of servers like this one the request says it has come through."""
    headers = {name.lower(): value for name, value in request["headers"]}
    return chains.read_header(headers.get(chains.HEADER.lower()))


def _with_depth(call: dict[str, Any], depth: int) -> dict[str, Any]:
    context = call.get("context")
    return {**call, "context": chains.with_depth(context if isinstance(context, dict) else {}, depth)}


def _shown(request: Request) -> Request:
    """The request without what lets somebody in."""
    secret = ("authorization", "cookie", "proxy-authorization")
    headers = [[name, "•••" if name.lower() in secret else value] for name, value in request["headers"]]
    return {**request, "headers": headers}
