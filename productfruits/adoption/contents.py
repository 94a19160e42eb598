"""What tours and checklists have in common: name, language, start, frequency, schedule, theme."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from productfruits.adoption.fields import (
    NAME_MAX,
    Choice,
    Id,
    Language,
    Line,
    LocalTime,
    Part,
    Whole,
    one,
    one_of,
)
from productfruits.adoption.targeting import RuleField

STARTS = ("auto", "manual")
SHOWS = ("once", "until_completed", "every_days", "always")


class Frequency(Choice):
    """How often it starts by itself for one user. What is unfinished is resumed in any case."""

    decides = "show"
    belongs = {"every_days": {"days": True}}  # noqa: RUF012

    show = one_of(
        SHOWS,
        "once: never again after it ended. until_completed: again on the next visit after a dismissal. "
        "every_days: again so many days after it ended. always: on every visit.",
        required=True,
    )
    days = Whole("Of every_days: after how many days.", 1, 365)


class Schedule(Part):
    """When it may start, by the clock of the workspace's time zone."""

    begins = LocalTime(
        data_key="from", attribute="from", metadata={"description": "Not before, like 2026-03-01T09:00."}
    )
    until = LocalTime(metadata={"description": "Not from then on."})

    @validates_schema
    def begins_before_it_ends(self, data: dict[str, Any], **kwargs: Any) -> None:
        # Both are ISO times without a zone, so they compare as text as far as the seconds go.
        if "from" in data and "until" in data and data["from"] >= data["until"]:
            raise ValidationError({"until": ["It would end before it begins."]})


class Content(Part):
    """What tours and checklists have in common."""

    kind = fields.String()
    key = Id("Short name in rules, buttons, files and the browser's API; never changes.", required=True)
    name = Line("For the people who write it; users do not see it.", NAME_MAX, required=True)
    language = Language(load_default="en", metadata={"description": "Of the texts in the document, like en or pt-BR."})
    priority = Whole("Of several that may start the higher one does.", 0, 100, load_default=50)
    start = one_of(STARTS, "auto: by itself. manual: by a button, a link or the page's own code.", load_default="auto")
    targeting = RuleField("Who sees it: a rule; null for everybody.", allow_none=True, load_default=None)
    frequency = one(Frequency, "How often.", load_default=lambda: {"show": "once"})
    schedule = one(Schedule, "When.", load_default=dict)
    theme = Id("Key of a theme; null for the workspace's default.", allow_none=True, load_default=None)


def always(only: str) -> fields.String:
    return fields.String(
        validate=validate.Equal(only, error=f"Here it is a {only}."),
        load_default=only,
        metadata={"description": f"{only}; may be left out.", "enum": [only]},
    )


def check_translations(data: dict[str, Any], lists: tuple[str, ...]) -> dict[str, Any]:
    """Errors of translations that speak of the document's own language, or of parts that the document does not have.

    `lists`: the names of lists whose parts have ids; lists inside them are checked alike.
    """
    errors: dict[str, Any] = {}
    for language, texts in data["translations"].items():
        if language == data["language"]:
            errors[language] = ["This is the language of the document itself."]
        elif said := _unknown_parts(data, texts, lists):
            errors[language] = said
    return errors


def _unknown_parts(parts: dict[str, Any], texts: dict[str, Any], lists: tuple[str, ...]) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    for name in lists:
        known = {part["id"]: part for part in parts.get(name, ())}
        seen: set[str] = set()
        for index, text in enumerate(texts.get(name, ())):
            if text["id"] not in known:
                said: dict[str, Any] = {"id": [f"The document has nothing with this id in its `{name}`."]}
            elif text["id"] in seen:
                said = {"id": ["It is translated above already."]}
            else:
                said = _unknown_parts(known[text["id"]], text, lists)
            if said:
                errors.setdefault(name, {})[index] = said
            seen.add(text["id"])
    return errors
