"""Segment's HTTP Tracking API, and what posts like it: from bytes to events and what is said around them.

Sources: Segment's HTTP API page, and what the released SDKs send. The type of a single event is that of its path; a
batch's context lies under that of each event. `integrations` says which of Segment's destinations an event goes to,
and so says nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from productfruits.segment import batches, reader, timestamps
from productfruits.segment.batches import Envelope
from productfruits.segment.reader import Body, Element, Unreadable

#: First letters for the browser, whole words for everybody else; `import` is the batch of the Ruby SDK.
TYPES_BY_PATH = {
    name: kind for kind in ("identify", "track", "page", "screen", "group", "alias") for name in (kind, kind[0])
}
BATCH_PATHS = ("batch", "b", "import")


@dataclass(frozen=True, slots=True)
class Post:
    """What a sender posted: events, the key where it stands in the body, and the time its clock showed on sending."""

    body: Body
    write_key: str | None = None
    sent_at: datetime | None = None


def read_single(body: bytes, kind: str) -> Post:
    """One event of this type, whatever type it gives itself. Raises Unreadable."""
    read = reader.read(body, kind)
    if read.is_array:
        raise Unreadable("not_one_event")
    (element,) = read.elements
    if type(element.value) is not dict:
        return Post(read)
    event = element.value
    return Post(
        Body(False, (Element({**event, "type": kind}),)),
        _text(event.get("writeKey")),
        timestamps.parse(event.get("sentAt")),
    )


def read_batch(body: bytes) -> Post:
    """The events of `{"batch": [...]}`, or of a bare array. Raises Unreadable."""
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        return Post(reader.read(body))
    return _post(batches.read(body))


def read_function_post(body: bytes) -> Post:
    """What a Segment function posts: one event, several in an array, or a batch. Raises Unreadable.

    Segment has corrected the times of events that went through it, so that only a batch, which comes from an SDK, says
    when it was sent.
    """
    if b'"batch"' in body and body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        try:
            envelope = batches.read(body)
        except Unreadable as err:
            if err.code != "no_batch":
                raise
        else:
            # An event with a type is an event, though a setting of the function may be called like a batch.
            if type(envelope.fields.get("type")) is not str:
                return _post(envelope)
    return Post(reader.read(body))


def _post(envelope: Envelope) -> Post:
    context = envelope.fields.get("context")
    events = envelope.body
    if type(context) is dict and context:
        events = Body(True, tuple(_with_context(element, context) for element in events.elements))
    return Post(events, _text(envelope.fields.get("writeKey")), timestamps.parse(envelope.fields.get("sentAt")))


def late_by(sent_at: datetime | None, received_at: datetime) -> timedelta | None:
    """How far the sender's clock is behind ours, the way included: timestamp = receivedAt - (sentAt - timestamp)."""
    return None if sent_at is None else received_at - sent_at


def under(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with what only `base` has; objects in both are joined the same way."""
    merged = {**base, **own}
    for name, value in own.items():
        below = base.get(name)
        if type(value) is dict and type(below) is dict:
            merged[name] = under(below, value)
    return merged


def _with_context(element: Element, context: dict[str, Any]) -> Element:
    event = element.value
    if type(event) is not dict:
        return element
    own = event.get("context")
    return replace(element, value={**event, "context": under(context, own) if type(own) is dict and own else context})


def _text(value: Any) -> str | None:
    return value if type(value) is str else None
