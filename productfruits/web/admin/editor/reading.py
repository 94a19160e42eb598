"""From a submitted form back to a document, and what the buttons of the form do to it: add, remove, move."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields
from werkzeug.datastructures import MultiDict

from productfruits.web.admin.editor import rules
from productfruits.web.admin.editor.controls import FIXED, field_name, implied, kind_of, part_schema, takers_of

#: Kinds of controls that have a value also when nobody has touched them.
ALWAYS_SAY_SOMETHING = ("choice", "switch", "number")
Document = dict[str, Any]


def read_document(schema: Schema, sent: "MultiDict[str, str]") -> Document:
    """What the form says, not checked. An empty control says nothing, nor does one that the chosen kind has not."""
    # A switch comes as "0", and once more as "1" when it is on: the last value of a name counts.
    form = {name: values[-1] for name, values in sent.lists()}
    return {name: value for name, value in _part(schema, form, "").items() if name not in FIXED}


def act(document: Document, action: str) -> None:
    """Do what a button says: "add steps", "remove steps.1", "up steps.1", "down steps.1". Unknown places do nothing."""
    verb, _, place = action.partition(" ")
    *way, last = place.split(".")
    owner = _at(document, way)
    match verb:
        case "add" if isinstance(owner, dict) and last:
            parts = owner.setdefault(last, [])
            if isinstance(parts, list):
                parts.append({"id": _fresh_id(last, parts)})
        case "translate" if last:
            document.setdefault("translations", {}).setdefault(last, {})
        case "remove" if isinstance(owner, dict):
            owner.pop(last, None)
        case "remove" | "up" | "down" if isinstance(owner, list) and last.isdecimal() and int(last) < len(owner):
            part = owner.pop(int(last))
            to = {"up": int(last) - 1, "down": int(last) + 1}.get(verb)
            if to is not None:
                owner.insert(max(to, 0), part)


def act_on_form(sent: "MultiDict[str, str]", action: str) -> None:
    """Do to the form what a button of a rule says: "condition targeting.0", "group targeting", "drop targeting.1"."""
    verb, _, name = action.partition(" ")
    if verb in ("condition", "group"):
        number = max(rules.numbers(sent, name), default=-1) + 1
        sent.setdefault(f"{name}.match", "all")
        if verb == "condition":
            sent[f"{name}.{number}.kind"] = "trait"
        else:
            sent[f"{name}.{number}.match"] = "any"
            sent[f"{name}.{number}.0.kind"] = "trait"
    elif verb == "drop":
        for key in [key for key in sent if key.startswith(f"{name}.")]:
            del sent[key]


def _part(schema: Schema, form: Mapping[str, str], prefix: str) -> Document:
    said: Document = {}
    for field in schema.fields.values():
        name = field_name(field)
        takers = takers_of(schema, name)
        if takers is not None and form.get(f"{prefix}{takers[0]}") not in takers[1]:
            continue
        value = _value(field, form, f"{prefix}{name}")
        if value is not None:
            said[name] = value
    return said


def _value(field: fields.Field[Any], form: Mapping[str, str], name: str) -> Any:
    kind = kind_of(field)
    match kind:
        case "part":
            schema = part_schema(field)
            said = _part(schema, form, f"{name}.")
            speaks = any(kind_of(inner) in ALWAYS_SAY_SOMETHING for inner in schema.fields.values())
            return said if said and (speaks or _is_filled(said)) else None
        case "list":
            schema = part_schema(field)
            return [_part(schema, form, f"{name}.{number}.") for number in rules.numbers(form, name)]
        case "translations":
            return _translations(part_schema(field), form, name)
        case "rule":
            return rules.read_rule(form, name)
    text = form.get(name)
    if text is None:
        return None
    if kind == "switch":
        return text == "1"
    text = text.strip() if kind != "text" else text
    if kind == "number":
        # What is no number goes on as it is, so that the refusal speaks of what was typed.
        return int(text) if text.removeprefix("-").isdecimal() else text or None
    if text == "" and implied(field) == "" and not field.required:
        return ""
    return text or ("" if field.required else None)


def _translations(schema: Schema, form: Mapping[str, str], name: str) -> Document:
    prefix = f"{name}."
    languages = dict.fromkeys(key[len(prefix) :].partition(".")[0] for key in form if key.startswith(prefix))
    return {language: _without_empty(_part(schema, form, f"{prefix}{language}.")) for language in languages if language}


def _without_empty(texts: Document) -> Document:
    """A translation without the parts of which nothing but the id was filled in."""
    kept: Document = {}
    for name, value in texts.items():
        if isinstance(value, list):
            parts = [part for part in map(_without_empty, value) if set(part) - {"id"}]
            if parts:
                kept[name] = parts
        elif isinstance(value, dict):
            if inner := _without_empty(value):
                kept[name] = inner
        elif value not in ("", None):
            kept[name] = value
    return kept


def _is_filled(said: Any) -> bool:
    if isinstance(said, dict):
        return any(map(_is_filled, said.values()))
    return said not in ("", None, [])


def _at(document: Any, way: list[str]) -> Any:
    for name in way:
        if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, dict) and name in document:
            document = document[name]
        else:
            return None
    return document


def _fresh_id(name: str, parts: list[Any]) -> str:
    taken = {part.get("id") for part in parts if isinstance(part, dict)}
    stem, number = name.removesuffix("s"), len(parts) + 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
