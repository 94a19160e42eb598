"""Runs a WSGI application on a few threads for requests whose body an event loop has already read."""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from productfruits.web.ingest.bodies import Budget

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

#: Pages and the API take small bodies only; files are imported by the command line.
BODY_BYTES = 2 * 1024 * 1024
BODY_WITHIN_S = 15.0
#: All bodies for pages that are in memory at once. Apart from those of webhooks, which strangers must not crowd out.
BODIES_BYTES = 32 * 1024 * 1024
#: A reader that does not take a chunk of an answer for so long is given up.
CHUNK_WITHIN_S = 30.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class WsgiBridge:
    """An ASGI application that hands requests to a WSGI application."""

    def __init__(self, app: "WSGIApplication", threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, "productfruits-page")
        self.budget = Budget(BODIES_BYTES)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = _Body(self.budget)
        try:
            refusal = await body.read(receive)
            if refusal is not None:
                await _refuse(send, refusal)
                return
            loop = asyncio.get_running_loop()
            call = _Call(self._app, _environ(scope, body.whole()), send, loop)
            await loop.run_in_executor(self._threads, call.run)
        finally:
            body.close()
        for message in call.unsent:
            await send(message)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class _Call:
    """One request in its thread. The usual answer is one chunk and is sent when the thread is free again."""

    def __init__(
        self, app: "WSGIApplication", environ: "WSGIEnvironment", send: Send, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._app = app
        self._environ = environ
        self._send = send
        self._loop = loop
        self._start: dict[str, Any] | None = None
        self.unsent: list[dict[str, Any]] = []

    def run(self) -> None:
        chunks = self._app(self._environ, self._start_response)
        held: bytes | None = None
        try:
            for chunk in chunks:
                if not chunk:
                    continue
                if held is not None:
                    self._send_now({"type": "http.response.body", "body": held, "more_body": True})
                held = chunk
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        self.unsent += self._take_start()
        self.unsent.append({"type": "http.response.body", "body": held or b"", "more_body": False})

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None
    ) -> Callable[[bytes], object]:
        self._start = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }
        return self._write

    def _write(self, chunk: bytes) -> None:
        self._send_now({"type": "http.response.body", "body": chunk, "more_body": True})

    def _take_start(self) -> Iterable[dict[str, Any]]:
        start, self._start = self._start, None
        return [] if start is None else [start]

    def _send_now(self, message: dict[str, Any]) -> None:
        for each in [*self._take_start(), message]:
            sending = asyncio.run_coroutine_threadsafe(_coroutine(self._send, each), self._loop)
            sending.result(CHUNK_WITHIN_S)


async def _coroutine(send: Send, message: dict[str, Any]) -> None:
    await send(message)


class _Body:
    """The body of one request for a page."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._chunks: list[bytes] = []
        self._bytes = 0

    async def read(self, receive: Receive) -> int | None:
        """Read all of it; the status that refuses it, or None."""
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return 400
                    chunk = message.get("body", b"")
                    if self._bytes + len(chunk) > BODY_BYTES:
                        return 413
                    if not self._budget.take(len(chunk)):
                        return 503
                    self._bytes += len(chunk)
                    self._chunks.append(chunk)
                    if not message.get("more_body", False):
                        return None
        except TimeoutError:
            return 408

    def whole(self) -> bytes:
        return b"".join(self._chunks)

    def close(self) -> None:
        self._budget.give_back(self._bytes)


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _environ(scope: dict[str, Any], body: bytes) -> "WSGIEnvironment":
    """The request as PEP 3333 wants it: text in latin-1, headers that came twice joined."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        value = raw_value.decode("latin-1")
        if b"_" in raw_name:
            continue  # a header with an underscore would pass for the one with a dash
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        if name in environ:
            separator = "; " if name == "HTTP_COOKIE" else ","
            value = f"{environ[name]}{separator}{value}"
        environ[name] = value
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ
