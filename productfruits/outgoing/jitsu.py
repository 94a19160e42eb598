"""Jitsu's WebHook destination (https://classic.jitsu.com/docs/destinations-configuration/webhook), as people have it in
their files: URL, body and filter are constants or JavaScript over the event.

This module reads the file's entries and says which texts are JavaScript; who runs it is handed in (`Evaluate`), since a
constant needs nobody.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from productfruits.errors import ProductFruitsError
from productfruits.outgoing.bodies import Document
from productfruits.outgoing.http import BadRequest, check_header
from productfruits.outgoing.template import MAX_BODY, MAX_TEMPLATE, as_json

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: What Jitsu calls the table of an event that is to be left out.
NOTHING = (None, False, "")
#: Comments, and texts in quotes or backticks; the `//` of an address is no comment.
_ASIDE = re.compile(
    r"""/\*.*?\*/|(?<!:)//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""", re.DOTALL
)
_RETURN = re.compile(r"(?<![\w$.])return(?![\w$])")
_FUNCTION = re.compile(r"(async\s+)?(function\b|(\([\w$,\s]*\)|[\w$]+)\s*=>)")
_HOLE = re.compile(r"\$\{[^{}]*\}")
_URL = re.compile(r"https?://")
_OVER_THE_EVENT = re.compile(r"(?<![\w$.])(\$|_|event)\s*(\?\.|\.|\[)")


class NeedsFunctions(ProductFruitsError):
    """This destination is written in JavaScript, and functions are off on this server. Its operator can switch them on
    with PRODUCTFRUITS_FUNCTIONS=on."""


class CannotEvaluate(ProductFruitsError):
    """The JavaScript of this destination failed on this event."""


class Evaluate(Protocol):
    """Runs function bodies over an event in its Jitsu 2.0 form, which they know as `$`, `_` and `event`."""

    def __call__(self, key: str, scripts: Mapping[str, str], document: Document) -> Mapping[str, Any]:
        """The value of each, as JSON knows it. `key` names whose they are. Raises `CannotEvaluate`."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is to be sent."""

    url: str
    method: str
    body: bytes | None


class _WebHook(Schema):
    class Meta:
        unknown = RAISE

    url = fields.String(required=True, validate=validate.Length(1, MAX_TEMPLATE))
    method = fields.String(load_default="GET")
    body = fields.Raw(load_default=None, allow_none=True)
    headers = fields.Dict(keys=fields.String(), load_default=dict)


class _Layout(Schema):
    class Meta:
        unknown = EXCLUDE  # the rest of it speaks of tables

    table_name_template = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=MAX_TEMPLATE))


class _Entry(Schema):
    class Meta:
        unknown = RAISE

    type = fields.String(required=True)
    mode = fields.String(load_default="stream")
    # Which API keys' events it takes in Jitsu; here a destination takes those of its workspace.
    only_tokens = fields.Raw()
    webhook = fields.Nested(_WebHook, required=True)
    data_layout = fields.Nested(_Layout, load_default=dict)


def is_entry(said: Any) -> bool:
    """True for an entry of a file that is written as Jitsu's are."""
    return isinstance(said, Mapping) and "type" in said


def load(said: Mapping[str, Any]) -> dict[str, Any]:
    """The entry in our own form, for `schemas.DestinationShape` to load. Raises ValidationError, in words."""
    if said.get("type") != "webhook":
        raise ValidationError({"type": ["Of Jitsu's destinations only `webhook` sends anywhere from here."]})
    if said.get("mode", "stream") != "stream":
        raise ValidationError(
            {"mode": ["Jitsu's webhook destination knows `stream` only: each event is sent by itself, when it comes."]}
        )
    if "config" in said and "webhook" not in said:  # as newer files call it
        said = {("webhook" if name == "config" else name): value for name, value in said.items()}
    entry = _Entry().load(said)
    webhook = entry["webhook"]
    method = webhook["method"].upper()
    if method not in METHODS:
        raise ValidationError({"webhook": {"method": [f"One of {', '.join(METHODS)}."]}})
    return {
        "kind": "jitsu",
        "url": webhook["url"].strip(),
        "method": method,
        "headers": {name: _header(name, value) for name, value in webhook["headers"].items()},
        "body": {
            "form": "jitsu",
            "text": webhook["body"],
            "filter": entry["data_layout"].get("table_name_template"),
        },
    }


def write(
    key: str, url: str, method: str, body: Mapping[str, Any], document: Document, evaluate: Evaluate | None
) -> Written | None:
    """What is to be sent of this event, or None when the filter leaves it out.

    Raises `NeedsFunctions` where there is JavaScript and nobody to run it, and `CannotEvaluate`.
    """
    kept = body.get("filter")
    # First, and by itself: URL and body are written for the events that it lets through, and may fail on others.
    if kept is not None and _values(key, {"filter": kept}, document, evaluate)["filter"] in NOTHING:
        return None
    text = body.get("text")
    if isinstance(text, str) and _is_json(text):
        text = json.loads(text)
    values = _values(key, {"url": url, "body": text}, document, evaluate)
    if not isinstance(values["url"], str) or not values["url"]:
        raise CannotEvaluate("The URL of this destination did not become a text.")
    if method == "GET" and values["body"] is None:
        return Written(values["url"], method, None)
    written = as_json(values["body"]).encode() if values["body"] is not None else b""
    if len(written) > MAX_BODY:
        raise CannotEvaluate("The body of this event would be larger than 256 KiB.")
    return Written(values["url"], method, written)


def script(text: str) -> str | None:
    """The function body that a text stands for, or None for a constant.

    Jitsu takes a function, a body with `return`, an expression over the event (an object with such expressions in it as
    well), an object or a list in JavaScript's notation, or a template: `…${…}…`, with its backticks or without.
    """
    text, bare = text.strip().rstrip(";"), _ASIDE.sub(lambda part: "" if part[0][0] == "/" else part[0], text).strip()
    code = _ASIDE.sub("", text)
    if _FUNCTION.match(bare):
        return f"return (\n{text}\n)($)"
    if _RETURN.search(code) and not _URL.match(bare):
        return text
    # A hole outside of backticks makes a text with braces a template.
    is_literal = bare.startswith(("{", "[")) and not _HOLE.search(code)
    if is_literal or bare.startswith("`") or (_OVER_THE_EVENT.search(_HOLE.sub("", code)) and not _URL.match(bare)):
        return f"return (\n{text}\n)"
    if _HOLE.search(bare):
        # What stands between the holes is text, in which a backtick or a backslash means itself.
        parts = re.split(f"({_HOLE.pattern})", text)
        plain = [part if odd % 2 else re.sub(r"([`\\])", r"\\\1", part) for odd, part in enumerate(parts)]
        return f"return `{''.join(plain)}`"
    return None


@dataclass(frozen=True, slots=True)
class _Open:
    """Where the value of a script goes."""

    name: str


def _values(key: str, wanted: Mapping[str, Any], document: Document, evaluate: Evaluate | None) -> Mapping[str, Any]:
    """The texts and documents with what their scripts return for this event."""
    scripts: dict[str, str] = {}
    values = {name: _prepared(value, name, scripts) for name, value in wanted.items()}
    if not scripts:
        return values
    if evaluate is None:
        raise NeedsFunctions()
    found = evaluate(key, scripts, document)
    return {name: _filled(value, found) for name, value in values.items()}


def _prepared(value: Any, name: str, scripts: dict[str, str]) -> Any:
    """The value with its scripts taken out, one by one: what an event says cannot change what stands around it."""
    if isinstance(value, dict):
        return {key: _prepared(inner, f"{name}.{key}", scripts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_prepared(inner, f"{name}.{at}", scripts) for at, inner in enumerate(value)]
    # Inside of a JSON document only a template is no plain text.
    code = script(value) if isinstance(value, str) and ("." not in name or _HOLE.search(value)) else None
    if code is None:
        return value
    scripts[name] = code
    return _Open(name)


def _filled(value: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, found) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, found) for inner in value]
    return found[value.name] if isinstance(value, _Open) else value


def _header(name: str, value: Any) -> str:
    written = value if isinstance(value, str) else as_json(value)
    try:
        check_header(name, written)
    except BadRequest as err:
        raise ValidationError({"webhook": {"headers": [str(err)]}}) from err
    return written


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
