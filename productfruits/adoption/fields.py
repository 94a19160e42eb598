"""The kinds of values that documents are made of, as marshmallow fields: each says in words what it refuses."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from productfruits.adoption import links, markdown

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: Language, script, region of BCP 47: en, pt-BR, zh-Hant, zh-Hant-TW, es-419.
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
NAME_MAX, TITLE_MAX, LABEL_MAX, BODY_MAX, ADDRESS_MAX = 200, 300, 100, 10_000, 2_000
LANGUAGES_MAX = 50

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_COLOR = re.compile(r"#[0-9a-f]{6}")


class Part(Schema):
    """A part of a document: refuses what it does not know, and keeps its fields in their order."""

    class Meta:
        unknown = RAISE


class Choice(Part):
    """A part whose first field decides which of the others it takes.

    `belongs`: choice -> the fields that it needs (True) or may have (False).
    """

    decides: str
    belongs: Mapping[str, Mapping[str, bool]]

    @post_load
    def check(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        choice = data[self.decides]
        takes = self.belongs.get(choice, {})
        errors = {
            name: [f"`{self.decides}: {choice}` does not take this."]
            for name in data
            if name != self.decides and name not in takes
        }
        errors |= {
            name: [f"`{self.decides}: {choice}` needs this."]
            for name, needed in takes.items()
            if needed and name not in data
        }
        if errors:
            raise ValidationError(errors)
        return data


class Line(fields.String):
    """One line of plain text, without space around it."""

    default_error_messages = {"line": "This is one line of text, without control characters."}  # noqa: RUF012

    def __init__(self, description: str, maximum: int, *, minimum: int = 1, **more: Any) -> None:
        super().__init__(validate=validate.Length(minimum, maximum), metadata={"description": description}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if _CONTROL.search(text) or "\n" in text:
            raise self.make_error("line")
        return text


class Markdown(fields.String):
    """Text in Markdown; HTML in it is shown as it is written."""

    default_error_messages = {"control": "Control characters cannot stand in text."}  # noqa: RUF012

    def __init__(self, description: str, **more: Any) -> None:
        super().__init__(
            validate=validate.Length(0, BODY_MAX), metadata={"description": f"{description} Markdown."}, **more
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).replace("\r\n", "\n").strip("\n").rstrip()
        if _CONTROL.search(text):
            raise self.make_error("control")
        if len(text) <= BODY_MAX and (wrong := list(dict.fromkeys(markdown.problems(text)))):
            raise ValidationError(wrong)
        return text


class Id(fields.String):
    """A short name for programs, which stays the same over all versions."""

    default_error_messages = {  # noqa: RUF012
        "id": "This has 1 to 64 of a-z, 0-9, - and _, and begins with a letter or digit, like first-project."
    }

    def __init__(self, description: str, **more: Any) -> None:
        super().__init__(metadata={"description": description, "pattern": f"^{ID.pattern}$"}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if ID.fullmatch(text) is None:
            raise self.make_error("id")
        return text


class Address(fields.String):
    """Where a link leads, or where a picture lies."""

    def __init__(self, description: str, *, picture: bool = False, **more: Any) -> None:
        super().__init__(validate=validate.Length(1, ADDRESS_MAX), metadata={"description": description}, **more)
        self.picture = picture

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if (said := links.problem(text, picture=self.picture)) is not None:
            raise ValidationError(said)
        return text


class Language(fields.String):
    """A language like en, pt-BR or zh-Hant; any case comes in, one spelling is kept."""

    default_error_messages = {"language": "This is no language. Write it like en, pt-BR or zh-Hant."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        tag = spelled(super()._deserialize(value, attr, data, **kwargs))
        if LANGUAGE.fullmatch(tag) is None:
            raise self.make_error("language")
        return tag


def spelled(tag: str) -> str:
    """A language tag in the usual spelling: PT_br -> pt-BR."""
    first, *rest = tag.strip().replace("_", "-").split("-")
    return "-".join([first.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


class LocalTime(fields.String):
    """A date and time by the clock of the workspace's time zone."""

    default_error_messages = {  # noqa: RUF012
        "time": "This is no date and time. Write it like 2026-03-01T09:00.",
        "zone": "Leave the zone out: the workspace's time zone holds. Write it like 2026-03-01T09:00.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        try:
            instant = dt.datetime.fromisoformat(text)
        except ValueError:
            raise self.make_error("time") from None
        if instant.tzinfo is not None:
            raise self.make_error("zone")
        if len(text) <= len("2026-03-01") or instant.year < 1970:
            raise self.make_error("time")
        return instant.isoformat(timespec="seconds" if instant.second else "minutes")


class Color(fields.String):
    """A colour as #rrggbb."""

    default_error_messages = {"color": "A colour is written like #4f46e5."}  # noqa: RUF012

    def __init__(self, description: str, **more: Any) -> None:
        super().__init__(metadata={"description": description, "pattern": "^#([0-9a-fA-F]{3}){1,2}$"}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip().lower()
        if re.fullmatch(r"#[0-9a-f]{3}", text):
            text = "#" + "".join(digit * 2 for digit in text[1:])
        if _COLOR.fullmatch(text) is None:
            raise self.make_error("color")
        return text


class Whole(fields.Integer):
    """A whole number; texts and fractions are none."""

    def __init__(self, description: str, least: int, most: int, **more: Any) -> None:
        super().__init__(
            strict=True, validate=validate.Range(least, most), metadata={"description": description}, **more
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, (bool, str)):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Switch(fields.Boolean):
    """true or false, and nothing that only looks like it."""

    def __init__(self, description: str, **more: Any) -> None:
        super().__init__(metadata={"description": description}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Translations(fields.Dict):
    """Language -> the texts of the document in this language."""

    def __init__(self, texts: type[Schema]) -> None:
        super().__init__(
            keys=Language(),
            values=fields.Nested(texts),
            validate=validate.Length(max=LANGUAGES_MAX),
            load_default=dict,
            metadata={
                "description": "Language -> the same parts by their ids, with their texts. What is left out is shown "
                "in the next language that fits: for en-GB in en, else in the document's own."
            },
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            loaded: dict[str, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as err:
            if not isinstance(err.messages, dict):
                raise
            # marshmallow tells keys from values in the path; an author sees one place.
            raise ValidationError(
                {language: said.get("key") or said["value"] for language, said in err.messages.items()}
            ) from err
        if len(loaded) != len(value):
            raise ValidationError("A language is given twice, in two spellings.")
        return dict(sorted(loaded.items()))


def one_of(choices: Sequence[str], description: str, *, implied: str | None = None, **more: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(choices), metadata=_told(description, implied), **more)


def several(part: type[Schema], least: int, most: int, description: str, **more: Any) -> fields.List[Any]:
    return fields.List(fields.Nested(part), validate=validate.Length(least, most), metadata=_told(description), **more)


def one(
    part: type[Schema], description: str, *, implied: Mapping[str, Any] | None = None, **more: Any
) -> fields.Nested:
    return fields.Nested(part, metadata=_told(description, implied), **more)


def _told(description: str, implied: object = None) -> dict[str, Any]:
    """`implied`: what holds where the field is left out, in a part that takes it only sometimes."""
    return {"description": description} if implied is None else {"description": description, "default": implied}


def repeated(parts: Sequence[Mapping[str, Any]], what: str) -> dict[int, dict[str, list[str]]]:
    """Errors at every id that an earlier part of the list has already."""
    seen: set[str] = set()
    errors: dict[int, dict[str, list[str]]] = {}
    for index, part in enumerate(parts):
        if part["id"] in seen:
            errors[index] = {"id": [f"Another {what} before this one has the same id."]}
        seen.add(part["id"])
    return errors
