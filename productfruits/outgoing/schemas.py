"""The public shape of a destination: what the API, the pages and files say of one, checked in words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from productfruits.outgoing import bodies, filters, template
from productfruits.outgoing.http import BadRequest, check_header
from productfruits.outgoing.template import MAX_TEMPLATE, BadTemplate
from productfruits.outgoing.urls import read_target

METHODS = ("POST", "PUT", "PATCH")
#: Those that a destination in Jitsu's form may have.
JITSU_METHODS = ("GET", *METHODS, "DELETE")
#: What only some forms of a body have, under its name here.
PARTS = {
    "fields": {"fields_"},
    "template": {"template"},
    "text": {"template"},
    "jitsu": {"text", "filter"},
}
SEGMENT_URL = "https://api.segment.io/v1"
NAME_MAX = 100
KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
#: Addresses of pages and of the API that are no destination.
RESERVED_KEYS = ("new", "import")
MAX_FIELDS = 100
MAX_HEADERS = 20
MAX_LISTED = 200


class Strict(Schema):
    class Meta:
        unknown = RAISE


def _url(value: str) -> None:
    try:
        read_target(value)
    except BadRequest as err:
        raise ValidationError(str(err)) from err


def _template(value: str) -> None:
    try:
        template.check(value)
    except BadTemplate as err:
        raise ValidationError(str(err)) from err


def _headers(value: Mapping[str, str | None]) -> None:
    if len(value) > MAX_HEADERS:
        raise ValidationError(f"At most {MAX_HEADERS} headers.")
    for name, text in value.items():
        if name.lower().startswith(("webhook-", "x-productfruits-")):
            raise ValidationError(f"The header {name} is written by this server itself.")
        try:
            check_header(name, text or "")
        except BadRequest as err:
            raise ValidationError(str(err)) from err


def _text(description: str, limit: int, **more: Any) -> fields.String:
    return fields.String(
        validate=more.pop("validate", validate.Length(max=limit)), metadata={"description": description}, **more
    )


class FilterShape(Strict):
    """Which events and changes of users are sent."""

    events = fields.String(
        load_default="all",
        validate=validate.OneOf(filters.WHICH),
        metadata={"description": "all: everything stored; adoption: what tours and checklists report; none."},
    )
    types = fields.List(
        fields.String(validate=validate.OneOf(filters.TYPES)),
        load_default=list,
        metadata={"description": "Only these types of messages; an empty list means all."},
    )
    names = fields.List(
        fields.String(validate=validate.Length(1, 512)),
        load_default=list,
        validate=validate.Length(max=MAX_LISTED),
        metadata={"description": "Only events, pages and screens with these names; an empty list means all."},
    )
    changes = fields.List(
        fields.String(validate=validate.OneOf(filters.CHANGES)),
        load_default=list,
        metadata={"description": "Changes of users that are sent as well."},
    )
    audiences = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        load_default=list,
        validate=validate.Length(max=MAX_LISTED),
        metadata={
            "description": "Only of users who are in one of these audiences when it is sent; an empty list means all. "
            "user.deleted is sent in any case."
        },
    )


class FieldShape(Strict):
    """One field of the body: a path into the event, or a constant."""

    name = _text(
        "The field's name in the body.",
        200,
        required=True,
        validate=validate.Length(1, 200, error="A field needs a name of at most 200 characters."),
    )
    path = _text(
        "Where the value is found, like event.properties.price.",
        500,
        data_key="from",
        validate=validate.Regexp(r"[^\s.]+(\.[^\s.]+)*$", error="Say where the value is, like event.properties.price."),
    )
    value = fields.Raw(allow_none=True, metadata={"description": "A constant instead."})

    @validates_schema
    def one_source(self, data: dict[str, Any], **_: Any) -> None:
        if ("path" in data) == ("value" in data):
            raise ValidationError("Give either `from` or `value`.")


class BodyShape(Strict):
    """What is sent."""

    form = fields.String(
        required=True,
        validate=validate.OneOf(("event", "fields", "template", "text", "segment", "jitsu")),
        metadata={
            "description": "event: all of it; fields: those you choose; template: JSON by Liquid; text: a message; "
            "segment and jitsu: what those kinds send."
        },
    )
    fields_ = fields.List(
        fields.Nested(FieldShape),
        data_key="fields",
        validate=validate.Length(1, MAX_FIELDS, error=f"Name 1 to {MAX_FIELDS} fields."),
        metadata={"description": "For the form fields."},
    )
    template = _text("For the forms template and text: Liquid.", MAX_TEMPLATE, validate=_template)

    text = fields.Raw(allow_none=True, metadata={"description": "For jitsu: JSON, or JavaScript that makes it."})
    filter = _text(
        "For jitsu: its table_name_template; what is empty, null or false leaves the event out.",
        MAX_TEMPLATE,
        allow_none=True,
    )

    @validates_schema
    def what_the_form_needs(self, data: dict[str, Any], **_: Any) -> None:
        parts = PARTS.get(data["form"], set())
        if data["form"] != "jitsu":
            for needed in parts:
                if not data.get(needed):
                    raise ValidationError({needed.rstrip("_"): [f"The form {data['form']} needs it."]})
        if extra := (data.keys() & {name for names in PARTS.values() for name in names}) - parts:
            raise ValidationError({name.rstrip("_"): [f"The form {data['form']} does not use it."] for name in extra})


class DestinationShape(Strict):
    """Somewhere that events are sent to."""

    key = fields.String(
        validate=[
            validate.Length(1, 64),
            validate.Regexp(KEY, error="Lower-case letters, digits and single dashes."),
            validate.NoneOf(
                RESERVED_KEYS, error="This word stands for something else in addresses: choose another key."
            ),
        ],
        metadata={"description": "Names the destination in this workspace; made from the name if left out."},
    )
    name = _text("For people.", NAME_MAX, required=True, validate=validate.Length(1, NAME_MAX))
    kind = fields.String(
        load_default="generic",
        validate=validate.OneOf(bodies.KINDS),
        metadata={"description": "generic, or a ready-made one."},
    )
    enabled = fields.Boolean(metadata={"description": "Send. Segment is off, others on, where this is left out."})
    url = _text("Where to. Segment has one of its own; Jitsu's may be JavaScript.", MAX_TEMPLATE)
    method = fields.String(
        load_default="POST",
        validate=validate.OneOf(JITSU_METHODS),
        metadata={"description": "POST, PUT or PATCH; in Jitsu's form GET and DELETE as well."},
    )
    headers = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        load_default=dict,
        validate=_headers,
        metadata={"description": "Further headers. Values are never shown again: null keeps the one there is."},
    )
    write_key = _text("Segment's write key; never shown again. null keeps the one there is.", 200, allow_none=True)
    filter = fields.Nested(FilterShape, load_default=lambda: FilterShape().load({}))
    body = fields.Nested(BodyShape)

    @post_load
    def complete(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Fill in what follows from the kind, and refuse what contradicts it."""
        kind = data["kind"]
        errors: dict[str, list[str]] = {}
        if kind == "segment":
            data.setdefault("url", SEGMENT_URL)
            data["url"] = data["url"].rstrip("/")
            if "write_key" not in data:
                errors["write_key"] = ["Segment needs the write key of a source."]
            if data["filter"]["changes"]:
                errors["filter"] = ["Segment takes events; changes of users are no calls of Segment."]
        else:
            if not data.get("url"):
                errors["url"] = ["Missing: where to send to."]
            if data.get("write_key") is not None:
                errors["write_key"] = ["Only Segment has a write key."]
        if kind != "jitsu" and "url" not in errors:
            with_words(errors, "url", _url, data["url"])
            if data["method"] not in METHODS:
                errors["method"] = [f"One of {', '.join(METHODS)}."]
        data.setdefault("enabled", kind != "segment")
        usual = bodies.FORMS[kind][0]
        body = data.setdefault(
            "body", {"form": usual, "template": bodies.DEFAULT_TEXT} if usual == "text" else {"form": usual}
        )
        if body["form"] not in bodies.FORMS[kind]:
            errors["body"] = [f"{kind} takes one of these forms: {', '.join(bodies.FORMS[kind])}."]
        if data["filter"]["events"] == "none" and not data["filter"]["changes"]:
            errors.setdefault("filter", []).append("This lets nothing through: choose events or changes of users.")
        if errors:
            raise ValidationError(errors)
        return data


def with_words(errors: dict[str, list[str]], name: str, check: Callable[[str], None], value: str) -> None:
    """Add what the check has to say of the value, under this name."""
    try:
        check(value)
    except ValidationError as err:
        errors[name] = [str(message) for message in err.messages]


def stored_body(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """The body as it is kept and shown, from the body as it was loaded."""
    kept: dict[str, Any] = {"form": loaded["form"]}
    if loaded["form"] == "jitsu":
        return {**kept, "text": loaded.get("text"), "filter": loaded.get("filter")}
    if "template" in loaded:
        kept["template"] = loaded["template"]
    if "fields_" in loaded:
        kept["fields"] = [
            {"name": each["name"], "from": each["path"]}
            if "path" in each
            else {"name": each["name"], "value": each["value"]}
            for each in loaded["fields_"]
        ]
    return kept
