"""Runs functions: hands each call to a warm process of its function, serves its `fetch`, and ends what goes too far.

The process is the limit. Whatever the engine promises, five seconds after a call began or past 256 MiB its process is
killed from outside; the next call gets a new one.
"""

import base64
import contextlib
import http.client
import itertools
import json
import os
import select
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from productfruits.functions import errors
from productfruits.functions.errors import Busy, InvalidCode
from productfruits.functions.fetching import Answered, Asked, Fetch, FetchFailed
from productfruits.functions.processes import Ended, Process

RUN_S = 5.0
MEMORY_BYTES = 256 * 1024 * 1024
#: Between two looks at the memory: a tight loop fills about as many bytes in this time as it is allowed at all.
LOOK_S = 0.02
#: A process is made anew after so many runs, after so long, or when it has grown so large.
RUNS = 10_000
AGE_S = 3600.0
GROWN_BYTES = 192 * 1024 * 1024
IDLE_S = 600.0
PROCESSES = 8
#: What a run left behind, such as a loop that nobody awaits, must be done this long after its end.
SETTLE_S = 0.25
FETCHES_AT_ONCE = 6
FETCHES = 100
LOG_CHARACTERS = 40_000
WAIT_S = 2.0
LATE = "The function did not end within {:g} seconds."
GREEDY = "The function used more than 256 MiB of memory and was ended."
CRASHED = "The function's process ended: it used too much memory, or crashed."


@dataclass(frozen=True, slots=True)
class Code:
    """A version of a function as one instance runs it. `key` names that; what has the same key shares globals."""

    key: str
    source: str = field(repr=False)
    #: A source function has the Segment object.
    sends: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a handler. `values` are its arguments as JSON values; a `request` comes before them."""

    handler: str
    values: tuple[Any, ...] = field(repr=False)
    request: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Function bodies over `_` and `$`, both the event."""

    sources: tuple[str, ...] = field(repr=False)
    event: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not succeed: a kind of `errors`, and what the function threw."""

    kind: str
    name: str
    message: str
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a function's log."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that a function made, and the status of its answer (0: none)."""

    method: str
    url: str
    status: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a call. `value` is the returned JSON as text, None for nothing; `calls` are Segment's, as JSON."""

    failure: Failure | None
    value: str | None
    calls: tuple[str, ...]
    log: tuple[Line, ...]
    exchanges: tuple[Exchange, ...]
    took_ms: int


@dataclass(slots=True)
class _Warm:
    """A process that holds a function."""

    process: Process
    key: str
    runs: int = 0
    used_at: float = 0.0


class Sandbox:
    """All processes of this server that run functions. Safe to share by threads."""

    def __init__(self, processes: int = PROCESSES, run_s: float = RUN_S, wait_s: float = WAIT_S) -> None:
        self._limit = processes
        self._run_s = run_s
        self._wait_s = wait_s
        self._guard = threading.Condition()
        self._idle: list[_Warm] = []
        self._count = 0
        self._spare: Process | None = None
        self._is_closed = False
        self._numbers = itertools.count(1)
        self._fetchers = ThreadPoolExecutor(processes * FETCHES_AT_ONCE, "productfruits-fetch")

    def run(self, code: Code, call: Call | Evaluation, fetch: Fetch) -> Run:
        """Run it and wait. Raises `Busy` when no process becomes free in time, `DoesNotStart`."""
        if self._is_closed:
            raise Busy()
        warm = self._take(code.key)
        try:
            warm, loaded = self._loaded(warm, code)
            if loaded is not None:
                return loaded
            conversation = _Conversation(warm.process, fetch, self._fetchers, self._run_s)
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
            conversation = _Conversation(process, _unasked, self._fetchers, self._run_s)
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
        """End all processes. Calls that run now end as if their process had crashed. Safe to repeat."""
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
                    self._count += 1
                    return _Warm(self._next_process(), "")
                left = deadline - time.monotonic()
                if left <= 0 or self._is_closed:
                    raise Busy()
                self._guard.wait(left)

    def _next_process(self) -> Process:
        """The process that was started ahead, or a new one; and another is started ahead."""
        process = self._spare or Process()
        self._spare = None if self._is_closed else Process()
        return process

    def _fresh(self) -> Process:
        with self._guard:
            process = self._next_process()
        process.wait_until_ready()
        return process

    def _loaded(self, warm: _Warm, code: Code) -> tuple[_Warm, Run | None]:
        """The process with the code in it, or the run that failed because the code does not even load."""
        if warm.key == code.key:
            return warm, None
        warm.process.wait_until_ready()
        conversation = _Conversation(warm.process, _unasked, self._fetchers, self._run_s)
        began = time.monotonic()
        try:
            conversation.load(code)
        except InvalidCode as err:
            self._give_up(warm)
            failure = Failure(conversation.load_kind, conversation.load_name, str(err))
            return warm, Run(failure, None, (), tuple(conversation.log), (), _ms(began))
        warm.key = code.key
        return warm, None

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


class _Conversation:
    """One call's talk with its process: deadline, memory, log and fetches."""

    def __init__(self, process: Process, fetch: Fetch, fetchers: ThreadPoolExecutor, run_s: float) -> None:
        self._process = process
        self._fetch = fetch
        self._fetchers = fetchers
        self._began = time.monotonic()
        self._deadline = self._began + run_s
        self._run_s = run_s
        self._log_left = LOG_CHARACTERS
        self._waiting: deque[dict[str, Any]] = deque()
        self._answers: deque[dict[str, Any]] = deque()
        self._fetching = 0
        self._fetched = 0
        self._wake: tuple[int, int] | None = None
        self._guard = threading.Lock()
        self.log: list[Line] = []
        self.exchanges: list[Exchange] = []
        #: The process cannot be used any more.
        self.is_over = False
        self.load_kind = errors.BAD_REQUEST
        self.load_name = "Error"

    def load(self, code: Code) -> tuple[str, ...]:
        """Put the code into the process. Raises `InvalidCode`."""
        frame = self._exchange({"is": "load", "code": code.source, "sends": code.sends}, 0)
        if isinstance(frame, Failure):
            self.load_kind, self.load_name = frame.kind, frame.name
            raise InvalidCode(frame.message)
        if frame["is"] == "failed":
            error = _error(frame)
            self.load_name = error.name
            raise InvalidCode(f"{error.name}: {error.message}")
        return tuple(str(name) for name in frame.get("handlers", ()))

    def hold(self, turn: tuple[int, str]) -> Run:
        """Hand over the turn and see it through."""
        number, text = turn
        frame = self._exchange(text, number)
        self._settle()
        took_ms = _ms(self._began)
        log, exchanges = tuple(self.log), tuple(self.exchanges)
        if isinstance(frame, Failure):
            return Run(frame, None, (), log, exchanges, took_ms)
        if frame["is"] == "failed":
            return Run(_error(frame), None, (), log, exchanges, took_ms)
        value = frame.get("value")
        calls = tuple(str(call) for call in frame.get("calls", ()))
        return Run(None, None if value is None else str(value), calls, log, exchanges, took_ms)

    def _exchange(self, message: dict[str, Any] | str, number: int) -> dict[str, Any] | Failure:
        """Send the message; the frame that ends the call, or the failure that ends the process."""
        try:
            self._process.send(message if isinstance(message, str) else json.dumps(message))
            while True:
                frames = self._receive()
                for at, frame in enumerate(frames, 1):
                    match frame.get("is"):
                        case "log":
                            self._note(frame)
                        case "fetch":
                            self._ask(frame)
                        case "loaded" | "done" | "failed" if frame.get("run", 0) == number:
                            self._process.keep(frames[at:])
                            return frame
                        case "too_long":
                            self.is_over = True
                            return Failure(errors.BAD_REQUEST, "RangeError", "The event is larger than 4 MiB of text.")
                self._start_fetches()
                self._hand_answers()
                if time.monotonic() >= self._deadline:
                    return self._end(errors.TIMEOUT, "Timeout", LATE.format(self._run_s))
                if self._process.memory_bytes() > MEMORY_BYTES:
                    return self._end(errors.BAD_REQUEST, "OutOfMemory", GREEDY)
        except Ended:
            if time.monotonic() >= self._deadline:
                return self._end(errors.TIMEOUT, "Timeout", LATE.format(self._run_s))
            return self._end(errors.BAD_REQUEST, "Crashed", CRASHED)
        finally:
            with self._guard:
                wake, self._wake = self._wake, None
            if wake is not None:
                os.close(wake[0])
                os.close(wake[1])

    def _settle(self) -> None:
        """Wait until the process is free for the next run, or end it."""
        until = time.monotonic() + SETTLE_S
        with contextlib.suppress(Ended):
            while not self.is_over and time.monotonic() < until:
                if any(frame.get("is") == "idle" for frame in self._process.receive(LOOK_S)):
                    return
        self.is_over = True

    def _end(self, kind: str, name: str, message: str) -> Failure:
        self.is_over = True
        self._process.kill()
        return Failure(kind, name, message)

    def _receive(self) -> list[dict[str, Any]]:
        within_s = min(LOOK_S, max(0.0, self._deadline - time.monotonic()))
        if self._wake is None:
            return self._process.receive(within_s)
        readable, _, _ = select.select([self._process.out, self._wake[0]], [], [], within_s)
        if self._wake[0] in readable:
            os.read(self._wake[0], 4096)
        return self._process.receive(0.0) if self._process.out in readable else []

    def _note(self, frame: dict[str, Any]) -> None:
        text = str(frame.get("text", ""))[: self._log_left]
        if self._log_left > 0:
            self.log.append(Line(str(frame.get("level", "log"))[:10], text))
            self._log_left -= len(text) + 1

    def _ask(self, frame: dict[str, Any]) -> None:
        self._fetched += 1
        if self._fetched > FETCHES:
            refused = {"message": f"one run may fetch {FETCHES} times at most", "code": "EMFILE"}
            self._answers.append({"is": "answer", "id": frame.get("id"), "error": refused})
        else:
            self._waiting.append(frame)

    def _start_fetches(self) -> None:
        while self._waiting and self._fetching < FETCHES_AT_ONCE:
            if self._wake is None:
                self._wake = os.pipe()
            self._fetching += 1
            self._fetchers.submit(self._serve, self._waiting.popleft())

    def _serve(self, frame: dict[str, Any]) -> None:
        """On a thread of its own: send one request and have the answer handed over."""
        began = time.monotonic()
        answer: dict[str, Any] = {"is": "answer", "id": frame.get("id")}
        method, url, status = str(frame.get("method", "GET"))[:20], str(frame.get("url", ""))[:8_192], 0
        try:
            got = self._fetch(_asked(frame, method, url), max(0.001, self._deadline - began))
            status = got.status
            answer.update(_answer(got))
        except FetchFailed as err:
            answer["error"] = {"message": str(err), "code": err.code}
        except Exception as err:  # a thread's edge: the function must be told whatever it was
            answer["error"] = {"message": f"unforeseen ({type(err).__name__})", "code": "EIO"}
        with self._guard:
            self.exchanges.append(Exchange(method, url, status, _ms(began)))
            self._answers.append(answer)
            if self._wake is not None:
                with contextlib.suppress(OSError):
                    os.write(self._wake[1], b"!")

    def _hand_answers(self) -> None:
        while self._answers:
            with self._guard:
                answer = self._answers.popleft()
            self._fetching = max(0, self._fetching - 1)
            self._process.send(json.dumps(answer))


def _asked(frame: dict[str, Any], method: str, url: str) -> Asked:
    headers = tuple((str(name), str(value)) for name, value in frame.get("headers", ()))
    body: bytes | None = None
    if "text" in frame:
        body = str(frame["text"]).encode("utf-8", "replace")
    elif "base64" in frame:
        body = base64.b64decode(str(frame["base64"]))
    return Asked(method, url, headers, body)


def _answer(got: Answered) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": got.status,
        "reason": http.client.responses.get(got.status, ""),
        "headers": got.headers,
        "truncated": got.truncated,
    }
    try:
        answer["text"] = got.body.decode()
    except UnicodeDecodeError:
        answer["base64"] = base64.b64encode(got.body).decode()
    return answer


def _error(frame: dict[str, Any]) -> Failure:
    said = frame.get("error") or {}
    name, message = str(said.get("name", "Error")), str(said.get("message", ""))
    return Failure(errors.kind_of(name, message), name, message, str(said.get("stack", "")))


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _unasked(asked: Asked, within_s: float) -> Answered:
    raise FetchFailed("fetch is called inside of a handler, not while the code is loaded", "EPERM")
