"""From JSON values to the seven messages of Segment's Spec.

What a sender can not help sending (nulls, empty arrays for objects, any casing of the type, missing times) is taken as
it is meant. A bad element of an array is refused by itself; its neighbours are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from marshmallow import ValidationError

from productfruits.errors import ProductFruitsError
from productfruits.segment import reader, schemas, timestamps
from productfruits.segment.reader import Body, Element
from productfruits.segment.signature import Signed

MESSAGE_TYPES = schemas.TYPES

_WITH_TRAITS = ("identify", "group")
_WITH_PROPERTIES = ("track", "page", "screen")
_NAMED = ("track", "page", "screen")
_CATEGORISED = ("page", "screen")
_KINDS = {kind: kind for kind in MESSAGE_TYPES}
# So many characters are never more bytes than an id or a name may have.
_SURELY_SHORT = schemas.ID_BYTES // 4
_SURELY_SMALL = 10**18
# Only these refuse a whole request: a single event that says nothing certain.
_MALFORMED = ("no_type", "duplicate_key")

WORDS = {
    "not_an_object": "This element of the array is no JSON object, so it is no event.",
    "no_type": schemas.WORDS["no_type"],
    "delete_not_first": "A delete is taken only from the first event of an array, because Segment's signature does not "
    "cover the others. Switch batching off for deletes, or send them alone.",
    "delete_not_allowed": "A delete came with the write key, which everybody can read in your pages, so nobody was "
    "deleted. Send it from your server with the auth token, or use the API.",
}


class MalformedMessage(ProductFruitsError):
    """The body is one event that says nothing certain."""

    status = 400

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message. Ids are as they came (JSON values); `signed` tells whether Segment's signature covers it."""

    type: str
    message_id: str | None
    user_id: Any
    anonymous_id: Any
    previous_id: Any
    group_id: Any
    name: str | None
    category: str | None
    traits: dict[str, Any]
    properties: dict[str, Any]
    context: dict[str, Any]
    timestamp: datetime | None
    signed: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the element at `index` was not taken. Holds nothing of what the element said."""

    index: int
    code: str
    detail: str


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """What a request says. `ignored` counts types that exist elsewhere but mean nothing here."""

    messages: tuple[Message, ...]
    refused: tuple[Refusal, ...]
    ignored: int


# What a type of message has no key for.
_NOTHING: dict[str, Any] = {"previous_id": None, "group_id": None, "name": None, "category": None}


class _Refused(Exception):
    """Carries the reason against one element out of the checks."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def parse(
    body: Body,
    *,
    signed: Signed | None,
    first_may_delete: bool = True,
    later_may_delete: bool = False,
    late_by: timedelta | None = None,
) -> Parsed:
    """The messages of a body, and what was refused or ignored, each in order.

    Raises MalformedMessage for a single object without a type in text, and for a single delete or alias that gives a
    key twice. `signed` is None for a request that came in by another proof than a signature. A delete is taken from the
    first element if `first_may_delete`, and from later ones only if `later_may_delete`. `late_by` is how far the clock
    that wrote the timestamps is behind ours; it is added to each.
    """
    messages: list[Message] = []
    refused: list[Refusal] = []
    ignored = 0
    is_signed = signed is not None
    later_are_signed = signed is not None and signed.covers == "body"
    refuse_delete = None if first_may_delete else "delete_not_allowed"
    refuse_later_delete = None if later_may_delete else refuse_delete or "delete_not_first"
    for index, element in enumerate(body.elements):
        try:
            message = _message(element, refuse_delete, is_signed, late_by)
        except _Refused as reason:
            if not body.is_array and reason.code in _MALFORMED:
                raise MalformedMessage(reason.code, reason.detail) from None
            refused.append(Refusal(index, reason.code, reason.detail))
        else:
            if message is None:
                ignored += 1
            else:
                messages.append(message)
        is_signed = later_are_signed
        refuse_delete = refuse_later_delete
    return Parsed(tuple(messages), tuple(refused), ignored)


def _message(element: Element, refuse_delete: str | None, is_signed: bool, late_by: timedelta | None) -> Message | None:
    """The message of one element, or None for a type unknown here."""
    if element.problem is not None:
        raise _Refused(element.problem, reader.WORDS[element.problem])
    sent = element.value
    if type(sent) is not dict:
        raise _Refused("not_an_object", WORDS["not_an_object"])
    sent_type = sent.get("type")
    if type(sent_type) is not str:
        raise _Refused("no_type", WORDS["no_type"])
    kind = _KINDS.get(sent_type) or _KINDS.get(sent_type.lower())
    if kind is None:
        return None
    if kind == "delete" and refuse_delete is not None:
        raise _Refused(refuse_delete, WORDS[refuse_delete])

    message_id = sent.get("messageId")
    user_id = sent.get("userId")
    anonymous_id = sent.get("anonymousId")
    previous_id = sent.get("previousId") if kind == "alias" else None
    group_id = sent.get("groupId") if kind == "group" else None
    name = sent.get("event" if kind == "track" else "name") if kind in _NAMED else None
    category = sent.get("category") if kind in _CATEGORISED else None
    if not (
        _is_plain_text(message_id)
        and _is_plain_id(user_id)
        and _is_plain_id(anonymous_id)
        and _is_plain_id(previous_id)
        and _is_plain_id(group_id)
        and _is_plain_text(name)
        and _is_plain_text(category)
    ):
        return _by_schema(kind, sent, is_signed, late_by)
    traits = sent.get("traits") if kind in _WITH_TRAITS else None
    properties = sent.get("properties") if kind in _WITH_PROPERTIES else None
    context = sent.get("context")
    return Message(
        kind,
        message_id,
        user_id,
        anonymous_id,
        previous_id,
        group_id,
        name,
        category,
        traits if type(traits) is dict else {},
        properties if type(properties) is dict else {},
        context if type(context) is dict else {},
        timestamps.later(timestamps.parse(sent.get("timestamp")), late_by),
        is_signed,
    )


def _is_plain_id(value: Any) -> bool:
    """Whether an id is surely within its bounds; others are judged by the schema."""
    if value is None or (type(value) is str and len(value) <= _SURELY_SHORT):
        return True
    return type(value) is int and -_SURELY_SMALL < value < _SURELY_SMALL


def _is_plain_text(value: Any) -> bool:
    """Whether a text is missing, or surely neither blank nor too long; others are judged by the schema."""
    return value is None or (
        type(value) is str and len(value) <= _SURELY_SHORT and not (value == "" or value.isspace())
    )


def _by_schema(kind: str, sent: dict[str, Any], is_signed: bool, late_by: timedelta | None) -> Message:
    """What the hand-written checks were not sure of goes once more through the schema, whose answer is the answer."""
    try:
        loaded = schemas.BY_TYPE[kind].load(sent)
    except ValidationError as err:
        code, detail = schemas.refusal(err)
        raise _Refused(code, detail) from err
    timestamp = timestamps.later(loaded["timestamp"], late_by)
    return Message(
        **{"traits": {}, "properties": {}, **_NOTHING, **loaded, "timestamp": timestamp, "signed": is_signed}
    )
