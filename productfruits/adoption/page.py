"""The rule that is left for the browser, answered on the server for whoever asks about a page that is not open.

The snippet has the same in static/snippet. tests/vectors/url_rules.json holds both to one answer.
"""

from dataclasses import dataclass
from typing import Any

from productfruits.adoption import urls
from productfruits.adoption.evaluate import Tree
from productfruits.adoption.explain import in_words
from productfruits.adoption.gates import Verdict
from productfruits.adoption.reasons import REASONS
from productfruits.adoption.rules import parse


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of a page. None: not known, and a condition on it stays open."""

    url: str | None = None
    language: str | None = None
    width: int | None = None


def speaks(wanted: str, language: str) -> bool:
    """Tell whether a language is the one that a rule wants, or a regional form of it."""
    known = language.replace("_", "-").lower()
    return known == wanted.lower() or known.startswith(wanted.lower() + "-")


def answer(tree: Tree, page: Page) -> bool | None:
    """Tell whether a page fits what is left of a rule. None: that depends on what is not known of the page."""
    if "all" in tree:
        return _every([answer(each, page) for each in tree["all"]])
    if "any" in tree:
        answers = [answer(each, page) for each in tree["any"]]
        return _negated(_every([_negated(each) for each in answers]))
    if "not" in tree:
        return _negated(answer(tree["not"], page))
    match tree["kind"]:
        case "url":
            return None if page.url is None else urls.matches(tree["op"], tree["value"], page.url)
        case "language":
            return None if page.language is None else speaks(tree["value"], page.language)
        case "device_width":
            if page.width is None:
                return None
            return bool(page.width >= tree["value"] if tree["op"] == "at_least" else page.width <= tree["value"])
        case _:
            return None


def verdict(tree: Tree, page: Page) -> Verdict:
    """What the page gate says; open where that is not known."""
    if answer(tree, page) is not False:
        return Verdict("page", True)
    closed = _culprit(tree, page)
    return Verdict("page", False, _code(closed), REASONS[_code(closed)].about(in_words(parse(closed).root)))


def _culprit(tree: Tree, page: Page) -> Tree:
    """The smallest part of a rule that keeps it from fitting."""
    if "all" in tree:
        return _culprit(next(each for each in tree["all"] if answer(each, page) is False), page)
    return tree


def _code(tree: Tree) -> str:
    """The reason's code: the kind of the first condition in there."""
    inner: Any = tree
    while "kind" not in inner:
        inner = inner["not"] if "not" in inner else (inner.get("all") or inner["any"])[0]
    return str(inner["kind"])


def _every(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _negated(given: bool | None) -> bool | None:
    return None if given is None else not given
