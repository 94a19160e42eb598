"""Segment's HTTP Tracking API, and the posts of Segment functions as Jitsu takes them.

The two differ in where the key stands, in what a body may be, and in a word of the answer. Trust is that of the key:
the write key is public, since it sits in every page; the auth token proves a server, and no page may use it.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from productfruits.segment import messages, tracking
from productfruits.segment.messages import MalformedMessage
from productfruits.segment.reader import Unreadable
from productfruits.segment.tracking import Post
from productfruits.services.arrivals import Arrival
from productfruits.services.connections import LiveConnection
from productfruits.web.ingest import answers, cors, inflating, keys, steps
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody, Limits
from productfruits.web.ingest.door import Door, Incoming, not_now
from productfruits.web.ingest.inflating import InflatesTooFar, NotGzip
from productfruits.web.ingest.steps import Step, Steps
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored

METHODS = "POST, OPTIONS"

UNKNOWN_KEY = answers.refused(
    401,
    "invalid_write_key",
    "No active connection has this write key. Give the write key of the settings page as the user name of Basic or as "
    "`writeKey` in the body; a server may use the auth token in its place.",
)
UNKNOWN_TOKEN = answers.refused(
    401,
    "invalid_token",
    "No active connection has this token. Give the auth token of the settings page in X-Auth-Token.",
)
METHOD_NOT_ALLOWED = answers.refused(405, "method_not_allowed", "Send events with POST.", Allow=METHODS)
#: 400 and not 413: some mobile SDKs send for ever what is refused in any other way.
TOO_LARGE = answers.refused(
    400, "body_too_large", "The body is too large: 1 MiB for one event, 4 MiB for a batch. Send less at once."
)
ENCODED = answers.refused(415, "content_encoding", "A body may be compressed with gzip, and in no other way.")
BROKEN_GZIP = answers.refused(400, "invalid_gzip", " ".join(str(NotGzip()).split()))
DEACTIVATED = "The connection is deactivated, so what SDKs and functions send is refused. Activate it again."
#: Segment's own limits are 32 KB an event and 500 KB a batch, and its SDKs stay below.
SINGLE = Limits(1024 * 1024, 1024 * 1024, TOO_LARGE)
BATCH = Limits(4 * 1024 * 1024, 4 * 1024 * 1024, TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Protocol:
    """What tells one way from the other: the place of the key, and what is answered."""

    source: str
    key_of: Callable[[Incoming], str | None]
    unknown: Answer
    in_answer: Mapping[str, str] = field(default_factory=dict)


SDK = Protocol("tracking", keys.of_sdk, UNKNOWN_KEY)
FUNCTION = Protocol("function", keys.of_function, UNKNOWN_TOKEN, {"status": "ok"})


@dataclass(frozen=True, slots=True)
class Place:
    """One address: what a body there may be, and how large."""

    protocol: Protocol
    read: Callable[[bytes], Post]
    limits: Limits

    def take_in(self, door: Door, incoming: Incoming) -> Steps:
        """Take one request in."""
        return _Request(self, door, incoming).take_in()


class _Refused(Exception):
    """Carries a refusal to where it is told and sent."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


class _Request:
    """One request on its way. `connection` once it is known whose key came along."""

    def __init__(self, place: Place, door: Door, incoming: Incoming) -> None:
        self.place = place
        self.door = door
        self.incoming = incoming
        self.connection: LiveConnection | None = None

    def take_in(self) -> Steps:
        """The answer, which a page may read unless the auth token came along."""
        if self.incoming.method == "OPTIONS":
            return cors.preflight(self.incoming, METHODS)
        try:
            answer = yield from self._store()
        except _Refused as refused:
            answer = refused.answer
            if self.connection is not None and self.connection.active and answer.status < 500:
                self._tell(answer.code, answer.message)
        except (AlreadyServed, NotStored) as err:
            answer = not_now(err)
        if self.connection is not None and self.connection.trust == "server":
            return answer
        return cors.allow(answer, self.incoming)

    def _store(self) -> Generator[Step, object, Answer]:
        """Order: method, key of the head with limit and room, encoding, body, JSON, key of the body with the same."""
        if self.incoming.method != "POST":
            raise _Refused(METHOD_NOT_ALLOWED)
        key = self.place.protocol.key_of(self.incoming)
        if key is not None:
            yield from self._find(key)
        if self.incoming.content_encoding not in ("", *inflating.ENCODINGS):
            raise _Refused(ENCODED)
        is_proven = self.connection is not None and self.connection.trust == "server"
        budget = self.door.budget if is_proven else self.door.open_budget
        with contextlib.closing(IncomingBody(budget, self.incoming.content_length, self.place.limits)) as body:
            whole = yield from steps.read(body)
            if isinstance(whole, Answer):
                raise _Refused(whole)
            try:
                post = self.place.read(self._inflated(body, whole))
            except Unreadable as err:
                # Every refusal of a body is 400 here, as TOO_LARGE says.
                raise _Refused(answers.refused(400, err.code, str(err))) from err
            connection = self.connection or (yield from self._find(post.write_key or ""))
            receipt = yield from steps.store(self._arrival(connection, post), whole)
        return answers.stored(receipt, **self.place.protocol.in_answer)

    def _find(self, key: str) -> Generator[Step, object, LiveConnection]:
        connection = self.connection = yield from self.door.find("key", key)
        if connection is None:
            raise _Refused(self.place.protocol.unknown)
        if not connection.active:
            self._tell("deactivated", DEACTIVATED)
            raise _Refused(self.place.protocol.unknown)
        self.door.admission.let_in(connection.workspace_id, connection.trust, self.place.protocol.source)
        return connection

    def _inflated(self, body: IncomingBody, whole: bytes) -> bytes:
        if not self.incoming.content_encoding:
            return whole
        try:
            content = inflating.inflate(whole, self.place.limits.array_bytes)
        except NotGzip as err:
            raise _Refused(BROKEN_GZIP) from err
        except InflatesTooFar as err:
            raise _Refused(self.place.limits.refusal) from err
        busy = body.grow(len(content))
        if busy is not None:
            raise _Refused(busy)
        return content

    def _arrival(self, connection: LiveConnection, post: Post) -> Arrival:
        try:
            return arrival(connection, post, self.place.protocol.source, self.incoming.depth)
        except MalformedMessage as err:
            raise _Refused(answers.refused(err.status, err.code, str(err))) from err

    def _tell(self, code: str, words: str) -> None:
        if self.connection is not None:
            self.door.refusals.tell(self.connection, code, words, source=self.place.protocol.source)


def arrival(connection: LiveConnection, post: Post, source: str, depth: int = 0) -> Arrival:
    """What is to be stored of a post, with its times moved to our clock. Raises MalformedMessage."""
    now = dt.datetime.now(dt.UTC)
    may_delete = connection.trust == "server"
    parsed = messages.parse(
        post.body,
        signed=None,
        first_may_delete=may_delete,
        later_may_delete=may_delete,
        late_by=tracking.late_by(post.sent_at, now),
    )
    return Arrival(
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        secret_id=None,
        source=source,
        trust=connection.trust,
        received_at=now,
        parsed=parsed,
        depth=depth,
    )
