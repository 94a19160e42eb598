"""The front that `serve` runs under granian: messages are awaited without a thread, all else goes to the Flask app.

A WSGI server gives each request a thread, and some of them read the body in it without a time-out: as many slow
senders as threads, and the server stands still. Here every body is read by the event loop within a size and a time,
and only then takes a thread, or none at all.
"""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from flask import Flask

from productfruits.errors import ProductFruitsError
from productfruits.services.intake import Receipt
from productfruits.web import observation
from productfruits.web.bridge import WsgiBridge
from productfruits.web.ingest import answers, steps, ways
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody
from productfruits.web.ingest.door import HEADERS, Door, Incoming
from productfruits.web.ingest.steps import Step, Steps
from productfruits.web.ingest.ways import Way
from productfruits.workers.runtime import Runtime
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import ANSWER_WITHIN_S, StoreUnavailable

log = structlog.get_logger()

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

#: Threads that look up webhook URLs and keys. Few: made-up ones must not take those of the pages.
LOOKUP_THREADS = 2


class Front:
    """The ASGI application. One a process, on one event loop."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        runtime: Runtime = app.extensions["productfruits"]
        self._runtime = runtime
        self._door: Door = app.extensions["productfruits.door"]
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, "productfruits-lookup")
        self.bridge = WsgiBridge(app.wsgi_app, runtime.settings.threads)
        self._outcomes = _Outcomes()
        self._deadlines = _Deadlines()
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            found = ways.find(scope["path"])
            answering = self.bridge if found is None else functools.partial(self._ingest, *found)
            self._running += 1
            try:
                # In a task of asyncio's own: granian's cannot be cancelled, and every deadline rests on that.
                await asyncio.get_running_loop().create_task(answering(scope, receive, send))
            finally:
                self._running -= 1

    def start_draining(self) -> None:
        """From now on every message is answered with "come again"."""
        self._door.is_draining = True

    async def drained(self, within_s: float) -> None:
        """Return once no request is being answered any more, or when the time is over."""
        give_up = asyncio.get_running_loop().time() + within_s
        while self._running and asyncio.get_running_loop().time() < give_up:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End the threads. What they are doing is finished first."""
        self._lookups.shutdown(cancel_futures=True)
        self.bridge.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _ingest(self, way: Way, part: str, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        incoming = _incoming(scope, part)
        reading = _Reading(receive, self._door.body_within_s, is_done=not incoming.has_body)
        answer = await self._run(way.take_in(self._door, incoming), reading)
        took_s = loop.time() - began
        observation.observe(self._runtime.metrics, way.route, incoming.method, answer.status, took_s)
        request_id = ""
        if answer.status >= 400:
            # Stored messages are counted, not told one by one: a line each would cost as much as storing them.
            request_id = observation.new_request_id()
            self._runtime.metrics.refused.labels(answer.code).inc()
            observation.told(request_id, way.route, incoming.method, answer.status, took_s, reason=answer.code)
        await _send(send, answer, request_id, stay=reading.is_done)

    async def _run(self, taking: Steps, reading: "_Reading") -> Answer:
        """Take all the steps without holding a thread, as `steps.run` does with one."""
        with contextlib.closing(taking):
            go_on: Callable[[], Step] = functools.partial(next, taking)
            while True:
                try:
                    step = go_on()
                except StopIteration as ended:
                    answer: Answer = ended.value
                    return answer
                try:
                    result = await self._take(step, reading)
                except ProductFruitsError as err:
                    go_on = functools.partial(taking.throw, err)
                else:
                    go_on = functools.partial(taking.send, result)

    async def _take(self, step: Step, reading: "_Reading") -> Any:
        if isinstance(step, steps.Read):
            return await reading.into(step.body)
        if isinstance(step, steps.Store):
            return await self._store(step)
        if step.is_quick():
            return step.call()
        return await asyncio.get_running_loop().run_in_executor(self._lookups, step.call)

    async def _store(self, step: steps.Store) -> Receipt:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome | None] = loop.create_future()
        waiting = self._door.writer.submit(step.arrival, self._outcomes.listener(outcome), body=step.body)
        self._deadlines.add(loop.time() + ANSWER_WITHIN_S, outcome)
        said = await outcome
        if said is None:
            waiting.abandoned = True
            raise StoreUnavailable()
        if isinstance(said, Receipt):
            return said
        raise said


class _Outcomes:
    """Carries outcomes from the writer's thread to the event loop, waking the loop once a group and not once each."""

    def __init__(self) -> None:
        self._ready: deque[tuple[asyncio.Future[Outcome | None], Outcome]] = deque()
        self._is_woken = False

    def listener(self, future: asyncio.Future[Outcome | None]) -> Callable[[Outcome], None]:
        loop = future.get_loop()

        def done(outcome: Outcome) -> None:
            self._ready.append((future, outcome))
            if not self._is_woken:
                self._is_woken = True
                loop.call_soon_threadsafe(self._deliver)

        return done

    def _deliver(self) -> None:
        # First the flag, then the queue: what is added in between wakes the loop again.
        self._is_woken = False
        while self._ready:
            future, outcome = self._ready.popleft()
            if not future.done():
                future.set_result(outcome)


class _Deadlines:
    """Sets futures to None when their time is over. All have the same patience, so the next one due is always first.

    A timer of the event loop for each request would cost more than all the rest of waiting for it.
    """

    ROUND_S = 0.1

    def __init__(self) -> None:
        self._due: deque[tuple[float, asyncio.Future[Outcome | None]]] = deque()
        self._is_running = False

    def add(self, at: float, future: asyncio.Future[Outcome | None]) -> None:
        self._due.append((at, future))
        if not self._is_running:
            self._is_running = True
            asyncio.get_running_loop().call_later(self.ROUND_S, self._round)

    def _round(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due and (self._due[0][1].done() or self._due[0][0] <= now):
            _, future = self._due.popleft()
            if not future.done():
                future.set_result(None)
        self._is_running = bool(self._due)
        if self._is_running:
            loop.call_later(self.ROUND_S, self._round)


class _Reading:
    """The body of one request, as it comes. `is_done` once nothing of it is left on the line."""

    def __init__(self, receive: Receive, within_s: float, *, is_done: bool) -> None:
        self._receive = receive
        self._within_s = within_s
        self.is_done = is_done

    async def into(self, body: IncomingBody) -> bytes | Answer:
        """All of it, or the refusal that ends the reading."""
        refusal = body.refuse_early()
        if refusal is not None:
            return refusal
        try:
            async with asyncio.timeout(self._within_s):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        return answers.INCOMPLETE
                    refusal = body.add(message.get("body", b""))
                    if refusal is not None:
                        return refusal
                    if not message.get("more_body", False):
                        whole = body.whole()
                        self.is_done = not isinstance(whole, Answer)
                        return whole
        except TimeoutError:
            return answers.TOO_SLOW


_WANTED = {name.encode(): name for name in HEADERS}


def _incoming(scope: Scope, part: str) -> Incoming:
    found: dict[str, str] = {}
    for raw_name, value in scope["headers"]:
        name = _WANTED.get(raw_name)
        if name is not None:
            text = value.decode("latin-1")
            # As WSGI gives a header that came twice: joined, so that it fits no signature.
            found[name] = f"{found[name]},{text}" if name in found else text
    return Incoming(scope["method"], part, scope["query_string"].decode("latin-1"), found)


async def _send(send: Send, answer: Answer, request_id: str, *, stay: bool) -> None:
    headers = [(b"content-type", answer.mimetype.encode())]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if not stay:
        # The rest of the body was not read, so nothing after it can be understood.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
