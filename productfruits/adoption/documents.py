"""Documents as their authors write them: checked and completed, put in order, and without what goes without saying.

One shape everywhere: in the API, in the files of the command line, in forms, in the versions of the store.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from productfruits.adoption.audiences import AudienceDocument
from productfruits.adoption.checklists import Checklist
from productfruits.adoption.fields import Translations
from productfruits.adoption.themes import Theme
from productfruits.adoption.tours import Tour
from productfruits.errors import ProductFruitsError

Document = dict[str, Any]
#: Where something stands in a document: ("steps", 0, "title").
Path = tuple[str | int, ...]

SCHEMAS: Mapping[str, type[Schema]] = {
    "tour": Tour,
    "checklist": Checklist,
    "theme": Theme,
    "audience": AudienceDocument,
}
#: The kinds that users see, with drafts and versions.
CONTENT = ("tour", "checklist")
#: In what order the keys of a rule stand; the rest follows by name.
_RULE_ORDER = ("kind", "group_id", "name", "key", "op", "value", "state", "at_least", "at_most", "in_days")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document, and where."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{spelled(self.path)}: {self.message}" if self.path else self.message


class InvalidDocument(ProductFruitsError):
    """The document cannot be used."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("The document cannot be used. " + " ".join(str(problem) for problem in self.problems))


def load(kind: str, said: object) -> Document:
    """The document, checked and complete; `InvalidDocument` with every problem of it otherwise."""
    try:
        # marshmallow answers anything that is no mapping in words.
        loaded: Document = SCHEMAS[kind]().load(said)  # type: ignore[arg-type]
    except ValidationError as err:
        raise InvalidDocument(problems(err.messages, SCHEMAS[kind]())) from err
    return ordered(kind, loaded)


def problems(messages: Any, schema: Schema | None = None) -> list[Problem]:
    """marshmallow's tree of messages as a list, in the order of the document."""
    return list(_problems(messages, (), schema))


def by_place(found: Iterable[Problem]) -> dict[str, list[str]]:
    """The reasons of problems by their place as people write it."""
    reasons: dict[str, list[str]] = {}
    for problem in found:
        reasons.setdefault(spelled(problem.path), []).append(problem.message)
    return reasons


def spelled(path: Path) -> str:
    """A path as people write it: steps[0].title"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def same(one: Document, other: Document) -> bool:
    """True when both say the same; true and 1 are not the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def ordered(kind: str, document: Document) -> Document:
    """The document with its keys in the order of the schema, whatever order a store has given them."""
    return _ordered(SCHEMAS[kind](), document, compact=False)


def compact(kind: str, document: Document) -> Document:
    """The document in order and without what `load` adds by itself: short to read, and the same once it is loaded."""
    return _ordered(SCHEMAS[kind](), document, compact=True)


def _problems(messages: Any, path: Path, within: Schema | Translations | None) -> Iterable[Problem]:
    if isinstance(messages, Mapping):
        for name, said in messages.items():
            if name == "_schema":
                yield from _problems(said, path, within)
                continue
            if isinstance(within, Schema) and said == [within.error_messages["unknown"]]:
                said = [_unknown(str(name), within)]
            yield from _problems(said, (*path, name), _inside(within, name))
    elif isinstance(messages, list):
        for said in messages:
            yield from _problems(said, path, within)
    else:
        yield Problem(path, str(messages))


def _unknown(name: str, schema: Schema) -> str:
    near = difflib.get_close_matches(name, [_said(field) for field in schema.fields.values()], 1)
    return f"There is no such field here; did you mean `{near[0]}`?" if near else "There is no such field here."


def _inside(within: Schema | Translations | None, name: object) -> Schema | Translations | None:
    """What `name` of a part holds; of a list its parts, of translations the texts."""
    if isinstance(within, Translations):
        return _part(within.value_field)
    if within is None or isinstance(name, int):
        return within
    field = next((field for field in within.fields.values() if _said(field) == name), None)
    return field if isinstance(field, Translations) else _part(field)


def _part(field: fields.Field[Any] | None) -> Schema | None:
    """The schema of what is inside a field, if it holds parts."""
    if isinstance(field, fields.List):
        field = field.inner
    return field.schema if isinstance(field, fields.Nested) else None


def _said(field: fields.Field[Any]) -> str:
    return field.data_key if field.data_key is not None else str(field.name)


def _ordered(schema: Schema, document: Document, *, compact: bool) -> Document:
    result: Document = {}
    for field in schema.fields.values():
        name = _said(field)
        if name not in document:
            continue
        value = _value(field, document[name], compact=compact)
        if compact and not field.required and same(document[name], _default(field)):
            continue
        result[name] = value
    return result


def _value(field: fields.Field[Any], value: Any, *, compact: bool) -> Any:
    part = _part(field)
    if value is None:
        return None
    if isinstance(field, Translations) and isinstance(field.value_field, fields.Nested):
        texts = field.value_field.schema
        return {language: _ordered(texts, value[language], compact=compact) for language in sorted(value)}
    if part is not None and isinstance(value, list):
        return [_ordered(part, inner, compact=compact) for inner in value]
    if part is not None:
        return _ordered(part, value, compact=compact)
    return _rule(value) if isinstance(field, fields.Dict) else value


def _default(field: fields.Field[Any]) -> Any:
    if field.load_default is missing:
        # An object that no document holds, where nothing is implied.
        return field.metadata.get("default", {"": None})
    return field.load_default() if callable(field.load_default) else field.load_default


def _rule(value: Any) -> Any:
    if isinstance(value, list):
        return [_rule(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    known = [name for name in _RULE_ORDER if name in value]
    return {name: _rule(value[name]) for name in (*known, *sorted(set(value) - set(known)))}
