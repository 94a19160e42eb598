"""Segment's webhook: from the raw bytes of a request to an answer. No Flask in here, and no thread of its own.

`ingest` does it all for a server that gives each request a thread. The front under granian calls the same steps
(`admit`, `examine`, `reply`) and awaits in between. Order: method, token, encoding, room, body, signature, JSON.
"""

import datetime as dt
import time
from collections.abc import Callable

import msgspec
import structlog

from productfruits.segment import messages, reader, signature
from productfruits.segment.messages import MalformedMessage
from productfruits.segment.reader import Unreadable
from productfruits.segment.signature import BadSignature
from productfruits.services.connections import LiveConnection
from productfruits.services.intake import Arrival, Receipt
from productfruits.web.ingest import answers
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import DEADLINE_S, Budget, IncomingBody
from productfruits.web.ingest.refusals import Refusals
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.live_connections import LiveConnections
from productfruits.workers.runtime import Runtime
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import NotStored, StoreBusy

log = structlog.get_logger()

PATH = "/webhooks/segment/"
METHODS = ("POST", "PUT", "PATCH")
CHUNK_BYTES = 64 * 1024


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """What stands above a body. Header values as they came; None where the header is missing."""

    method: str
    token: str
    content_length: str | None
    content_encoding: str | None
    x_signature: str | None
    x_segment_signature: str | None


class Door:
    """What all webhook requests of a process share."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.writer = runtime.writer
        self.connections = LiveConnections(runtime.sessions, runtime.vault)
        self.budget = Budget()
        self.refusals = Refusals(runtime.writer)
        self.body_within_s = DEADLINE_S
        runtime.metrics.body_bytes.set_function(lambda: self.budget.used_bytes)


def ingest(door: Door, incoming: Incoming, read: Callable[[int], bytes]) -> Answer:
    """Take one request in and answer it; blocks until it is stored. `read` gives up to n bytes, b"" at the end.

    `read` raises OSError when the sender has gone away.
    """
    connection = admit(door, incoming)
    if isinstance(connection, Answer):
        return connection
    body = IncomingBody(door.budget, content_length(incoming))
    try:
        whole = _read(body, read, door.body_within_s)
        if isinstance(whole, Answer):
            return refuse(door, connection, whole)
        arrival = examine(door, connection, incoming, whole)
        if isinstance(arrival, Answer):
            return arrival
        try:
            return reply(door.writer.receive(arrival, body=whole))
        except NotStored as err:
            return reply(err)
    finally:
        body.close()


def admit(door: Door, incoming: Incoming) -> LiveConnection | Answer:
    """The connection that the URL names, or why the body need not even be read. May ask the store."""
    if incoming.method not in METHODS:
        return answers.METHOD_NOT_ALLOWED
    try:
        door.runtime.start()
        connection = door.connections.find(incoming.token)
        if connection is None:
            return answers.UNAUTHORIZED
        if not connection.active:
            door.refusals.tell(connection, "deactivated")
            return answers.UNAUTHORIZED
        if (incoming.content_encoding or "identity").strip().lower() not in ("", "identity"):
            return refuse(door, connection, answers.ENCODED)
        door.writer.check_room(connection.workspace_id)
    except AlreadyServed as err:
        log.error("not_serving", message=str(err))
        return answers.UNAVAILABLE
    except NotStored as err:
        return reply(err)
    return connection


def content_length(incoming: Incoming) -> int | None:
    """The declared length of the body; None if it is not told, as for a chunked one."""
    text = incoming.content_length
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None


def examine(door: Door, connection: LiveConnection, incoming: Incoming, body: bytes) -> Arrival | Answer:
    """Is it from Segment, and what does it say? Nothing of the body is parsed before the first is answered."""
    now = dt.datetime.now(dt.UTC)
    live = [secret for secret in connection.secrets if secret.expires_at is None or secret.expires_at > now]
    try:
        signed = signature.verify(
            body,
            x_signature=incoming.x_signature,
            x_segment_signature=incoming.x_segment_signature,
            secrets=[secret.key for secret in live],
        )
    except BadSignature:
        is_missing = not incoming.x_signature and not incoming.x_segment_signature
        door.refusals.tell(connection, "missing_signature" if is_missing else "invalid_signature")
        return answers.UNAUTHORIZED
    try:
        content = reader.read(body)
        if content.is_array and not connection.accepts_batches:
            return refuse(door, connection, answers.BATCH_NOT_ENABLED)
        parsed = messages.parse(content, signed=signed)
    except (Unreadable, MalformedMessage) as err:
        door.refusals.tell(connection, err.code, str(err))
        return answers.refused(err.status, err.code, str(err))
    return Arrival(
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        secret_id=live[signed.secret].id,
        source="webhook",
        trust="server",
        received_at=now,
        parsed=parsed,
    )


def refuse(door: Door, connection: LiveConnection, answer: Answer) -> Answer:
    """The same answer, after telling the settings page about it unless it is about our own state."""
    if answer.status < 500:
        door.refusals.tell(connection, answer.code)
    return answer


def reply(outcome: Outcome) -> Answer:
    """The answer to what the writer said."""
    if isinstance(outcome, Receipt):
        return answers.stored(outcome)
    return answers.BUSY if isinstance(outcome, StoreBusy) else answers.UNAVAILABLE


def _read(body: IncomingBody, read: Callable[[int], bytes], within_s: float) -> bytes | Answer:
    refusal = body.refuse_early()
    deadline = time.monotonic() + within_s
    while refusal is None:
        try:
            chunk = read(CHUNK_BYTES)
        except OSError:
            return answers.INCOMPLETE
        if not chunk:
            return body.whole()
        refusal = answers.TOO_SLOW if time.monotonic() > deadline else body.add(chunk)
    return refusal
