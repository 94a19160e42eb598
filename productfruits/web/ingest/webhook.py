"""Segment's webhook: from the raw bytes of a request to an answer. No Flask in here, and no thread of its own."""

import datetime as dt

from productfruits.segment import messages, reader, signature
from productfruits.segment.messages import MalformedMessage
from productfruits.segment.reader import Unreadable
from productfruits.segment.signature import BadSignature
from productfruits.services.arrivals import Arrival
from productfruits.services.connections import LiveConnection
from productfruits.web.ingest import answers, steps
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody
from productfruits.web.ingest.door import Door, Incoming, not_now
from productfruits.web.ingest.steps import Steps
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored

METHODS = ("POST", "PUT", "PATCH")
SOURCE = "webhook"


def take_in(door: Door, incoming: Incoming) -> Steps:
    """Take one request in. Order: method, token, encoding, limit, room, body, signature, JSON."""
    if incoming.method not in METHODS:
        return answers.METHOD_NOT_ALLOWED
    body: IncomingBody | None = None
    try:
        connection = yield from door.find("url", incoming.part)
        if connection is None:
            return answers.UNAUTHORIZED
        if not connection.active:
            door.refusals.tell(connection, "deactivated")
            return answers.UNAUTHORIZED
        if incoming.content_encoding:
            return _refuse(door, connection, answers.ENCODED)
        door.admission.let_in(connection.workspace_id, connection.trust, SOURCE)
        body = IncomingBody(door.budget, incoming.content_length)
        whole = yield from steps.read(body)
        if isinstance(whole, Answer):
            return _refuse(door, connection, whole)
        arrival = _examine(door, connection, incoming, whole)
        if isinstance(arrival, Answer):
            return arrival
        return answers.stored((yield from steps.store(arrival, whole)))
    except (AlreadyServed, NotStored) as err:
        return not_now(err)
    finally:
        if body is not None:
            body.close()


def _examine(door: Door, connection: LiveConnection, incoming: Incoming, body: bytes) -> Arrival | Answer:
    """Is it from Segment, and what does it say? Nothing of the body is parsed before the first is answered."""
    now = dt.datetime.now(dt.UTC)
    live = [secret for secret in connection.secrets if secret.expires_at is None or secret.expires_at > now]
    x_signature = incoming.headers.get("x-signature")
    x_segment_signature = incoming.headers.get("x-segment-signature")
    try:
        signed = signature.verify(
            body,
            x_signature=x_signature,
            x_segment_signature=x_segment_signature,
            secrets=[secret.key for secret in live],
        )
    except BadSignature:
        is_missing = not x_signature and not x_segment_signature
        door.refusals.tell(connection, "missing_signature" if is_missing else "invalid_signature")
        return answers.UNAUTHORIZED
    try:
        content = reader.read(body)
        if content.is_array and not connection.accepts_batches:
            return _refuse(door, connection, answers.BATCH_NOT_ENABLED)
        parsed = messages.parse(content, signed=signed)
    except (Unreadable, MalformedMessage) as err:
        door.refusals.tell(connection, err.code, str(err))
        return answers.refused(err.status, err.code, str(err))
    return Arrival(
        workspace_id=connection.workspace_id,
        connection_id=connection.id,
        secret_id=live[signed.secret].id,
        source=SOURCE,
        trust=connection.trust,
        received_at=now,
        parsed=parsed,
        depth=incoming.depth,
    )


def _refuse(door: Door, connection: LiveConnection, answer: Answer) -> Answer:
    """The same answer, after telling the settings page about it unless it is about our own state."""
    if answer.status < 500:
        door.refusals.tell(connection, answer.code)
    return answer
