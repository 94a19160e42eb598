"""Segment webhook requests, made and signed before any clock runs: no message is ever sent in two passes."""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

EXISTING_SHARE = 0.3
BATCH_SIZE = 100
PLANS = ("free", "starter", "growth", "enterprise")
PATHS = ("/dashboard", "/projects", "/reports/weekly", "/settings/billing", "/team/invitations")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subject takes webhooks, and the secret they are signed with; the write key if it takes SDKs as well."""

    path: str
    secret: bytes
    write_key: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One Segment call as it travels, and what a check needs to find it again."""

    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A complete HTTP/1.1 request and the ids of the messages in it."""

    wire: bytes
    message_ids: tuple[str, ...]


def sign(covered: bytes, secret: bytes) -> str:
    """Lower-case hex HMAC-SHA1, as Segment's webhook destinations put it into X-Signature."""
    return hmac.new(secret, covered, hashlib.sha1).hexdigest()


def single(endpoint: Endpoint, message: Message) -> Request:
    """A request with one message; the signature covers the whole body."""
    return _request(endpoint, message.raw, message.raw, (message.message_id,))


def batch(endpoint: Endpoint, messages: Sequence[Message]) -> Request:
    """A request with an array; as Segment does it, the signature covers the first element alone."""
    body = b"[" + b",".join(message.raw for message in messages) + b"]"
    return _request(endpoint, body, messages[0].raw, tuple(message.message_id for message in messages))


def tracked(endpoint: Endpoint, messages: Sequence[Message]) -> Request:
    """The same as a batch of an SDK: an object around the array, and the write key instead of a signature."""
    body = b'{"batch":[' + b",".join(message.raw for message in messages) + b"]}"
    key = base64.b64encode(f"{endpoint.write_key}:".encode()).decode()
    head = (
        "POST /v1/batch HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        "User-Agent: analytics-node-next/latest\r\n"
        "Content-Type: application/json\r\n"
        f"Authorization: Basic {key}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return Request(head.encode() + body, tuple(message.message_id for message in messages))


def _request(endpoint: Endpoint, body: bytes, covered: bytes, message_ids: tuple[str, ...]) -> Request:
    head = (
        f"POST {endpoint.path} HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        "User-Agent: Segment (Actions)\r\n"
        "Content-Type: application/json\r\n"
        f"X-Signature: {sign(covered, endpoint.secret)}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return Request(head.encode() + body, message_ids)


class Traffic:
    """An endless, reproducible stream of browser messages: 30 % come from known users, the rest from new ones.

    A known user sends an identify with changed traits or a track, in turn; a new one arrives by identify.
    """

    def __init__(self, seed: int, known: int) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._known = known
        self._made = 0

    def arrivals(self) -> list[Message]:
        """One identify of each known user, to be sent before anything is measured."""
        return [self._identify(number, f"known-{number}") for number in range(self._known)]

    def take(self, count: int) -> list[Message]:
        """The next `count` messages."""
        return [self._next() for _ in range(count)]

    def singles(self, endpoint: Endpoint, count: int) -> list[Request]:
        """The next `count` requests of one message each."""
        return [single(endpoint, message) for message in self.take(count)]

    def batches(self, endpoint: Endpoint, count: int) -> list[Request]:
        """The next `count` requests of BATCH_SIZE messages each."""
        return [batch(endpoint, self.take(BATCH_SIZE)) for _ in range(count)]

    def tracked(self, endpoint: Endpoint, count: int) -> list[Request]:
        """The next `count` batches of an SDK, of BATCH_SIZE messages each."""
        return [tracked(endpoint, self.take(BATCH_SIZE)) for _ in range(count)]

    def hot(self, users: int, count: int) -> list[tuple[int, str, Message]]:
        """`count` identifies spread over few users, each with a trait key of its own: (user, key, message)."""
        stream = []
        for number in range(count):
            user, key = number % users, f"key_{number}"
            stream.append((user, key, self._identify(user, f"hot-{user}", {key: number})))
        self._random.shuffle(stream)
        return stream

    def _next(self) -> Message:
        self._made += 1
        if self._random.random() >= EXISTING_SHARE:
            return self._identify(self._made, f"new-{self._seed:x}-{self._made}")
        number = self._random.randrange(self._known)
        if self._made % 2:
            return self._identify(number, f"known-{number}")
        properties = {
            "report_id": f"rep_{self._random.getrandbits(40):x}",
            "format": "pdf",
            "rows": self._random.randrange(100_000),
            "filters": ["region", "quarter", "segment"],
            "source": "toolbar",
            "duration_ms": self._random.randrange(9_000),
        }
        return self._message("track", f"known-{number}", '"event":"Report Exported",', "properties", properties)

    def _identify(self, number: int, user_id: str, extra: dict[str, int] | None = None) -> Message:
        draw = self._random
        traits: dict[str, object] = {
            "email": f"{user_id}@customers.example",
            "firstName": f"Given{number % 977}",
            "lastName": f"Family{number % 1009}",
            "plan": draw.choice(PLANS),
            "company": {"id": f"org-{number % 499}", "name": f"Company {number % 499}"},
            "projects": draw.randrange(40),
            "createdAt": "2024-03-05T09:15:00.000Z",
            **(extra or {}),
        }
        return self._message("identify", user_id, "", "traits", traits)

    def _message(self, kind: str, user_id: str, name: str, field: str, values: dict[str, object]) -> Message:
        draw = self._random
        # As analytics.js makes it, from the time and a UUID.
        message_id = f"ajs-next-{time.time_ns() // 1_000_000}-{UUID(int=draw.getrandbits(128), version=4)}"
        # The visitor of a user is always the same, as one browser keeps one anonymous id.
        anonymous_id = hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()
        path = draw.choice(PATHS)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = (
            f'{{"anonymousId":"{anonymous_id}","channel":"client","context":{{"campaign":{{"medium":"email",'
            f'"name":"autumn","source":"newsletter"}},"ip":"203.0.113.{draw.randrange(255)}","library":{{"name":'
            f'"analytics.js","version":"npm:next-1.84.0"}},"locale":"en-GB","page":{{"path":"{path}","referrer":'
            f'"https://app.customer.example/start","search":"?tab=overview&range=30d","title":"Customer application",'
            f'"url":"https://app.customer.example{path}?tab=overview&range=30d"}},"screen":{{"density":2,"width":1920}},'
            f'"timezone":"Europe/Prague",'
            f'"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 '
            f'Safari/537.36","userAgentData":{{"brands":[{{"brand":"Chromium","version":"140"}}],"mobile":false,'
            f'"platform":"Linux"}}}},{name}"integrations":{{"All":true}},"messageId":"{message_id}",'
            f'"originalTimestamp":"{now}","receivedAt":"{now}","sentAt":"{now}","timestamp":"{now}",'
            f'"{field}":{json.dumps(values, separators=(",", ":"))},"type":"{kind}","userId":"{user_id}","version":2}}'
        )
        return Message(message_id, text.encode())
