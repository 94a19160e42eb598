"""The front under granian, in this process: slow senders, many of them, and pages beside them."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Response, request

from productfruits.asgi import Front
from productfruits.cli.serve import granian, new_event_loop
from productfruits.database import begin_immediate
from productfruits.segment.signature import sign
from productfruits.web.ingest.door import Door
from productfruits.workers.runtime import Runtime
from tests.pgtemp import free_port
from tests.web.requesting import Connected, connect, encoded

PATIENCE_S = 60
TRACK = {"type": "track", "messageId": "m1", "userId": "u1", "event": "Clicked"}


class Running:
    """An app behind the front and granian on a loopback port, in a thread of this process."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.runtime: Runtime = app.extensions["productfruits"]
        self.door: Door = app.extensions["productfruits.door"]
        self.front = Front(app)
        self.address = ("127.0.0.1", free_port())
        self._loop = new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        assert started.wait(PATIENCE_S)
        while not self._answers():
            pass

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join()
        self.front.close()

    def line(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Any:
        line = http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        content = answer.read()
        line.close()
        return answer, content

    def post(self, connected: Connected, message: Any) -> tuple[int, Any]:
        body = encoded(message)
        answer, content = self.send("POST", connected.path, dict(connected.signed(body)), body)
        return answer.status, json.loads(content)

    def _answers(self) -> bool:
        try:
            self.line().close()
        except OSError:
            return False
        return True

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._server = granian(self.front, *self.address)
        started.set()
        await self._server.serve()


@pytest.fixture
def running(app: Flask) -> Iterator[Running]:
    @app.post("/test/echo")
    def echo() -> Response:
        return Response([request.get_data(), b"|", request.headers.get("X-Twice", "").encode()])

    @app.get("/test/large")
    def large() -> Response:
        return Response(b"x" * 10_000 for _ in range(100))

    running = Running(app)
    yield running
    running.close()


@pytest.fixture
def connected(running: Running) -> Connected:
    return connect(running.runtime)


def head(connected: Connected, body: bytes) -> bytes:
    lines = [f"POST {connected.path} HTTP/1.1", "Host: x", f"X-Signature: {sign(body, connected.secret)}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n"


def status_on(line: socket.socket) -> int:
    received = b""
    while b"\r\n" not in received:
        chunk = line.recv(65_536)
        assert chunk, "closed without an answer"
        received += chunk
    return int(received.split(b" ", 2)[1])


def test_a_body_that_does_not_come_is_answered_408(running: Running, connected: Connected) -> None:
    running.door.body_within_s = 0.2
    body = encoded(TRACK)
    for sent in (b"", body[:10]):
        with running.line() as line:
            line.sendall(head(connected, body) + sent)
            assert status_on(line) == 408
    assert running.door.budget.used_bytes == 0
    assert running.post(connected, TRACK)[0] == 200


def test_slow_senders_stop_nobody(running: Running, connected: Connected) -> None:
    body = encoded(TRACK)
    slow = [running.line() for _ in range(200)]
    try:
        for line in slow:
            line.sendall(head(connected, body) + body[:10])
        assert running.post(connected, TRACK)[0] == 200
        assert running.send("GET", "/healthz")[0].status == 200
        for line in slow:
            line.sendall(body[10:])
        assert {status_on(line) for line in slow} == {200}
    finally:
        for line in slow:
            line.close()


def test_a_store_that_does_not_answer_in_time_is_503_and_the_message_comes_again(
    running: Running, connected: Connected
) -> None:
    running.post(connected, {**TRACK, "messageId": "warm"})
    with running.runtime.sessions() as other:
        begin_immediate(other)
        answer, _ = running.send("POST", connected.path, dict(connected.signed(encoded(TRACK))), encoded(TRACK))
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        other.rollback()
    status, content = running.post(connected, TRACK)
    assert (status, content["accepted"] + content["duplicates"]) == (200, 1)


def test_bodies_are_bounded_all_together(running: Running, connected: Connected) -> None:
    assert running.door.budget.take(64 * 1024 * 1024 - 10)
    status, content = running.post(connected, TRACK)
    assert (status, content["code"]) == (503, "busy")
    running.door.budget.give_back(64 * 1024 * 1024 - 10)
    assert running.post(connected, TRACK)[0] == 200
    assert running.door.budget.used_bytes == 0


def test_many_senders_share_few_commits(running: Running, connected: Connected) -> None:
    with ThreadPoolExecutor(32) as pool:
        replies: Sequence[tuple[int, Any]] = list(
            pool.map(lambda n: running.post(connected, {**TRACK, "messageId": f"m{n}"}), range(200))
        )
    assert {status for status, _ in replies} == {200}
    assert sum(content["accepted"] for _, content in replies) == 200


def test_pages_get_their_body_and_headers_and_may_answer_in_parts(running: Running) -> None:
    answer, content = running.send("POST", "/test/echo", {"X-Twice": "a"}, b"some body")
    assert (answer.status, content) == (200, b"some body|a")
    answer, content = running.send("GET", "/test/large")
    assert (answer.status, len(content)) == (200, 1_000_000)
    assert running.send("POST", "/test/echo", {}, b"x" * 3_000_000)[0].status == 413
    answer, content = running.send("HEAD", "/healthz")
    assert (answer.status, content) == (200, b"")


def test_bodies_for_pages_are_bounded_apart_from_those_of_webhooks(running: Running, connected: Connected) -> None:
    budget = running.front.bridge.budget
    assert budget.take(32 * 1024 * 1024)
    assert running.send("POST", "/test/echo", {}, b"some body")[0].status == 503
    assert running.post(connected, TRACK)[0] == 200
    budget.give_back(32 * 1024 * 1024)
    assert running.send("POST", "/test/echo", {}, b"some body")[0].status == 200
    assert budget.used_bytes == 0


def test_draining_refuses_webhooks_and_goes_on_with_pages(running: Running, connected: Connected) -> None:
    running.front.start_draining()
    assert running.post(connected, TRACK)[0] == 503
    assert running.send("GET", "/healthz")[0].status == 200
