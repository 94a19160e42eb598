"""The document of a tour: steps that are shown one after the other, with what leads from one to the next."""

import copy
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from productfruits.adoption.contents import Content, always, check_translations
from productfruits.adoption.fields import (
    LABEL_MAX,
    NAME_MAX,
    TITLE_MAX,
    Address,
    Choice,
    Id,
    Line,
    Markdown,
    Part,
    Switch,
    Translations,
    Whole,
    one,
    one_of,
    repeated,
    several,
)

STEP_KINDS = ("tooltip", "modal")
PLACEMENTS = (
    "auto",
    *(side + end for side in ("top", "bottom", "left", "right") for end in ("", "-start", "-end")),
)
STYLES = ("primary", "secondary", "link")
ACTIONS = ("next", "back", "finish", "dismiss", "snooze", "open_url", "start_tour", "complete_item")


class Picture(Part):
    """A picture above the text."""

    url = Address("Where it lies: https://, http:// or /.", picture=True, required=True)
    alt = Line("What it shows, for those who do not see it.", TITLE_MAX, required=True)


class DataAttribute(Part):
    """A data attribute: {name: tour, value: invite} is data-tour="invite"."""

    name = Id("The name without data-.", required=True)
    value = Line("Its value.", TITLE_MAX, required=True)


class Target(Part):
    """The element that a tooltip points at. Of several ways the first that finds an element counts, in this order."""

    selector = Line("A CSS selector.", 1_000)
    data = one(DataAttribute, "A data attribute; the way that survives a redesign.")
    text = Line("The visible text of a button or link.", TITLE_MAX)

    @validates_schema
    def points_somewhere(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Say how the element is found: by `selector`, `data` or `text`.")


class Advance(Choice):
    """What leads to the next step besides the buttons."""

    decides = "on"
    belongs = {"event": {"event": True}}  # noqa: RUF012

    on = one_of(
        ("button", "click", "event"),
        "button: nothing else. click: a click on the element itself. event: an event of the user.",
        required=True,
    )
    event = Line("Of event: its name.", NAME_MAX)


class Wait(Part):
    """How long the element may take to appear, and what happens when it does not."""

    seconds = Whole("So many seconds.", 0, 60, load_default=8)
    missing = one_of(
        ("skip", "stop"),
        "skip: the next step. stop: the tour ends. A step without its element never counts as completed.",
        load_default="skip",
    )


class Action(Choice):
    """What a button does."""

    decides = "do"
    belongs = {  # noqa: RUF012
        "snooze": {"minutes": True},
        "open_url": {"url": True, "new_tab": False},
        "start_tour": {"tour": True},
        "complete_item": {"checklist": True, "item": True},
    }

    do = one_of(ACTIONS, "What happens.", required=True)
    minutes = Whole("Of snooze: for how long.", 1, 60 * 24 * 60)
    url = Address("Of open_url: where it leads.")
    new_tab = Switch("Of open_url: in a new tab.")
    tour = Id("Of start_tour: key of the tour.")
    checklist = Id("Of complete_item: key of the checklist.")
    item = Id("Of complete_item: id of its item.")


class Button(Part):
    """A button below the text."""

    id = Id("Stays the same over all versions.", required=True)
    label = Line("What stands on it.", LABEL_MAX, required=True)
    style = one_of(STYLES, "How it looks.", load_default="primary")
    action = one(Action, "What it does.", required=True)


class Step(Part):
    """A step of a tour."""

    id = Id("Stays the same over all versions, so that numbers go on.", required=True)
    name = Line("For the people who read the numbers; the title where it is left out.", NAME_MAX)
    kind = one_of(STEP_KINDS, "tooltip: at an element. modal: in the middle of the page.", required=True)
    title = Line("The headline. {{trait|fallback}} is filled in.", TITLE_MAX, required=True)
    body = Markdown("The text. {{trait|fallback}} is filled in.", load_default="")
    image = one(Picture, "A picture; null for none.", allow_none=True, load_default=None)
    target = one(Target, "Of a tooltip: the element.")
    placement = one_of(PLACEMENTS, "Of a tooltip: on which side of the element.", implied="auto")
    backdrop = Switch("The rest of the page is dimmed.", load_default=False)
    advance = one(Advance, "What leads on.", load_default=lambda: {"on": "button"})
    wait = one(Wait, "Of a tooltip: how long the element may take.", implied={"seconds": 8, "missing": "skip"})
    buttons = several(Button, 0, 4, "At most four.", load_default=list)

    @validates_schema
    def fits_its_kind(self, data: dict[str, Any], **kwargs: Any) -> None:
        errors: dict[str, Any] = {}
        if data["kind"] == "modal":
            errors = {name: ["Only a tooltip takes this."] for name in ("target", "placement", "wait") if name in data}
            if data["advance"]["on"] == "click":
                errors["advance"] = {"on": ["Only a tooltip has an element to click on."]}
        elif "target" not in data:
            errors["target"] = ["A tooltip needs an element to point at."]
        if wrong := repeated(data["buttons"], "button"):
            errors["buttons"] = wrong
        if errors:
            raise ValidationError(errors)

    @post_load
    def complete(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        if data["kind"] == "tooltip":
            for name in ("placement", "wait"):
                data.setdefault(name, copy.deepcopy(self.fields[name].metadata["default"]))
        return {name: data[name] for name in self.fields if name in data}


class PictureTexts(Part):
    """A picture in another language."""

    alt = Line("What it shows.", TITLE_MAX, required=True)


class ButtonTexts(Part):
    """A button in another language."""

    id = Id("Of which button.", required=True)
    label = Line("What stands on it.", LABEL_MAX, required=True)


class StepTexts(Part):
    """A step in another language."""

    id = Id("Of which step.", required=True)
    title = Line("The headline.", TITLE_MAX)
    body = Markdown("The text.")
    image = one(PictureTexts, "Its picture.")
    buttons = several(ButtonTexts, 0, 4, "Its buttons.")


class TourTexts(Part):
    """A tour in another language."""

    steps = several(StepTexts, 0, 50, "Its steps.")


class Tour(Content):
    """A tour."""

    kind = always("tour")
    steps = several(Step, 1, 50, "In the order in which they are shown.", required=True)
    translations = Translations(TourTexts)

    @validates_schema
    def ids_fit(self, data: dict[str, Any], **kwargs: Any) -> None:
        errors: dict[str, Any] = {}
        if wrong := repeated(data["steps"], "step"):
            errors["steps"] = wrong
        if said := check_translations(data, ("steps", "buttons")):
            errors["translations"] = said
        if errors:
            raise ValidationError(errors)
