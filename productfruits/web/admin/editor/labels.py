"""The words of the form, where the names of fields and choices say too little to people."""

from collections.abc import Mapping
from typing import Final

#: Field -> its label where the name alone says too little.
LABELS: Final[Mapping[str, str]] = {
    "do": "What it does",
    "on": "Goes on by",
    "by": "Done by",
    "url": "Address",
    "alt": "Alternative text",
    "start": "Starts",
    "show": "How often",
    "data": "Data attribute",
    "wait": "Waiting for the element",
    "missing": "If it does not appear",
    "image": "Picture",
    "id": "Id",
    "until": "Until",
    "from": "From",
    "open": "Open at first",
    "at_least": "How many times",
    "accent_text": "Text on the accent",
    "new_tab": "In a new tab",
}
#: Hints for this form where the schema speaks to those who write files.
HINTS: Final[Mapping[str, str]] = {
    "image": "Above the text. Leave both empty for no picture.",
    "advance": "",
    "frequency": "",
    "show": "",
    "order": "",
    "mode": "",
    "start": "",
    "schedule": "By the clock of the workspace's time zone. Leave empty for always.",
    "targeting": "",
    "theme": "Leave empty for the workspace's default.",
    "completion": "Shown when everything is done. Leave empty for nothing.",
    "steps": "",
    "items": "",
    "buttons": "",
    "action": "",
    "done": "",
    "launcher": "",
    "target": "Filled in from top to bottom, the first one that finds an element counts.",
    "translations": "What is left empty is shown in the next language that fits: for en-GB in en, else in the "
    "document's own.",
}
#: Field -> the list of known values that the form offers for it.
OFFERS: Final[Mapping[str, str]] = {"tour": "tours", "checklist": "checklists", "theme": "themes"}
#: Choices in words, where the values of the document say too little; for one field alone as field.choice.
WORDS: Final[Mapping[str, str]] = {
    "open_url": "Open an address",
    "start_tour": "Start a tour",
    "complete_item": "Tick a checklist item",
    "until_completed": "Until it is completed",
    "every_days": "Every few days",
    "none": "Nothing",
    "api": "By your own code",
    "button": "A button only",
    "click": "A click on it",
    "start.auto": "By itself",
    "start.manual": "By a button, a link or your own code",
    "placement.auto": "Where there is room",
    "mode.auto": "As the user's system says",
    "missing.skip": "Go on with the next step",
    "missing.stop": "End the tour",
    "show.once": "Once",
    "order.free": "In any order",
    "order.ordered": "Each after the one before",
    "show.always": "On every visit",
}


def choice(name: str, value: str) -> str:
    return WORDS.get(f"{name}.{value}") or WORDS.get(value) or spoken(value)


def label(name: str) -> str:
    return LABELS.get(name, spoken(name))


def spoken(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()
