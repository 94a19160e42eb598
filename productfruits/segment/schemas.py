"""The shape of every Segment message, in marshmallow: documentation, the words of a refusal, and the last answer.

The hot path of `messages` checks by hand (a schema costs more than reading, storing and answering together) and comes
here with what it would refuse. A property test holds both to one result.
Sources: Segment's Spec (identify, track, page, screen, group, alias), and its user deletion pages for `delete`.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from productfruits.segment import timestamps

# An id lands in unique indexes, and an event name in every list; nobody's real ones come near these lengths.
ID_BYTES = 512
NAME_BYTES = 512

TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")

WORDS = {
    "no_type": "The event has no `type` that is text, so it is not clear what it says. "
    f"Send one of {', '.join(TYPES)}.",
    "id_too_long": f"An id may have at most {ID_BYTES} bytes.",
    "name_too_long": f"A name may have at most {NAME_BYTES} bytes.",
    "name_not_text": "The name of an event must be text or a number.",
}
_CODES = {sentence: code for code, sentence in WORDS.items()}
_TOO_LONG_TO_COUNT = 10**ID_BYTES


def text_of(value: Any) -> str | None:
    """A string as it is, a number as its JSON text (cut where it is too long anyway), None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int) and abs(value) >= _TOO_LONG_TO_COUNT:
        return "9" * (ID_BYTES + 1)
    return str(value)


class Kind(fields.Raw):
    """The type of a message, in lower case."""

    default_error_messages = dict.fromkeys(["required", "null", "no_type"], WORDS["no_type"])

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("no_type")
        return value.lower()


class Identifier(fields.Raw):
    """An id in the JSON type it came in: who is meant by it is decided in one place, and not here."""

    default_error_messages = {"id_too_long": WORDS["id_too_long"]}  # noqa: RUF012 - marshmallow's way of declaring them

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = text_of(value)
        if text is not None and len(text.strip().encode()) > ID_BYTES:
            raise self.make_error("id_too_long")
        return value


class MessageId(Identifier):
    """The id that makes retries countable: text; anything but text and numbers, or blank, is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = text_of(super()._deserialize(value, attr, data, **kwargs))
        return text if text is not None and text.strip() else None


class Name(fields.Raw):
    """What was done, seen or opened: text, or a number as its text."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's way of declaring them
        "name_too_long": WORDS["name_too_long"],
        "name_not_text": WORDS["name_not_text"],
    }

    def __init__(self, *, lenient: bool, **kwargs: Any) -> None:
        super().__init__(allow_none=True, load_default=None, **kwargs)
        self.lenient = lenient

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = text_of(value)
        if text is None and not self.lenient:
            raise self.make_error("name_not_text")
        if text is not None and len(text.encode()) > NAME_BYTES:
            raise self.make_error("name_too_long")
        return text


class Table(fields.Raw):
    """A JSON object. Null, the empty array PHP writes for an empty object, and any other value are an empty one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=False, load_default=dict, **kwargs)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        return value if type(value) is dict else {}


class Instant(fields.Raw):
    """A point in time, as tolerantly as `timestamps.parse` reads it; none where it can not."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return timestamps.parse(value)


def _identifier(key: str, description: str) -> Identifier:
    return Identifier(data_key=key, allow_none=True, load_default=None, metadata={"description": description})


class MessageSchema(Schema):
    """What all messages have in common. Unknown top-level keys are dropped: functions merge their settings in there."""

    class Meta:
        unknown = EXCLUDE

    type = Kind(required=True, metadata={"description": "Which message this is, in any casing."})
    message_id = MessageId(
        data_key="messageId",
        allow_none=True,
        load_default=None,
        metadata={"description": "Counts once in a workspace, however often the message arrives."},
    )
    user_id = _identifier("userId", "The user's id in the customer's own database.")
    anonymous_id = _identifier("anonymousId", "The id of a visitor nobody knows yet.")
    timestamp = Instant(
        allow_none=True,
        load_default=None,
        metadata={"description": "When it happened, corrected by Segment. The time of arrival where it is missing."},
    )
    context = Table(metadata={"description": "Where it happened. Of `context.traits` only the e-mail is used."})


class IdentifySchema(MessageSchema):
    """Tells who a user is."""

    traits = Table(metadata={"description": "What is known about the user. Null clears, absence keeps."})


class TrackSchema(MessageSchema):
    """Tells what a user did."""

    name = Name(lenient=False, data_key="event", metadata={"description": "What the user did."})
    properties = Table(metadata={"description": "Details of the event."})


class PageSchema(MessageSchema):
    """Tells which page a user saw."""

    name = Name(lenient=True, metadata={"description": "Name of the page."})
    category = Name(lenient=True, metadata={"description": "Category of the page."})
    properties = Table(metadata={"description": "Details of the page: url, path, referrer, search, title."})


class ScreenSchema(MessageSchema):
    """Tells which screen of an app a user saw."""

    name = Name(lenient=True, metadata={"description": "Name of the screen."})
    category = Name(lenient=True, metadata={"description": "Category of the screen."})
    properties = Table(metadata={"description": "Details of the screen."})


class GroupSchema(MessageSchema):
    """Puts a user into a group, and tells about the group."""

    group_id = _identifier("groupId", "The group's id in the customer's own database.")
    traits = Table(metadata={"description": "What is known about the group; its e-mail is never the user's."})


class AliasSchema(MessageSchema):
    """Says that two ids are one user."""

    previous_id = _identifier("previousId", "The id that goes over into `userId`.")


class DeleteSchema(MessageSchema):
    """Asks to erase a user."""


BY_TYPE: Mapping[str, MessageSchema] = {
    "identify": IdentifySchema(),
    "track": TrackSchema(),
    "page": PageSchema(),
    "screen": ScreenSchema(),
    "group": GroupSchema(),
    "alias": AliasSchema(),
    "delete": DeleteSchema(),
}


def refusal(err: ValidationError) -> tuple[str, str]:
    """Code and words of the first thing that is wrong; the words name the key and never repeat its value."""
    key, sentences = next(iter(err.messages_dict.items()))
    sentence = str(sentences[0])
    return _CODES[sentence], f"{key}: {sentence}"
