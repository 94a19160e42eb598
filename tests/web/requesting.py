"""Sends webhooks to an app in this process: as WSGI, and through the ASGI front. Both answer alike, or a test fails."""

import asyncio
import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask

from productfruits.asgi import Front
from productfruits.segment.signature import sign
from productfruits.services import connections, workspaces
from productfruits.workers.runtime import Runtime

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Http(Protocol):
    """One way to reach the app."""

    def send(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Reply: ...


@dataclass(frozen=True, slots=True)
class Connected:
    """A workspace with an active connection to Segment."""

    workspace_id: int
    connection_id: int
    token: str
    secret: bytes
    write_key: str
    auth_token: str

    @property
    def path(self) -> str:
        return f"/webhooks/segment/{self.token}"

    def signed(self, body: bytes) -> list[tuple[str, str]]:
        return [("Content-Type", "application/json"), ("X-Signature", sign(body, self.secret))]

    def post(self, http: Http, message: Any) -> Reply:
        """Send a message, or a list of them as Segment sends an array: signed over its first element."""
        if isinstance(message, list):
            elements = [encoded(element) for element in message]
            body = b"[" + b",".join(elements) + b"]"
            headers = self.signed(elements[0]) if elements else self.signed(body)
        else:
            body = message if isinstance(message, bytes) else encoded(message)
            headers = self.signed(body)
        return http.send("POST", self.path, headers, body)


def basic(key: str) -> tuple[str, str]:
    """The header in which SDKs give the write key."""
    return ("Authorization", "Basic " + base64.b64encode(f"{key}:".encode()).decode())


def encoded(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def connect(runtime: Runtime, name: str = "Acme") -> Connected:
    """A new workspace, activated."""
    now = dt.datetime.now(dt.UTC)
    with runtime.writing() as session:
        workspace = workspaces.create(session, name, now)
        activated = connections.activate(session, workspace, now, runtime.vault)
        return Connected(
            workspace.id,
            activated.connection.id,
            activated.webhook_token,
            activated.webhook_secret.encode(),
            activated.write_key,
            activated.auth_token,
        )


class WsgiHttp:
    """Through app.wsgi_app, as any WSGI server does."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def send(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Reply:
        answer = self._client.open(path, method=method, headers=list(headers), data=body)
        return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data)


@contextmanager
def reached(app: Flask, way: str) -> Iterator[Http]:
    """The app as WSGI or through the ASGI front: "wsgi" or "asgi"."""
    if way == "wsgi":
        yield WsgiHttp(app)
    else:
        asgi = AsgiHttp(app)
        yield asgi
        asgi.close()


class AsgiHttp:
    """Through the front, on an event loop of its own. Bodies come in chunks, as a network delivers them."""

    CHUNK_BYTES = 300_000

    def __init__(self, app: Flask) -> None:
        self.front = Front(app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.front.close()

    def send(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Reply:
        given = [("host", "localhost"), ("content-length", str(len(body))), *headers]
        return self.send_parts(method, path, given, [*_chunks(body, self.CHUNK_BYTES)])

    def send_parts(self, method: str, path: str, headers: Headers, parts: Sequence[bytes | None]) -> Reply:
        """The body in these parts; None stands for a sender that goes away."""
        call = self._call(method, path, headers, list(parts))
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def _call(self, method: str, path: str, headers: Headers, parts: list[bytes | None]) -> Reply:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_000),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0) if parts else None
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.front(scope, receive, send)
        if not sent:
            return Reply(0, {}, b"")
        start, *chunks = sent
        return Reply(
            start["status"],
            {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
            b"".join(chunk["body"] for chunk in chunks),
        )


def _chunks(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]
