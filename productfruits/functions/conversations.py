"""One call's talk with its process: log, fetches, what it has computed, and the limits that the process is ended at."""

import base64
import contextlib
import http.client
import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from productfruits.functions import errors
from productfruits.functions.errors import InvalidCode
from productfruits.functions.fetching import Answered, Asked, Fetch, FetchFailed
from productfruits.functions.processes import LOOK_S, Ended, Process
from productfruits.functions.runs import Code, Exchange, Failure, Line, Run

MEMORY_BYTES = 256 * 1024 * 1024
#: What a run left behind, such as a loop that nobody awaits, must be done this long after its end.
SETTLE_S = 0.25
FETCHES_AT_ONCE = 6
FETCHES = 100
LOG_CHARACTERS = 40_000
LATE = "The function did not end within {:g} seconds."
GREEDY = "The function used more than 256 MiB of memory and was ended."
FORGED = "What the function left behind is no JSON: its code has changed how JSON is written."
CRASHED = "The function's process ended: it used too much memory, or crashed."

#: What functions have computed is computed one after the other: all together take one core of the server at most.
_COMPUTING = threading.Lock()


class Conversation:
    """One call's talk with its process: deadline, memory, log, fetches and computing."""

    def __init__(
        self, process: Process, fetch: Fetch, fetchers: ThreadPoolExecutor, run_s: float, began: float
    ) -> None:
        """`began`: the monotonic time of the call, `run_s` seconds after which it must have ended."""
        self._process = process
        self._fetch = fetch
        self._fetchers = fetchers
        self._began = began
        self._deadline = began + run_s
        self._next_look = 0.0
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
        self.load_said = ""

    def load(self, code: Code) -> tuple[str, ...]:
        """Put the code into the process. Raises `InvalidCode`."""
        frame = self._exchange({"is": "load", "code": code.source, "sends": code.sends}, 0)
        if isinstance(frame, Failure):
            self.load_kind, self.load_name, self.load_said = frame.kind, frame.name, frame.message
            raise InvalidCode(frame.message)
        if frame["is"] == "failed":
            error = _error(frame)
            self.load_name, self.load_said = error.name, error.message
            raise InvalidCode(f"{error.name}: {error.message}")
        return _texts(frame.get("handlers"))

    def hold(self, turn: tuple[int, str]) -> Run:
        """Hand over the turn and see it through."""
        number, text = turn
        frame = self._exchange(text, number)
        # Requests that nobody awaits are sent all the same, as they are on Segment.
        while self._waiting and not isinstance(frame, Failure):
            self._fetchers.submit(self._serve, self._waiting.popleft())
        self._settle()
        took_ms = ms(self._began)
        log, exchanges = tuple(self.log), tuple(self.exchanges)
        if isinstance(frame, Failure):
            return Run(frame, None, (), log, exchanges, took_ms)
        if frame["is"] == "failed":
            return Run(_error(frame), None, (), log, exchanges, took_ms)
        value = frame.get("value")
        value, calls = None if value is None else str(value), _texts(frame.get("calls"))
        if not _is_readable(value, calls):
            return Run(Failure(errors.BAD_REQUEST, "SyntaxError", FORGED), None, (), log, exchanges, took_ms)
        return Run(None, value, calls, log, exchanges, took_ms)

    def _exchange(self, message: dict[str, Any] | str, number: int) -> dict[str, Any] | Failure:
        """Send the message; the frame that ends the call, or the failure that ends the process."""
        try:
            self._process.send(message if isinstance(message, str) else json.dumps(message), self._excess)
            while True:
                frames = self._receive()
                for at, frame in enumerate(frames, 1):
                    match frame.get("is"):
                        case "log":
                            self._note(frame)
                        case "fetch":
                            self._ask(frame)
                        case "compute":
                            self._compute(frame, self._excess)
                        case "loaded" | "done" | "failed" if frame.get("run", 0) == number:
                            self._process.keep(frames[at:])
                            return frame
                        case "too_long":
                            self.is_over = True
                            return Failure(errors.BAD_REQUEST, "RangeError", "The event is larger than 4 MiB of text.")
                self._start_fetches()
                self._hand_answers()
                if (excess := self._excess()) is not None:
                    return self._end(excess)
        except Ended:
            return self._end(self._excess() or Failure(errors.BAD_REQUEST, "Crashed", CRASHED))
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
                for frame in self._process.receive(LOOK_S):
                    match frame.get("is"):
                        case "idle":
                            return
                        case "compute":
                            self._compute(frame, lambda: time.monotonic() >= until)
        self.is_over = True

    def _excess(self) -> Failure | None:
        """What the call has too much of: time, or memory, which is looked at now and then."""
        now = time.monotonic()
        if now >= self._deadline:
            return Failure(errors.TIMEOUT, "Timeout", LATE.format(self._run_s))
        if now >= self._next_look:
            self._next_look = now + LOOK_S / 2
            if self._process.memory_bytes() > MEMORY_BYTES:
                return Failure(errors.BAD_REQUEST, "OutOfMemory", GREEDY)
        return None

    def _end(self, failure: Failure) -> Failure:
        self.is_over = True
        self._process.kill()
        return failure

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

    def _compute(self, frame: dict[str, Any], is_over: Callable[[], object]) -> None:
        """Answer what JavaScript waits for. Not after the end: then whoever waits is ended."""
        while not _COMPUTING.acquire(timeout=LOOK_S):
            if is_over():
                return
        try:
            if is_over():
                return
            reply = self._process.ciphers.reply(frame.get("ask"))
        finally:
            _COMPUTING.release()
        number = frame.get("id")
        self._process.send(f'{{"is":"computed","id":{number if type(number) is int else 0},{reply}}}', is_over)

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
            self.exchanges.append(Exchange(method, url, status, ms(began)))
            self._answers.append(answer)
            if self._wake is not None:
                with contextlib.suppress(OSError):
                    os.write(self._wake[1], b"!")

    def _hand_answers(self) -> None:
        while self._answers:
            with self._guard:
                answer = self._answers.popleft()
            self._fetching = max(0, self._fetching - 1)
            self._process.send(json.dumps(answer), self._excess)


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
    said = frame.get("error")
    if not isinstance(said, dict):  # code can write frames of its own
        said = {}
    name, message = str(said.get("name", "Error")), str(said.get("message", ""))
    return Failure(errors.kind_of(name, message), name, message, str(said.get("stack", "")))


def _texts(given: object) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, list) else ()


def _is_readable(value: str | None, calls: tuple[str, ...]) -> bool:
    """Whether these are JSON and what `Segment` was called with, as our own code around a function leaves them."""
    try:
        if value is not None:
            json.loads(value)
        return all(map(_is_call, map(json.loads, calls)))
    except ValueError:
        return False


def _is_call(said: Any) -> bool:
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        return False
    is_set = isinstance(said.get("collection"), str) and "id" in said and isinstance(said.get("properties"), dict)
    return said["type"] != "set" or is_set


def ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def unasked(asked: Asked, within_s: float) -> Answered:
    raise FetchFailed("fetch is called inside of a handler, not while the code is loaded", "EPERM")
