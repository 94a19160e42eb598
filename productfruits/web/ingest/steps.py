"""The life of a request as a generator: it yields what must be waited for, and returns the answer.

So each way in is one function that reads from top to bottom, and two drivers run it: `run`, which blocks the thread
that a WSGI server gave the request, and the front under granian, which awaits and holds no thread.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from productfruits.errors import ProductFruitsError
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.web.ingest import answers
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody
from productfruits.workers.writer import Writer

CHUNK_BYTES = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Call this. It may ask the store and take its time, unless `is_quick` says otherwise when asked now."""

    call: Callable[[], Any]
    is_quick: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Read:
    """Read the body into this, and answer all of it or the refusal."""

    body: IncomingBody


@dataclass(frozen=True, slots=True)
class Store:
    """Have this stored and answer the receipt; `body` is kept for the operator if it cannot be stored at all."""

    arrival: Arrival
    body: bytes


Step = Ask | Read | Store
#: A way in, on its way. What a step raises is raised where it was yielded.
Steps = Generator[Step, Any, Answer]


def ask(call: Callable[[], T], is_quick: Callable[[], bool]) -> Generator[Step, Any, T]:
    """The result of the call."""
    result: T = yield Ask(call, is_quick)
    return result


def read(body: IncomingBody) -> Generator[Step, Any, bytes | Answer]:
    """The whole body, or why it is not taken."""
    whole: bytes | Answer = yield Read(body)
    return whole


def store(arrival: Arrival, body: bytes) -> Generator[Step, Any, Receipt]:
    """What became of the arrival, once it is committed. Raises `writer.NotStored`."""
    receipt: Receipt = yield Store(arrival, body)
    return receipt


def run(steps: Steps, writer: Writer, read_chunk: Callable[[int], bytes], body_within_s: float) -> Answer:
    """Take all the steps in this thread. `read_chunk` gives up to n bytes, b"" at the end.

    It raises OSError when the sender has gone away.
    """
    with contextlib.closing(steps):
        go_on: Callable[[], Step] = functools.partial(next, steps)
        while True:
            try:
                step = go_on()
            except StopIteration as ended:
                answer: Answer = ended.value
                return answer
            try:
                result: Any
                if isinstance(step, Ask):
                    result = step.call()
                elif isinstance(step, Read):
                    result = _read(step.body, read_chunk, body_within_s)
                else:
                    result = writer.receive(step.arrival, body=step.body)
            except ProductFruitsError as err:
                go_on = functools.partial(steps.throw, err)
            else:
                go_on = functools.partial(steps.send, result)


def _read(body: IncomingBody, read_chunk: Callable[[int], bytes], within_s: float) -> bytes | Answer:
    refusal = body.refuse_early()
    deadline = time.monotonic() + within_s
    while refusal is None:
        try:
            chunk = read_chunk(CHUNK_BYTES)
        except OSError:
            return answers.INCOMPLETE
        if not chunk:
            return body.whole()
        refusal = answers.TOO_SLOW if time.monotonic() > deadline else body.add(chunk)
    return refusal
