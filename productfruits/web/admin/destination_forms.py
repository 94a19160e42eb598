"""The form of a destination: lines of text for people on one side, the public shape on the other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import marshmallow
from flask import request

from productfruits.outgoing import bodies
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services.documents import Document

#: How a constant of a field begins: everything else is a path.
CONSTANTS = ('"', "[", "{", "-", "true", "false", "null", *"0123456789")


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the form, as it was typed, and what is wrong with it, by field."""

    kind: str
    name: str = ""
    url: str = ""
    method: str = "POST"
    headers: str = ""
    events: str = "all"
    types: Sequence[str] = ()
    names: str = ""
    changes: Sequence[str] = ()
    audiences: Sequence[str] = ()
    form: str = "event"
    fields: str = ""
    template: str = ""
    #: Of Jitsu's form: body and filter.
    text: str = ""
    table: str = ""
    #: The write key is known, so that an empty field keeps it.
    has_write_key: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


def empty(kind: str) -> Filled:
    """The form of a new destination of this kind."""
    form = bodies.FORMS[kind][0]
    return Filled(kind, form=form, template=bodies.DEFAULT_TEXT if form == "text" else "")


def of(definition: Document) -> Filled:
    """The form of a destination that is there."""
    shown, body = definition["filter"], definition["body"]
    return Filled(
        kind=definition["kind"],
        name=definition["name"],
        url=definition["url"],
        method=definition["method"],
        headers="\n".join(f"{name}:" for name in definition["headers"]),
        events=shown["events"],
        types=shown["types"],
        names="\n".join(shown["names"]),
        changes=shown["changes"],
        audiences=shown.get("audiences", ()),
        form=body["form"],
        fields="\n".join(_line(each) for each in body.get("fields", ())),
        template=body.get("template", ""),
        text=_text(body.get("text")),
        table=body.get("filter") or "",
        has_write_key=definition["kind"] == "segment",
    )


def sent(kind: str, enabled: bool, has_write_key: bool) -> tuple[Filled, Mapping[str, Any] | None]:
    """The form of this request, and what it says as the schema loads it; None where something is wrong."""
    form = request.form

    def typed(name: str, usual: str = "") -> str:
        return form.get(name, usual).replace("\r\n", "\n")

    filled = Filled(
        kind=kind,
        name=typed("name"),
        url=typed("url"),
        method=typed("method", "POST"),
        headers=typed("headers"),
        events=typed("events", "all"),
        types=form.getlist("types"),
        names=typed("names"),
        changes=form.getlist("changes"),
        audiences=form.getlist("audiences"),
        form=typed("form", bodies.FORMS[kind][0]),
        fields=typed("fields"),
        template=typed("template"),
        text=typed("text"),
        table=typed("table"),
        has_write_key=has_write_key,
    )
    shape: dict[str, Any] = {
        "name": filled.name.strip(),
        "kind": kind,
        "enabled": enabled,
        "method": filled.method,
        "headers": dict(_header(line) for line in _lines(filled.headers)),
        "filter": {
            "events": filled.events,
            "types": list(filled.types),
            "names": _lines(filled.names),
            "changes": list(filled.changes),
            "audiences": list(filled.audiences),
        },
        "body": {"form": filled.form},
    }
    if filled.url.strip():
        shape["url"] = filled.url.strip()
    if kind == "segment":
        shape["write_key"] = form.get("write_key", "").strip() or (None if has_write_key else "")
    if filled.form in ("template", "text"):
        shape["body"]["template"] = filled.template
    if filled.form == "fields":
        shape["body"]["fields"] = [_field(line) for line in _lines(filled.fields)]
    if kind == "jitsu":
        shape["body"] = {"form": "jitsu", "text": filled.text or None, "filter": filled.table.strip() or None}
    try:
        if shape.get("write_key") == "":
            raise marshmallow.ValidationError({"write_key": ["Segment needs the write key of a source."]})
        loaded: Mapping[str, Any] = DestinationShape().load(shape)
    except marshmallow.ValidationError as err:
        return with_errors(filled, err.messages_dict), None
    return filled, loaded


def with_errors(filled: Filled, errors: Mapping[str, Any]) -> Filled:
    """The same form with these errors, by field."""
    values = {name: getattr(filled, name) for name in Filled.__slots__}
    return Filled(**{**values, "errors": {name: _sentence(error) for name, error in errors.items()}})


def _sentence(error: Any) -> str:
    """The first thing that is wrong, however deep it stands."""
    while isinstance(error, Mapping):
        where, error = next(iter(error.items()))
        if isinstance(where, int):
            return f"Line {where + 1}: {_sentence(error)}"
    return str(error[0])


def _text(stored: Any) -> str:
    """A body of Jitsu's form, which may be JSON itself."""
    if stored is None or isinstance(stored, str):
        return stored or ""
    return json.dumps(stored, ensure_ascii=False, indent=2)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _header(line: str) -> tuple[str, str | None]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip() or None


def _field(line: str) -> dict[str, Any]:
    name, _, said = (part.strip() for part in line.partition("="))
    if said.startswith(CONSTANTS):
        try:
            return {"name": name, "value": json.loads(said)}
        except ValueError:
            pass  # the schema says that there is no such path
    return {"name": name, "from": said}


def _line(stored: Mapping[str, Any]) -> str:
    return (
        f"{stored['name']} = {stored['from'] if 'from' in stored else json.dumps(stored['value'], ensure_ascii=False)}"
    )
