"""The front that `serve` runs under granian: messages are awaited without a thread, all else goes to the Flask app.

A WSGI server gives each request a thread, and some of them read the body in it without a time-out: as many slow
senders as threads, and the server stands still. Here every body is read by the event loop within a size and a time,
and only then takes a thread, or none at all.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from flask import Flask

from productfruits.errors import ProductFruitsError
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.web import observation
from productfruits.web.awaiting import Deadlines, Outcomes
from productfruits.web.bridge import WsgiBridge
from productfruits.web.browser import answers as browser_answers
from productfruits.web.browser import content, events
from productfruits.web.browser.bodies import PageBody
from productfruits.web.browser.door import BrowserDoor
from productfruits.web.browser.questions import Questions
from productfruits.web.ingest import steps, ways
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody
from productfruits.web.ingest.door import HEADERS, Door, Incoming
from productfruits.web.ingest.steps import Step, Steps
from productfruits.web.ingest.ways import Way
from productfruits.workers.not_stored import NotStored, StoreUnavailable
from productfruits.workers.runtime import Runtime
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import ANSWER_WITHIN_S

log = structlog.get_logger()

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
#: Any ASGI application (https://asgi.readthedocs.io/en/latest/specs/main.html).
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Threads that look up webhook URLs and keys. Few: made-up ones must not take those of the pages.
LOOKUP_THREADS = 2
#: Threads that answer pages where the store has to be asked over a network, or a site to be read anew.
QUESTION_THREADS = 8


class Front:
    """The ASGI application. One a process, on one event loop."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        runtime: Runtime = app.extensions["productfruits"]
        self._runtime = runtime
        self._door: Door = app.extensions["productfruits.door"]
        self._pages: BrowserDoor = app.extensions["productfruits.browser_door"]
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, "productfruits-lookup")
        self._asking = ThreadPoolExecutor(QUESTION_THREADS, "productfruits-question")
        self._questions = Questions(self._pages, self._asking, is_sqlite=runtime.settings.is_sqlite)
        self.bridge = WsgiBridge(app.wsgi_app, runtime.settings.threads)
        self._outcomes = Outcomes()
        self._answers_due: Deadlines[asyncio.Future[Outcome | None]] = Deadlines(lambda future: future.set_result(None))
        self._bodies_due: Deadlines[_Reading] = Deadlines(lambda reading: reading.give_up())
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            answering = self._answering(scope)
            self._running += 1
            try:
                await answering(scope, receive, send)
            finally:
                self._running -= 1

    def _answering(self, scope: Scope) -> Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]:
        path = scope["path"]
        if path == content.PATH and scope["method"] in ("GET", "HEAD"):
            return self._content
        found = ways.find(path)
        if found is not None:
            return functools.partial(self._ingest, *found)
        if path == events.PATH and scope["method"] == "POST":
            return self._report
        return self.bridge

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
        self._asking.shutdown(cancel_futures=True)
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
        reading = _Reading(receive, self._bodies_due, self._door.body_within_s, is_done=not incoming.has_body)
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
        said = await self._stored(step.arrival, step.body)
        if isinstance(said, Receipt):
            return said
        raise StoreUnavailable() if said is None else said

    async def _stored(self, arrival: Arrival, body: bytes) -> Outcome | None:
        """What the writer says of an arrival; None when it says nothing in time."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome | None] = loop.create_future()
        try:
            waiting = self._door.writer.submit(arrival, self._outcomes.listener(outcome), body=body)
        except NotStored as err:
            return err
        self._answers_due.add(loop.time() + ANSWER_WITHIN_S, outcome)
        said = await outcome
        if said is None:
            waiting.abandoned = True
        return said

    async def _content(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The question of a page."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = content.from_query(scope["query_string"].decode("latin-1"))
        held = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"), None)
        answer = said if isinstance(said, Answer) else await self._questions.answer(said, held)
        observation.observe(self._runtime.metrics, content.PATH, scope["method"], answer.status, loop.time() - began)
        await _send(send, answer, "", stay=True, only_head=scope["method"] == "HEAD")

    async def _report(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What a page reports: the body is read and the writer awaited without a thread."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = PageBody(self._pages.budget, events.BODY_BYTES)
        reading = _Reading(receive, self._bodies_due, self._door.body_within_s, is_done=False)
        try:
            whole = await reading.into(body)
            answer = whole if isinstance(whole, Answer) else await self._store_report(whole)
        finally:
            body.close()
        took_s = loop.time() - began
        observation.observe(self._runtime.metrics, events.PATH, "POST", answer.status, took_s)
        await _send(send, answer, "", stay=reading.is_done)

    async def _store_report(self, body: bytes) -> Answer:
        if self._door.is_draining:
            return browser_answers.UNAVAILABLE
        loop = asyncio.get_running_loop()
        arrival = await loop.run_in_executor(self._asking, events.examine, self._pages, body)
        if isinstance(arrival, Answer):
            return arrival
        said = await self._stored(arrival, body)
        return browser_answers.UNAVAILABLE if said is None else events.reply(self._pages, arrival, said)


class _Reading:
    """The body of one request, as it comes. `is_done` once nothing of it is left on the line."""

    def __init__(self, receive: Receive, deadlines: "Deadlines[_Reading]", within_s: float, *, is_done: bool) -> None:
        self._receive = receive
        self._deadlines = deadlines
        self._within_s = within_s
        self._task: asyncio.Task[Any] | None = None
        self._is_too_slow = False
        self.is_done = is_done

    async def into(self, body: IncomingBody | PageBody) -> bytes | Answer:
        """All of it, or the refusal that ends the reading. To be called once."""
        refusal = body.refuse_early()
        if refusal is not None:
            return refusal
        self._task = asyncio.current_task()
        self._deadlines.add(asyncio.get_running_loop().time() + self._within_s, self)
        try:
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    return body.INCOMPLETE
                refusal = body.add(message.get("body", b""))
                if refusal is not None:
                    return refusal
                if not message.get("more_body", False):
                    whole = body.whole()
                    self.is_done = not isinstance(whole, Answer)
                    return whole
        except asyncio.CancelledError:
            if not self._is_too_slow or (self._task is not None and self._task.uncancel()):
                raise
            return body.TOO_SLOW
        finally:
            self._task = None
            # Behind a slow one it stays in the line of deadlines for a while; what the request holds must not.
            del self._receive

    def done(self) -> bool:
        return self._task is None

    def give_up(self) -> None:
        """Its time is over: whatever is missing is waited for no longer."""
        if self._task is not None:
            self._is_too_slow = True
            self._task.cancel()


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


async def _send(send: Send, answer: Answer, request_id: str, *, stay: bool, only_head: bool = False) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.status not in (204, 304):
        headers.append((b"content-type", answer.mimetype.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if not stay:
        # The rest of the body was not read, so nothing after it can be understood.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if only_head else answer.body, "more_body": False})
