"""What a document refers to by key, and dead ends: what can only be judged when it is about to be published."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from productfruits.adoption.documents import Document, Path, Problem

#: What a button does that leads a user on from a step.
_LEADS_ON = ("next", "finish", "start_tour", "open_url")


@dataclass(frozen=True, slots=True)
class Reference:
    """Something else that a document needs. `what`: tour, item, content, theme or audience."""

    path: Path
    what: str
    key: str
    item: str | None = None


def of(document: Document) -> Iterator[Reference]:
    """Every reference of a document, in its order."""
    if document["theme"] is not None:
        yield Reference(("theme",), "theme", document["theme"])
    yield from of_rule(document["targeting"], ("targeting",))
    for index, step in enumerate(document.get("steps", ())):
        for number, button in enumerate(step["buttons"]):
            yield from _of_action(button["action"], ("steps", index, "buttons", number, "action"))
    for index, item in enumerate(document.get("items", ())):
        yield from _of_action(item["action"], ("items", index, "action"))
        if "tour" in item["done"]:
            yield Reference(("items", index, "done", "tour"), "tour", item["done"]["tour"])


def of_rule(rule: Any, path: Path = ()) -> Iterator[Reference]:
    """The contents and audiences that a rule asks about."""
    if isinstance(rule, list):
        for index, inner in enumerate(rule):
            yield from of_rule(inner, (*path, index))
    elif isinstance(rule, dict):
        if rule.get("kind") in ("content", "audience"):
            yield Reference((*path, "key"), rule["kind"], rule["key"])
        for name in ("all", "any", "not"):
            if name in rule:
                yield from of_rule(rule[name], (*path, name))


def dead_ends(document: Document) -> Iterator[Problem]:
    """Steps that no user gets past: not the last one, no button that leads on, and nothing else that does."""
    for index, step in enumerate(document.get("steps", ())[:-1]):
        if step["advance"]["on"] != "button":
            continue
        if not any(button["action"]["do"] in _LEADS_ON for button in step["buttons"]):
            yield Problem(
                ("steps", index, "buttons"),
                "Nobody gets past this step. Give it a button that leads on, or let a click or an event do it.",
            )


def _of_action(action: Document, path: Path) -> Iterator[Reference]:
    if "tour" in action:
        yield Reference((*path, "tour"), "tour", action["tour"])
    if "item" in action:
        yield Reference((*path, "item"), "item", action["checklist"], action["item"])
