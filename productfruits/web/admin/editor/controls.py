"""From a schema and a document to the controls of a form: what there is to fill in, with its words and its errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import Schema, fields, validate

from productfruits.adoption import fields as kinds
from productfruits.adoption.documents import Path, Problem
from productfruits.adoption.targeting import RuleField
from productfruits.web.admin.editor import labels, rules
from productfruits.web.admin.editor.rules import RuleControl


@dataclass(frozen=True, slots=True)
class Control:
    """Something to fill in, or a group of such things. `name` is its place in the document: steps.0.title"""

    kind: str
    name: str
    label: str
    hint: str
    value: Any = None
    errors: tuple[str, ...] = ()
    required: bool = False
    #: The text in the document's own language, beside which a translation is written.
    original: str = ""
    #: Of a choice: value and words.
    choices: tuple[tuple[str, str], ...] = ()
    #: Of a part its controls, of a list its parts.
    inside: "tuple[Control, ...]" = ()
    #: Of a part of a list: what stands on it while it is closed.
    title: str = ""
    #: Shown only while the control of this name has one of these values.
    when: tuple[str, tuple[str, ...]] | None = None
    rule: RuleControl | None = None

    @property
    def one(self) -> str:
        """Of a list: what one part of it is called."""
        return self.name.rpartition(".")[2].removesuffix("s")

    @property
    def offers(self) -> str | None:
        """The list of known values for this field, if there is one."""
        return labels.OFFERS.get(self.name.rpartition(".")[2])

    def has_errors(self) -> bool:
        """True if something in here is wrong."""
        return bool(self.errors) or any(one.has_errors() for one in self.inside) or bool(self.rule and self.rule.errors)


#: Fields that decide about others of the same part, besides those of `Choice`: field -> (decides, values).
ONLY_WITH: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "target": ("kind", ("tooltip",)),
    "placement": ("kind", ("tooltip",)),
    "wait": ("kind", ("tooltip",)),
}
#: Never in the form: they are part of the address.
FIXED: Final = ("kind", "key")


def of_document(schema: Schema, document: Mapping[str, Any], problems: Sequence[Problem]) -> dict[str, Control]:
    """The controls of a whole document, by field."""
    errors: dict[Path, list[str]] = {}
    for problem in problems:
        errors.setdefault(problem.path, []).append(problem.message)
    form = _Form(document, errors)
    return {
        field_name(field): form.control(
            field, document.get(field_name(field), implied(field)), (field_name(field),), {}
        )
        for field in schema.fields.values()
        if field_name(field) not in FIXED
    }


class _Form:
    """One form: the whole document, and every error by its place."""

    def __init__(self, document: Mapping[str, Any], errors: Mapping[Path, Sequence[str]]) -> None:
        self._document = document
        self._errors = errors

    def control(self, field: fields.Field[Any], value: Any, path: Path, original: Mapping[str, Any]) -> Control:
        """The control of one field. `original`: of a translated part, the same part in the document's own language."""
        kind = kind_of(field)
        plain = Control(
            kind=kind,
            name=form_name(path),
            label=labels.label(str(path[-1])),
            hint=labels.HINTS.get(str(path[-1]), hint(field)),
            value=value,
            errors=tuple(self._errors.get(path, ())),
            required=field.required,
            original=str(original.get(str(path[-1])) or ""),
            choices=tuple((choice, labels.choice(str(path[-1]), choice)) for choice in choices(field)),
        )
        match kind:
            case "part":
                said = value if isinstance(value, Mapping) else {}
                inside = original.get(str(path[-1]))
                return _with(plain, inside=self.part(part_schema(field), said, path, _mapping(inside)))
            case "list":
                return _with(plain, inside=self._parts(field, value, path, original.get(str(path[-1]))))
            case "translations":
                return _with(plain, inside=self._languages(field, value, path))
            case "rule":
                here = {place[len(path) :]: said for place, said in self._errors.items() if place[: len(path)] == path}
                return _with(plain, rule=rules.of_rule(value, plain.name, here))
            case _:
                return plain

    def part(
        self, schema: Schema, said: Mapping[str, Any], path: Path, original: Mapping[str, Any]
    ) -> tuple[Control, ...]:
        """The controls of a part, each with what it depends on."""
        controls = []
        for field in schema.fields.values():
            name = field_name(field)
            control = self.control(field, said.get(name, implied(field)), (*path, name), original)
            controls.append(_with(control, when=_condition(schema, name, path)))
        return tuple(controls)

    def _parts(self, field: fields.Field[Any], value: Any, path: Path, originals: Any) -> tuple[Control, ...]:
        known = {part["id"]: part for part in originals} if isinstance(originals, list) else {}
        parts = []
        for index, said in enumerate(value if isinstance(value, list) else ()):
            part = _mapping(said)
            original = known.get(part.get("id"), {})
            shown = part.get("title") or part.get("label") or original.get("title") or original.get("label")
            parts.append(
                Control(
                    kind="part",
                    name=form_name((*path, index)),
                    label=f"{labels.label(str(path[-1])).removesuffix('s')} {index + 1}",
                    hint="",
                    value=part.get("id"),
                    errors=tuple(self._errors.get((*path, index), ())),
                    inside=self.part(part_schema(field), part, (*path, index), original),
                    title=str(shown or part.get("id") or ""),
                )
            )
        return tuple(parts)

    def _languages(self, field: fields.Field[Any], value: Any, path: Path) -> tuple[Control, ...]:
        assert isinstance(field, kinds.Translations)
        schema = part_schema(field)
        return tuple(
            Control(
                kind="part",
                name=form_name((*path, language)),
                label=language,
                hint="",
                value=language,
                errors=tuple(self._errors.get((*path, language), ())),
                inside=self.part(schema, align(schema, self._document, texts), (*path, language), self._document),
                title=language,
            )
            for language, texts in (value.items() if isinstance(value, Mapping) else ())
        )


def align(schema: Schema, document: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a translation with an entry for every part of the document, in the document's order."""
    aligned = dict(texts)
    for field in schema.fields.values():
        name = field_name(field)
        if kind_of(field) == "list":
            said = {text.get("id"): text for text in texts.get(name, ())}
            aligned[name] = [
                align(part_schema(field), part, said.get(part["id"], {"id": part["id"]}))
                for part in document.get(name, ())
                if "id" in part
            ]
    return aligned


def _condition(schema: Schema, name: str, path: Path) -> tuple[str, tuple[str, ...]] | None:
    takers = takers_of(schema, name)
    return None if takers is None else (form_name((*path, takers[0])), takers[1])


def takers_of(schema: Schema, name: str) -> tuple[str, tuple[str, ...]] | None:
    """Which field of the part decides whether it takes this one, and with which values; None if it always does."""
    if isinstance(schema, kinds.Choice) and name != schema.decides:
        return schema.decides, tuple(choice for choice, takes in schema.belongs.items() if name in takes)
    if name in ONLY_WITH and ONLY_WITH[name][0] in schema.fields:
        return ONLY_WITH[name]
    return None


def _with(control: Control, **changes: Any) -> Control:
    return Control(**{name: getattr(control, name) for name in Control.__slots__} | changes)


def kind_of(field: fields.Field[Any]) -> str:
    """Which control a field needs."""
    for kind, classes in _KINDS:
        if isinstance(field, classes):
            return kind
    return "choice" if choices(field) else "line"


def field_name(field: fields.Field[Any]) -> str:
    """The field's name in documents."""
    return field.data_key if field.data_key is not None else str(field.name)


def form_name(path: Path) -> str:
    return ".".join(str(part) for part in path)


def hint(field: fields.Field[Any]) -> str:
    """What the schema says about the field."""
    return str(field.metadata.get("description", ""))


def implied(field: fields.Field[Any]) -> Any:
    """What holds where the document leaves the field out, or None."""
    default = field.load_default if field.required is False else None
    default = default() if callable(default) else default
    return field.metadata.get("default") if not isinstance(default, (str, int, bool, list, dict)) else default


def part_schema(field: fields.Field[Any]) -> Schema:
    """The schema of the part, or of the parts of the list, that the field holds."""
    inner: fields.Field[Any] | None = field
    if isinstance(field, fields.List):
        inner = field.inner
    elif isinstance(field, fields.Dict):
        inner = field.value_field
    assert isinstance(inner, fields.Nested)
    schema = inner.schema
    assert isinstance(schema, Schema)
    return schema


def choices(field: fields.Field[Any]) -> tuple[str, ...]:
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            return tuple(validator.choices)
    return ()


_KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("rule", RuleField),
    ("translations", kinds.Translations),
    ("list", fields.List),
    ("part", fields.Nested),
    ("text", kinds.Markdown),
    ("switch", fields.Boolean),
    ("number", fields.Integer),
    ("time", kinds.LocalTime),
    ("color", kinds.Color),
    ("id", kinds.Id),
)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
