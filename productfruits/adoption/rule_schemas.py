"""The shape of each kind of condition, in marshmallow: the check, the words of a refusal, and the documentation."""

import re
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from productfruits.adoption.comparisons import day_or_instant

#: Integers up to here are the same number in JSON, JavaScript, SQLite and Postgres.
MAX_NUMBER: Final = 2**53 - 1
TEXT_MAX: Final = 500
NAME_MAX: Final = 200
URL_MAX: Final = 2_000
LIST_MAX: Final = 100
DAYS_MAX: Final = 3_650
COUNT_MAX: Final = 1_000
KEY: Final = r"^[a-z0-9][a-z0-9_-]{0,63}\Z"
LANGUAGE: Final = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}\Z"

ANY_VALUE = ("is", "is_not")
PART = ("contains", "not_contains", "starts_with", "ends_with")
NUMBER = ("greater", "less", "at_least", "at_most")
TIME = ("before", "after")
DAYS = ("in_last_days", "more_than_days_ago")
NO_VALUE = ("exists", "missing")
OPS: Final = (*ANY_VALUE, *PART, *NUMBER, *TIME, *DAYS, *NO_VALUE, "one_of")

#: Which operators make sense for each computed field.
COMPUTED: Final = {
    "email": (*ANY_VALUE, *PART, *NO_VALUE, "one_of"),
    "username": (*ANY_VALUE, *PART, *NO_VALUE, "one_of"),
    "first_seen": (*TIME, *DAYS),
    "last_seen": (*TIME, *DAYS),
    "visits": ("is", "is_not", *NUMBER),
}
STATES: Final = ("not_started", "in_progress", "completed", "dismissed", "snoozed")

# What a database cannot keep, and what would need escapes inside a JSON path.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_AWKWARD = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')


class Value(fields.Raw):
    """What is compared to; which type it must have depends on the operator."""


def _said(value: str | None) -> dict[str, Any]:
    return {"metadata": {"description": value}}


def _stored_text(value: str) -> None:
    if _UNSTORABLE.search(value):
        raise ValidationError("This text holds characters that cannot be stored.")


def _trait_name(value: str) -> None:
    if _AWKWARD.search(value):
        raise ValidationError("A name in a rule has no quotation marks, backslashes and control characters.")


def _whole(lowest: int, highest: int, description: str, **more: Any) -> fields.Integer:
    return fields.Integer(
        strict=True, validate=validate.Range(lowest, highest), metadata={"description": description}, **more
    )


def _key(description: str) -> fields.String:
    bad = "A key has small letters, digits, - and _, 64 at most."
    return fields.String(required=True, validate=validate.Regexp(KEY, error=bad), **_said(description))


class Condition(Schema):
    """One condition."""

    class Meta:
        unknown = RAISE

    kind = fields.String(required=True, **_said("What it is about."))


class Comparison(Condition):
    """A condition that compares a value with an operator."""

    op = fields.String(
        required=True,
        validate=validate.OneOf(OPS, error="There is no such operator. Use one of: {choices}."),
        **_said("How to compare."),
    )
    value = Value(allow_none=True, **_said("What to compare to; none for exists and missing, a list for one_of."))

    @validates_schema(skip_on_field_errors=True)
    def value_fits_operator(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_value(data.get("op"), data)


class TraitCondition(Comparison):
    """A trait of the user."""

    name = fields.String(
        required=True,
        validate=[validate.Length(1, NAME_MAX), _trait_name],
        **_said("Name of the trait; firstName, lastName, createdAt, phone, … in any of their spellings."),
    )


class ComputedCondition(Comparison):
    """What the store knows of every user."""

    name = fields.String(
        required=True,
        validate=validate.OneOf(list(COMPUTED), error="There is no such field. Use one of: {choices}."),
        **_said("Which field."),
    )

    @validates_schema(skip_on_field_errors=True)
    def operator_fits_field(self, data: dict[str, Any], **kwargs: Any) -> None:
        fitting = COMPUTED[data["name"]]
        if data["op"] not in fitting:
            raise ValidationError(f"{data['name']} is compared with one of: {', '.join(fitting)}.", "op")
        wanted = int | float if data["name"] == "visits" else str
        if data["op"] in (*ANY_VALUE, "one_of"):
            values = data["value"] if data["op"] == "one_of" else [data["value"]]
            if any(isinstance(value, bool) or not isinstance(value, wanted) for value in values):
                raise ValidationError(f"{data['name']} is {'a number' if wanted is not str else 'text'}.", "value")


class GroupCondition(Condition):
    """A group that the user is in."""

    group_id = fields.String(
        validate=[validate.Length(1, TEXT_MAX), _stored_text], **_said("Which group; any where this is left out.")
    )
    name = fields.String(validate=[validate.Length(1, NAME_MAX), _trait_name], **_said("Name of a trait of the group."))
    op = fields.String(
        validate=validate.OneOf(OPS, error="There is no such operator. Use one of: {choices}."),
        **_said("How to compare the trait."),
    )
    value = Value(allow_none=True, **_said("What to compare the trait to."))

    @validates_schema(skip_on_field_errors=True)
    def trait_is_complete(self, data: dict[str, Any], **kwargs: Any) -> None:
        if ("name" in data) != ("op" in data):
            raise ValidationError("A trait of the group needs both a name and an operator.", "op")
        check_value(data.get("op"), data)


class EventCondition(Condition):
    """How often the user did something."""

    name = fields.String(required=True, validate=[validate.Length(1, TEXT_MAX), _stored_text], **_said("Track event."))
    at_least = _whole(0, COUNT_MAX, "So often or more; once where neither this nor at_most is given.")
    at_most = _whole(0, COUNT_MAX, "So often or less; 0 is never.")
    in_days = _whole(1, DAYS_MAX, "Only what happened in the last days.")

    @validates_schema(skip_on_field_errors=True)
    def range_is_possible(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("at_most", COUNT_MAX) < data.get("at_least", 0):
            raise ValidationError("at_most is less than at_least: no number is both.", "at_most")


class ContentCondition(Condition):
    """How far the user is in another tour or checklist."""

    key = _key("Key of the tour or checklist.")
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES, error="There is no such state. Use one of: {choices}."),
        **_said("The state."),
    )


class AudienceCondition(Condition):
    """A saved audience."""

    key = _key("Key of the audience.")


class UrlCondition(Condition):
    """The address of the page."""

    op = fields.String(
        required=True,
        validate=validate.OneOf(["is", "contains", "glob"], error="Use one of: {choices}."),
        **_said("How to compare."),
    )
    value = fields.String(
        required=True,
        validate=[validate.Length(1, URL_MAX), _stored_text],
        **_said("A whole address, or from the first / of the path on; in a glob * is any run of characters."),
    )

    @validates_schema(skip_on_field_errors=True)
    def address_has_a_beginning(self, data: dict[str, Any], **kwargs: Any) -> None:
        value = data["value"]
        begins = value.startswith("/") or "://" in value or (data["op"] == "glob" and value.startswith("*"))
        if data["op"] != "contains" and not begins:
            raise ValidationError('An address begins with "/" or with its scheme, like "https://".', "value")


class ElementCondition(Condition):
    """An element in the page."""

    selector = fields.String(
        required=True, validate=[validate.Length(1, TEXT_MAX), _stored_text], **_said("CSS selector.")
    )
    present = fields.Boolean(load_default=True, truthy={True}, falsy={False}, **_said("False: it must not be there."))


class LanguageCondition(Condition):
    """The language in which the page asks for content."""

    value = fields.String(
        required=True,
        validate=validate.Regexp(LANGUAGE, error='A language is written like "en" or "pt-BR".'),
        **_said("en covers en-US; en-US does not cover en."),
    )


class DeviceWidthCondition(Condition):
    """The width of the window in CSS pixels."""

    op = fields.String(
        required=True,
        validate=validate.OneOf(["at_least", "at_most"], error="Use one of: {choices}."),
        **_said("How to compare."),
    )
    value = _whole(1, 100_000, "CSS pixels.", required=True)


LEAVES: Final[dict[str, type[Condition]]] = {
    "trait": TraitCondition,
    "computed": ComputedCondition,
    "group": GroupCondition,
    "event": EventCondition,
    "content": ContentCondition,
    "audience": AudienceCondition,
    "url": UrlCondition,
    "element": ElementCondition,
    "language": LanguageCondition,
    "device_width": DeviceWidthCondition,
}


def check_value(op: str | None, data: dict[str, Any]) -> None:
    """Refuse a value that the operator cannot compare to."""
    value = data.get("value")
    if op is None or op in NO_VALUE:
        if value is not None:
            raise ValidationError("There is nothing to compare this value to: leave it out.", "value")
        data.pop("value", None)
    elif op in TIME:
        if not isinstance(value, str) or day_or_instant(value) is None:
            wanted = 'a date like "2026-05-01" or a time like "2026-05-01T08:30:00Z", from 1900 to 2999'
            raise ValidationError(f"{op} needs {wanted}.", "value")
    elif op in DAYS:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= DAYS_MAX:
            raise ValidationError(f"{op} needs a number of days from 1 to {DAYS_MAX}.", "value")
    elif op in NUMBER:
        if not is_number(value):
            raise ValidationError(f"{op} needs a number.", "value")
        _check_scalar(value)
    elif op == "one_of":
        if not isinstance(value, list) or not 1 <= len(value) <= LIST_MAX:
            raise ValidationError(f"one_of needs a list of 1 to {LIST_MAX} values.", "value")
        for each in value:
            _check_scalar(each)
    else:
        _check_scalar(value)
        if op in PART and (value == "" or (op.endswith("_with") and not isinstance(value, str))):
            raise ValidationError(f"{op} needs a text that is not empty.", "value")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if len(value) > TEXT_MAX:
            raise ValidationError(f"A text in a rule has at most {TEXT_MAX} characters.", "value")
        if _UNSTORABLE.search(value):
            raise ValidationError("This text holds characters that cannot be stored.", "value")
    elif is_number(value):
        if not abs(value) <= MAX_NUMBER:
            raise ValidationError(f"A number in a rule is at most {MAX_NUMBER}, with either sign.", "value")
    elif not isinstance(value, bool):
        raise ValidationError("The value must be text, a number, true or false.", "value")
