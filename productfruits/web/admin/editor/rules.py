"""Targeting as a form: groups of conditions that must all, any or none be met. Any rule can be written in it.

A group's `match` says how its conditions count; "none" is `not` of `any`. In the form the first condition of the rule
is targeting.0, the second one inside a group there targeting.0.1.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import Schema, fields, validate

from productfruits.adoption import rule_schemas
from productfruits.adoption.documents import Path

#: Fields of documents that hold a rule, and what makes a node of a rule a group.
_RULES: Final = ("targeting", "rule")
_WORDS: Final = frozenset({"all", "any", "not"})
#: How the conditions of a group count, and the words for it.
MATCHES: Final[Mapping[str, str]] = {"all": "all of these", "any": "at least one of these", "none": "none of these"}
#: Kinds of conditions in words, in the order in which they are offered.
KINDS: Final[Mapping[str, str]] = {
    "trait": "Trait of the user",
    "computed": "E-mail, visits, first or last seen",
    "group": "Group of the user",
    "event": "Event, so often",
    "content": "Other tour or checklist",
    "audience": "Audience",
    "url": "Address of the page",
    "element": "Element in the page",
    "language": "Language",
    "device_width": "Width of the window",
}
#: Those that can only be answered in the browser: no audience asks for them.
OF_PAGES: Final = ("url", "element", "language", "device_width")
OPS: Final[Mapping[str, str]] = {
    "is": "is",
    "is_not": "is not",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "greater": "is greater than",
    "less": "is less than",
    "at_least": "is at least",
    "at_most": "is at most",
    "before": "is before",
    "after": "is after",
    "in_last_days": "is in the last … days",
    "more_than_days_ago": "is more than … days ago",
    "exists": "is there",
    "missing": "is not there",
    "one_of": "is one of",
    "glob": "fits the pattern",
}
#: In which order the inputs of a condition stand.
ORDER: Final = (
    "kind",
    "group_id",
    "name",
    "key",
    "selector",
    "op",
    "value",
    "state",
    "at_least",
    "at_most",
    "in_days",
    "present",
)
#: Labels where the name of the field says too little.
_LABELS: Final[Mapping[str, str]] = {
    "op": "Comparison",
    "in_days": "In the last days",
    "present": "Is in the page",
    "group_id": "Group id",
}
#: Texts of this form are no numbers and no switches in a value.
_HINTS: Final[Mapping[str, str]] = {
    "value": "Numbers, true and false are taken as such; put text that looks like one into quotation marks. "
    'A list: ["pro", "team"].'
}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a condition."""

    kind: str
    name: str
    label: str
    hint: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleControl:
    """A group (`match` is set) with what is in it, or a condition (`kind` is set) with its inputs."""

    name: str
    match: str | None = None
    nodes: "tuple[RuleControl, ...]" = ()
    kind: str | None = None
    inputs: tuple[Input, ...] = ()
    errors: tuple[str, ...] = ()


def of_rule(rule: Any, name: str, errors: Mapping[Path, Sequence[str]]) -> RuleControl:
    """The controls of a rule; of None a group with nothing in it."""
    if rule is None:
        return RuleControl(name, "all", errors=tuple(errors.get((), ())))
    control = _of_node(rule, (), name, errors)
    if control.match is not None:
        return control
    return RuleControl(name, "all", (_of_node(rule, (), f"{name}.0", errors),))


def read_rule(form: Mapping[str, str], name: str) -> Any:
    """The rule that the form says, or None for everybody. A single condition stands without a group."""
    group = _read_group(form, name)
    if group is not None and len(group.get("all", ())) == 1 and "kind" in group["all"][0]:
        return group["all"][0]
    return group


def input_of(document: Mapping[str, Any], path: Path) -> str:
    """The id of the input that a place in the document is written in, for links from a problem to it."""
    if not path or path[0] not in _RULES:
        return ".".join(map(str, path))
    name, rule, rest = str(path[0]), document.get(path[0]), path[1:]
    if isinstance(rule, Mapping) and not _WORDS & set(rule):
        name = f"{name}.0"
    while rest and rest[0] in _WORDS and isinstance(rule, Mapping):
        word, rule = rest[0], rule[rest[0]]
        if word == "not":
            rest = rest[1:]
            if not (isinstance(rule, Mapping) and "any" in rule):
                name = f"{name}.0"
        elif len(rest) > 1 and isinstance(rest[1], int):
            name, rule, rest = f"{name}.{rest[1]}", rule[rest[1]], rest[2:]
        else:
            return f"{name}.match"
    return ".".join(map(str, (name, *rest)))


def _of_node(node: Any, path: Path, name: str, errors: Mapping[Path, Sequence[str]]) -> RuleControl:
    here = tuple(errors.get(path, ()))
    if isinstance(node, Mapping):
        for word in ("all", "any"):
            if isinstance(node.get(word), list):
                inside = tuple(
                    _of_node(each, (*path, word, n), f"{name}.{n}", errors) for n, each in enumerate(node[word])
                )
                return RuleControl(name, word, inside, errors=here + tuple(errors.get((*path, word), ())))
        if "not" in node:
            inner = node["not"]
            if isinstance(inner, Mapping) and isinstance(inner.get("any"), list):
                group = _of_node(inner, (*path, "not"), name, errors)
                return RuleControl(name, "none", group.nodes, errors=here + group.errors)
            return RuleControl(name, "none", (_of_node(inner, (*path, "not"), f"{name}.0", errors),), errors=here)
        kind = node.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            inputs = _inputs(rule_schemas.LEAVES[kind](), node, path, name, errors)
            return RuleControl(name, kind=kind, inputs=inputs, errors=here + tuple(errors.get((*path, "kind"), ())))
    return RuleControl(name, kind="trait", inputs=_inputs(rule_schemas.TraitCondition(), {}, path, name, errors))


def _inputs(
    schema: Schema, said: Mapping[str, Any], path: Path, name: str, errors: Mapping[Path, Sequence[str]]
) -> tuple[Input, ...]:
    return tuple(
        Input(
            kind=_kind(field),
            name=f"{name}.{part}",
            label=_LABELS.get(part, part.replace("_", " ").capitalize()),
            hint=" ".join(filter(None, (field.metadata.get("description", ""), _hint(field)))),
            value=_shown(field, said.get(part)),
            choices=_offered(field),
            errors=tuple(errors.get((*path, part), ())),
        )
        for part, field in sorted(schema.fields.items(), key=lambda each: ORDER.index(each[0]))
        if part != "kind"
    )


def _read_group(form: Mapping[str, str], name: str) -> Any:
    match = form.get(f"{name}.match")
    if match not in MATCHES:
        return None
    nodes = [node for n in numbers(form, name) if (node := _read_node(form, f"{name}.{n}")) is not None]
    if not nodes:
        return None
    if match == "none":
        return {"not": nodes[0] if len(nodes) == 1 else {"any": nodes}}
    return {match: nodes}


def _read_node(form: Mapping[str, str], name: str) -> Any:
    kind = form.get(f"{name}.kind", "")
    if kind not in KINDS:
        return _read_group(form, name)
    said: dict[str, Any] = {"kind": kind}
    for part, field in rule_schemas.LEAVES[kind]().fields.items():
        text = form.get(f"{name}.{part}", "").strip()
        if part == "kind" or (text == "" and not field.required):
            continue
        said[part] = _value(field, text)
    return said


def numbers(form: Mapping[str, str], name: str) -> list[int]:
    """The numbers that stand after a name in the form, in order."""
    prefix = f"{name}."
    found = {key[len(prefix) :].partition(".")[0] for key in form if key.startswith(prefix)}
    return sorted(int(number) for number in found if number.isdecimal() and len(number) < 6)


def _value(field: fields.Field[Any], text: str) -> Any:
    if isinstance(field, rule_schemas.Value):
        return _json_or_text(text)
    if isinstance(field, fields.Boolean):
        return text == "yes"
    if isinstance(field, fields.Integer) and text.removeprefix("-").isdecimal():
        return int(text)
    return text


def _json_or_text(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if value is None or isinstance(value, dict) else value


def _shown(field: fields.Field[Any], value: Any) -> str:
    if isinstance(field, fields.Boolean):
        return "no" if value is False else "yes"
    if value is None:
        return ""
    if isinstance(field, rule_schemas.Value):
        return value if isinstance(value, str) and _json_or_text(value) == value else json.dumps(value)
    return str(value)


def _kind(field: fields.Field[Any]) -> str:
    if isinstance(field, fields.Boolean) or _choices(field):
        return "choice"
    return "number" if isinstance(field, fields.Integer) else "line"


def _choices(field: fields.Field[Any]) -> tuple[str, ...]:
    if isinstance(field, fields.Boolean):
        return ("yes", "no")
    return next((tuple(one.choices) for one in field.validators if isinstance(one, validate.OneOf)), ())


def _offered(field: fields.Field[Any]) -> tuple[tuple[str, str], ...]:
    words = tuple((choice, OPS.get(choice, choice.replace("_", " "))) for choice in _choices(field))
    is_optional = words and not field.required and not isinstance(field, fields.Boolean)
    return (("", "—"), *words) if is_optional else words


def _hint(field: fields.Field[Any]) -> str:
    return _HINTS["value"] if isinstance(field, rule_schemas.Value) else ""
