"""The document of a checklist: items, each with what a click on it does and with what makes it done."""

from typing import Any

from marshmallow import ValidationError, validates_schema

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
from productfruits.adoption.targeting import RuleField

ORDERS = ("free", "ordered")
CORNERS = ("bottom-right", "bottom-left")


class Launcher(Part):
    """The button that opens the checklist."""

    label = Line("What stands on it; the title where it is left out.", LABEL_MAX)
    position = one_of(CORNERS, "In which corner.", load_default="bottom-right")


class ItemAction(Choice):
    """What a click on an item does."""

    decides = "do"
    belongs = {"open_url": {"url": True, "new_tab": False}, "start_tour": {"tour": True}}  # noqa: RUF012

    do = one_of(("none", "open_url", "start_tour"), "What happens.", required=True)
    url = Address("Of open_url: where it leads.")
    new_tab = Switch("Of open_url: in a new tab.")
    tour = Id("Of start_tour: key of the tour.")


class Done(Choice):
    """What makes an item done. It stays done."""

    decides = "by"
    belongs = {  # noqa: RUF012
        "tour": {"tour": True},
        "event": {"event": True, "at_least": False},
        "trait": {"rule": True},
    }

    by = one_of(
        ("click", "tour", "event", "trait", "api"),
        "click: a click on it. tour: a tour completed. event: an event of the user, wherever it comes from. trait: a "
        "trait of the user. api: the page's own code.",
        required=True,
    )
    tour = Id("Of tour: key of the tour.")
    event = Line("Of event: its name.", NAME_MAX)
    at_least = Whole("Of event: how many times; 1 where it is left out.", 1, 1_000)
    rule = RuleField("Of trait: a rule of kind trait.")

    @validates_schema
    def asks_for_a_trait(self, data: dict[str, Any], **kwargs: Any) -> None:
        if "rule" in data and data["rule"].get("kind") != "trait":
            raise ValidationError({"rule": {"kind": ["This rule asks for one trait, so its kind is trait."]}})


class Item(Part):
    """An item of a checklist."""

    id = Id("Stays the same over all versions, so that what is done stays done.", required=True)
    title = Line("What is to be done. {{trait|fallback}} is filled in.", TITLE_MAX, required=True)
    body = Markdown("More about it. {{trait|fallback}} is filled in.", load_default="")
    action = one(ItemAction, "What a click on it does.", load_default=lambda: {"do": "none"})
    done = one(Done, "What makes it done.", load_default=lambda: {"by": "click"})


class Completion(Part):
    """What is said when all items are done."""

    title = Line("The headline.", TITLE_MAX, required=True)
    body = Markdown("The text.", load_default="")


class ItemTexts(Part):
    """An item in another language."""

    id = Id("Of which item.", required=True)
    title = Line("What is to be done.", TITLE_MAX)
    body = Markdown("More about it.")


class LauncherTexts(Part):
    """The launcher in another language."""

    label = Line("What stands on it.", LABEL_MAX, required=True)


class CompletionTexts(Part):
    """The end in another language."""

    title = Line("The headline.", TITLE_MAX)
    body = Markdown("The text.")


class ChecklistTexts(Part):
    """A checklist in another language."""

    title = Line("The headline.", TITLE_MAX)
    body = Markdown("The text below it.")
    launcher = one(LauncherTexts, "The button that opens it.")
    items = several(ItemTexts, 0, 50, "Its items.")
    completion = one(CompletionTexts, "What is said at the end.")


class Checklist(Content):
    """A checklist."""

    kind = always("checklist")
    title = Line("The headline. {{trait|fallback}} is filled in.", TITLE_MAX, required=True)
    body = Markdown("The text below it. {{trait|fallback}} is filled in.", load_default="")
    order = one_of(ORDERS, "free: in any order. ordered: each after the one before.", load_default="free")
    launcher = one(Launcher, "The button that opens it.", load_default=lambda: {"position": "bottom-right"})
    open = Switch("It is open when it first appears.", load_default=False)
    dismissible = Switch("The user can put it away; the page's own code brings it back.", load_default=True)
    items = several(Item, 1, 50, "In the order in which they stand.", required=True)
    completion = one(Completion, "What is said when all is done; null for nothing.", allow_none=True, load_default=None)
    translations = Translations(ChecklistTexts)

    @validates_schema
    def ids_fit(self, data: dict[str, Any], **kwargs: Any) -> None:
        errors: dict[str, Any] = {}
        if wrong := repeated(data["items"], "item"):
            errors["items"] = wrong
        if said := check_translations(data, ("items",)):
            errors["translations"] = said
        if errors:
            raise ValidationError(errors)
