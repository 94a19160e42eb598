"""What a function is made of, as the API, the pages and files say it: name, kind, code, settings and their values."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from productfruits.errors import ProductFruitsError

KINDS: Final = ("source", "destination")
TYPES: Final = ("text", "boolean", "array", "map")
#: Handler of a destination function -> the type of event it takes.
HANDLERS: Final = {
    "onIdentify": "identify",
    "onTrack": "track",
    "onPage": "page",
    "onScreen": "screen",
    "onGroup": "group",
    "onAlias": "alias",
    "onDelete": "delete",
}
CODE_CHARACTERS: Final = 200_000
MAX_SETTINGS: Final = 50
VALUE_CHARACTERS: Final = 10_000
NAME_MAX: Final = 100
HIDDEN: Final = "•••"
#: Shorter texts would be hidden in places where they are no secret.
SHORTEST_SECRET: Final = 5
KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")

Definition = Mapping[str, Any]
Values = dict[str, Any]


class InvalidValues(ProductFruitsError):
    """The values of the settings do not fit the function."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        told = " ".join(f"{label}: {reason}" for label, reason in errors.items())
        super().__init__(f"Some settings cannot be used. {told}")
        self.errors = dict(errors)


class Strict(Schema):
    class Meta:
        unknown = RAISE


class SettingShape(Strict):
    """A setting that a function asks for."""

    key = fields.String(
        validate=validate.Regexp(KEY, error="A key is a name of JavaScript, like apiKey."),
        metadata={"description": "What the code calls it: settings.KEY. Made from the label where it is left out."},
    )
    label = fields.String(
        required=True, validate=validate.Length(1, NAME_MAX), metadata={"description": "What people call it."}
    )
    type = fields.String(
        load_default="text", validate=validate.OneOf(TYPES), metadata={"description": "Type of the value."}
    )
    description = fields.String(
        load_default="", validate=validate.Length(max=500), metadata={"description": "A sentence below the field."}
    )
    required = fields.Boolean(load_default=False, metadata={"description": "Nothing runs without a value."})
    sensitive = fields.Boolean(
        load_default=False, metadata={"description": "Never shown again, and hidden in logs and errors."}
    )


class FunctionShape(Strict):
    """A function as it is written."""

    name = fields.String(
        required=True, validate=validate.Length(1, NAME_MAX), metadata={"description": "What people call it."}
    )
    kind = fields.String(
        required=True, validate=validate.OneOf(KINDS), metadata={"description": "source or destination."}
    )
    code = fields.String(
        required=True,
        validate=validate.Length(1, CODE_CHARACTERS),
        metadata={"description": "JavaScript with handlers: onRequest, or onTrack and its like."},
    )
    settings = fields.List(
        fields.Nested(SettingShape),
        load_default=list,
        validate=validate.Length(max=MAX_SETTINGS),
        metadata={"description": "The settings that the code asks for."},
    )

    @validates_schema
    def keys_are_different(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        keys = [definition["key"] for definition in with_keys(data.get("settings", ()))]
        if len(set(keys)) < len(keys):
            raise ValidationError("Two settings have the same key.", "settings")


#: What every new function begins with.
API_KEY: Final[Definition] = {
    "key": "apiKey",
    "label": "API Key",
    "type": "text",
    "description": "",
    "required": True,
    "sensitive": True,
}


def key_of(label: str) -> str:
    """What the code calls a setting with this label: "API Key" is apiKey."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", plain)
    if not words:
        return "setting"
    first, *rest = words
    first = first.lower() if first.isupper() else first[0].lower() + first[1:]
    key = first + "".join(word[0].upper() + (word[1:].lower() if word.isupper() else word[1:]) for word in rest)
    return (key if KEY.match(key) else f"_{key}")[:64]


def with_keys(settings: Iterable[Definition]) -> list[dict[str, Any]]:
    """The definitions, each with its key."""
    order = ("key", "label", "type", "description", "required", "sensitive")
    filled = [{**API_KEY, "required": False, "sensitive": False, **setting} for setting in settings]
    for given, setting in zip(settings, filled, strict=True):
        setting["key"] = given.get("key") or key_of(given["label"])
    return [{name: setting[name] for name in order} for setting in filled]


def check_values(settings: Sequence[Definition], given: Mapping[str, Any], former: Values | None = None) -> Values:
    """The values to keep. None for a sensitive one keeps the former value. Raises `InvalidValues`."""
    errors = {key: "There is no such setting." for key in given if key not in {s["key"] for s in settings}}
    values: Values = {}
    for setting in settings:
        key = setting["key"]
        value = given.get(key)
        if value is None and former is not None and (setting["sensitive"] or key not in given):
            value = former.get(key)
        if value is None or value in ("", [], {}):
            if setting["required"]:
                errors[setting["label"]] = "It needs a value."
            continue
        if not _fits(setting["type"], value):
            errors[setting["label"]] = _WANTED[setting["type"]]
        values[key] = value
    if errors:
        raise InvalidValues(errors)
    return values


def missing(settings: Sequence[Definition], values: Values) -> list[str]:
    """Labels of the required settings that have no value of their type."""
    return [s["label"] for s in settings if s["required"] and not _fits(s["type"], values.get(s["key"]))]


def shown(settings: Sequence[Definition], values: Values) -> Values:
    """The values without the sensitive ones, which are None where they have one."""
    return {s["key"]: None if s["sensitive"] else values[s["key"]] for s in settings if s["key"] in values}


def secrets(settings: Sequence[Definition], values: Values) -> tuple[str, ...]:
    """The texts of the sensitive values, longest first."""
    found: set[str] = set()
    for setting in settings:
        if setting["sensitive"]:
            value = values.get(setting["key"])
            texts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
            found.update(text for text in texts if isinstance(text, str) and len(text) >= SHORTEST_SECRET)
    return tuple(sorted(found, key=len, reverse=True))


def redact(text: str, hidden: Sequence[str]) -> str:
    """The text without the secrets in it."""
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list) and all(_is_text(item) for item in value) and len(value) <= 1_000
        case "map":
            return (
                isinstance(value, dict)
                and all(_is_text(name) and _is_text(item) for name, item in value.items())
                and len(value) <= 1_000
            )
        case _:
            return _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= VALUE_CHARACTERS


_WANTED: Final = {
    "text": "It must be text of at most 10,000 characters.",
    "boolean": "It must be true or false.",
    "array": "It must be a list of texts.",
    "map": "It must be an object whose values are texts.",
}
