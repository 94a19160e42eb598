"""Runs functions: hands each call to a warm process of its function, serves what it asks, and ends what goes too far.

The process is the limit. Whatever the engine promises, five seconds after a call began or past 256 MiB its process is
killed from outside; the next call gets a new one.
"""

import contextlib
import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from productfruits.functions.conversations import FETCHES_AT_ONCE, Conversation, ms, unasked
from productfruits.functions.errors import Busy, DoesNotStart, InvalidCode
from productfruits.functions.fetching import Fetch
from productfruits.functions.processes import Process
from productfruits.functions.runs import Call, Code, Evaluation, Failure, Run

RUN_S = 5.0
#: A process is made anew after so many runs, after so long, or when it has grown so large.
RUNS = 10_000
AGE_S = 3600.0
GROWN_BYTES = 192 * 1024 * 1024
IDLE_S = 600.0
PROCESSES = 8
WAIT_S = 2.0


@dataclass(slots=True)
class _Warm:
    """A process that holds a function."""

    process: Process
    key: str
    runs: int = 0
    used_at: float = 0.0


class Sandbox:
    """All processes of this server that run functions. Safe to share by threads."""

    def __init__(
        self, processes: int = PROCESSES, run_s: float = RUN_S, wait_s: float = WAIT_S, *, ahead: bool = True
    ) -> None:
        """`ahead`: have one more process started before it is needed."""
        self._limit = processes
        self._run_s = run_s
        self._wait_s = wait_s
        self._ahead = ahead
        self._guard = threading.Condition()
        self._idle: list[_Warm] = []
        self._count = 0
        self._spare: Process | None = None
        self._is_closed = False
        self._numbers = itertools.count(1)
        self._fetchers = ThreadPoolExecutor(max(1, processes) * FETCHES_AT_ONCE, "productfruits-fetch")

    def run(self, code: Code, call: Call | Evaluation, fetch: Fetch) -> Run:
        """Run it and wait. Raises `Busy` when no process becomes free in time, `DoesNotStart`."""
        if self._is_closed:
            raise Busy()
        warm = self._take(code.key)
        try:
            warm.process.wait_until_ready()
            began = time.monotonic()
            failed = self._load(warm, code, began)
            if failed is not None:
                return failed
            conversation = Conversation(warm.process, fetch, self._fetchers, self._run_s, began)
            run = conversation.hold(_turn(next(self._numbers), call))
        except BaseException:
            self._give_up(warm)
            raise
        warm.runs += 1
        if conversation.is_over:
            self._give_up(warm)
        else:
            self._give_back(warm)
        return run

    def handlers(self, code: Code) -> tuple[str, ...]:
        """The handlers that the code defines. Raises `InvalidCode` with what the engine says of it."""
        process = self._fresh()
        try:
            conversation = Conversation(process, unasked, self._fetchers, self._run_s, time.monotonic())
            return conversation.load(code)
        finally:
            process.kill()

    def forget(self, prefix: str) -> None:
        """End the idle processes whose key begins so: their function has changed or is gone."""
        with self._guard:
            gone = [warm for warm in self._idle if warm.key.startswith(prefix)]
            self._idle = [warm for warm in self._idle if warm not in gone]
            self._count -= len(gone)
            self._guard.notify_all()
        for warm in gone:
            warm.process.kill()

    def confinement(self) -> tuple[str, ...]:
        """What the system lets a process give up: "network", "privileges". Starts one to see. Raises `DoesNotStart`."""
        process = self._fresh()
        process.kill()
        return process.confinement

    def close(self) -> None:
        """End all idle processes; calls that run now come to their end. Safe to repeat."""
        with self._guard:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._count -= len(idle)
            spare, self._spare = self._spare, None
            self._guard.notify_all()
        for warm in idle:
            warm.process.kill()
        if spare is not None:
            spare.kill()
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _take(self, key: str) -> _Warm:
        """A process with this key, or one without a function yet. Waits for one to become free."""
        deadline = time.monotonic() + self._wait_s
        with self._guard:
            while True:
                self._retire()
                mine = next((warm for warm in self._idle if warm.key == key), None)
                if mine is not None:
                    self._idle.remove(mine)
                    return mine
                if self._count < self._limit or self._idle:
                    if self._count >= self._limit:
                        oldest = min(self._idle, key=lambda warm: warm.used_at)
                        self._idle.remove(oldest)
                        oldest.process.kill()
                        self._count -= 1
                    process = self._next_process()
                    self._count += 1
                    return _Warm(process, "")
                left = deadline - time.monotonic()
                if left <= 0 or self._is_closed:
                    raise Busy()
                self._guard.wait(left)

    def _next_process(self) -> Process:
        """The process that was started ahead, or a new one; and another is started."""
        process = self._spare or Process()
        self._spare = None
        if self._ahead and not self._is_closed:
            with contextlib.suppress(DoesNotStart):  # whoever needs it will be told
                self._spare = Process()
        return process

    def _fresh(self) -> Process:
        with self._guard:
            process = self._next_process()
        process.wait_until_ready()
        return process

    def _load(self, warm: _Warm, code: Code, began: float) -> Run | None:
        """Put the code into the process if it is not there; the run that failed if it does not even load."""
        if warm.key == code.key:
            return None
        conversation = Conversation(warm.process, unasked, self._fetchers, self._run_s, began)
        try:
            conversation.load(code)
        except InvalidCode:
            self._give_up(warm)
            failure = Failure(conversation.load_kind, conversation.load_name, conversation.load_said)
            return Run(failure, None, (), tuple(conversation.log), (), ms(began))
        warm.key = code.key
        return None

    def _give_back(self, warm: _Warm) -> None:
        old = warm.runs >= RUNS or time.monotonic() - warm.process.begun_at > AGE_S
        if old or self._is_closed or warm.process.memory_bytes() > GROWN_BYTES:
            self._give_up(warm)
            return
        with self._guard:
            warm.used_at = time.monotonic()
            self._idle.append(warm)
            self._guard.notify()

    def _give_up(self, warm: _Warm) -> None:
        if warm.key == GONE:
            return
        warm.key = GONE
        warm.process.kill()
        with self._guard:
            self._count -= 1
            self._guard.notify()

    def _retire(self) -> None:
        """End what nobody has used for a while."""
        now = time.monotonic()
        for warm in [warm for warm in self._idle if now - warm.used_at > IDLE_S]:
            self._idle.remove(warm)
            warm.process.kill()
            self._count -= 1


#: The key of a process that was given up; no code has it.
GONE = "\0gone"


def _turn(number: int, call: Call | Evaluation) -> tuple[int, str]:
    if isinstance(call, Evaluation):
        turn = {"is": "evaluate", "run": number, "sources": call.sources, "event": call.event}
    else:
        turn = {
            "is": "run",
            "run": number,
            "handler": call.handler,
            "values": call.values,
            "request": call.request,
        }
    return number, json.dumps(turn, separators=(",", ":"))
