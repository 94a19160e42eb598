"""Senders that note what became of every message, and the judgement afterwards, by rows read straight from the store.

Acknowledged: must be there exactly once. Refused or unknown (the line broke): may be there once, never twice.
"""

import collections
import contextlib
import http.client
import itertools
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from cryptography.fernet import Fernet

from productfruits.segment.signature import sign
from tests.served import Served, serve

#: A sender that gets no answer for so long counts the message as unknown.
PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Hook:
    """The webhook of a workspace on a served store."""

    path: str
    secret: bytes

    @classmethod
    def of(cls, served: Served) -> "Hook":
        """A new workspace, made by the command line."""
        key = served.cli_json("workspace", "create", "Acme")["workspace"]
        active = served.cli_json("segment", "activate", "--workspace", key)
        return cls(urlsplit(active["webhook_url"]).path, active["webhook_secret"].encode())


class Sender:
    """One keep-alive line to a server, made again when it breaks."""

    def __init__(self, served: Served, hook: Hook) -> None:
        self._address = ("127.0.0.1", urlsplit(served.url).port or 0)
        self._hook = hook
        self._line: http.client.HTTPConnection | None = None

    def post(self, messages: list[dict[str, Any]]) -> int | None:
        """The status of the answer, None if there was none. One message goes alone, several as an array."""
        elements = [json.dumps(message).encode() for message in messages]
        body = elements[0] if len(elements) == 1 else b"[" + b",".join(elements) + b"]"
        headers = {"X-Signature": sign(elements[0], self._hook.secret), "Content-Type": "application/json"}
        try:
            if self._line is None:
                self._line = http.client.HTTPConnection(*self._address, timeout=PATIENCE_S)
            self._line.request("POST", self._hook.path, body, headers)
            answer = self._line.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def post_until_taken(self, messages: list[dict[str, Any]]) -> None:
        """As Segment does: again and again while the answer is 503 or missing. Any other refusal is an error."""
        while (status := self.post(messages)) != 200:
            assert status in (503, None), status

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


@dataclass
class Ledger:
    """Every message by its id, and what is known of it."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    statuses: collections.Counter[int | None] = field(default_factory=collections.Counter)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def load(self, served: Served, hook: Hook, stop: threading.Event, *, group: int) -> None:
        """Send new messages until told to stop or the server is gone, `group` to a request."""
        sender = Sender(served, hook)
        while not stop.is_set():
            batch = self._new(group)
            status = sender.post(batch)
            with self._change:
                self.statuses[status] += 1
                if status == 200:
                    self.acknowledged |= {message["messageId"] for message in batch}
                self._change.notify_all()
            if status is None:
                break
            if status != 200:
                stop.wait(0.05)
        sender.close()

    def wait_for_acknowledged(self, count: int) -> None:
        """Return once so many messages in all have been acknowledged."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE_S * 2)

    def send_the_rest_again(self, served: Served, hook: Hook) -> None:
        """Everything that was not acknowledged, until it is."""
        left = [message for message_id, message in self.sent.items() if message_id not in self.acknowledged]
        sender = Sender(served, hook)
        for start in range(0, len(left), 50):
            sender.post_until_taken(left[start : start + 50])
        sender.close()
        self.acknowledged |= self.sent.keys()

    def judge(self, rows: collections.Counter[str]) -> None:
        """Compare with how often each message id stands in the store."""
        lost = self.acknowledged - rows.keys()
        assert not lost, f"{len(lost)} acknowledged messages are not stored: {sorted(lost)[:5]}"
        twice = {message_id for message_id, count in rows.items() if count > 1}
        assert not twice, f"{len(twice)} messages are stored twice: {sorted(twice)[:5]}"
        assert rows.keys() <= self.sent.keys()

    def _new(self, count: int) -> list[dict[str, Any]]:
        with self._change:
            numbers = [next(self._numbers) for _ in range(count)]
            messages = [
                {"type": "track", "messageId": f"m{n}", "userId": f"u{n % 50}", "event": "Clicked"} for n in numbers
            ]
            self.sent |= {message["messageId"]: message for message in messages}
            return messages


@contextlib.contextmanager
def loading(ledger: Ledger, served: Served, hook: Hook, *, singles: int = 6, arrays: int = 2) -> Iterator[None]:
    """Senders at work during the block, some with single messages and some with arrays of 20."""
    stop = threading.Event()
    groups = [1] * singles + [20] * arrays
    threads = [
        threading.Thread(target=ledger.load, args=(served, hook, stop), kwargs={"group": group}) for group in groups
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


Serving = Callable[[], contextlib.AbstractContextManager[Served]]


def serving_on(database_url: str, data_dir: Path, **settings: str) -> Serving:
    """Starts `productfruits serve` on the same store and with the same keys as often as it is called."""
    environment: dict[str, Any] = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "only-for-tests-" + "k" * 32,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "LOG_LEVEL": "warning",
        **settings,
    }
    return lambda: serve(data_dir, **environment)


def query(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Rows read straight from the store, past all of our own code."""
    if database_url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as store:
            return store.execute(statement).fetchall()
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        return connection.execute(statement.encode()).fetchall()


def stored_messages(database_url: str) -> collections.Counter[str]:
    """How often each message id stands in the store."""
    return counted(row[0] for row in query(database_url, "SELECT message_id FROM event"))


def counted(values: Iterable[str]) -> collections.Counter[str]:
    return collections.Counter(values)
