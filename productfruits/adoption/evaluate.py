"""Rules as functions in memory: what the store can answer is answered here, what only the page knows is left over.

A rule is compiled once, into closures, and then applied to one subject after the other. Where nothing depends on the
page the answer is true or false. Else what is left is a smaller rule of page conditions alone: it tells the browser
which answers count, and nothing of what the store knows or was asked.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from productfruits.adoption import answers
from productfruits.adoption.answers import Test
from productfruits.adoption.conditions import (
    PAGE_LEAVES,
    All,
    Any_,
    Computed,
    DeviceWidth,
    Element,
    Happened,
    InAudience,
    InGroup,
    InState,
    Language,
    Node,
    Not,
    PageLeaf,
    Rule,
    Trait,
    Url,
)
from productfruits.adoption.rules import MAX_AUDIENCE_DEPTH
from productfruits.adoption.subjects import EventCount, Subject, spellings

Tree = dict[str, Any]
#: Answers as a test does, or what is left for the page.
Partial = Callable[[Subject, int], bool | Tree]

_TIMED = ("in_last_days", "more_than_days_ago")


@dataclass(frozen=True, slots=True)
class Residual:
    """What only the page can answer: a rule of url, element, language and device_width conditions."""

    tree: Tree


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule ready to be applied. `asks` are the counts that a subject must bring for it."""

    rule: Rule
    audiences: Mapping[str, Rule]
    asks: frozenset[EventCount]
    #: True when an answer comes from what the store knows of the user.
    uses_store: bool
    #: True when the answer can change as time goes by, with nothing else happening.
    depends_on_time: bool
    _apply: Partial = field(repr=False)

    def apply(self, subject: Subject, now: dt.datetime) -> bool | Residual:
        """Tell whether the subject meets the rule, or on what in the page it depends."""
        left = self._apply(subject, int(now.timestamp()) if self.depends_on_time else 0)
        return left if left is True or left is False else Residual(left)


def compile(rule: Rule, audiences: Mapping[str, Rule]) -> Compiled:
    """Make a rule ready. An audience that there is not (any more) has nobody in it."""
    making = _Making(audiences)
    partial = making.partial(rule.root, ())
    return Compiled(rule, audiences, frozenset(making.asks), making.uses_store, making.depends_on_time, _apply=partial)


def apply_all(compiled: Iterable[Compiled], subject: Subject, now: dt.datetime) -> list[bool | Residual]:
    """`apply` of many rules at once, which costs less than one after the other."""
    second = int(now.timestamp())
    return [
        left if left is True or left is False else Residual(left)
        for each in compiled
        for left in (each._apply(subject, second),)
    ]


def node_test(node: Node, audiences: Mapping[str, Rule]) -> Partial:
    """The function of one node of a rule, for whoever explains it."""
    return _Making(audiences).partial(node, ())


def page_tree(leaf: PageLeaf) -> Tree:
    """A page condition as the browser gets it."""
    match leaf:
        case Url(op, value):
            return {"kind": "url", "op": op, "value": value}
        case Element(selector, present):
            return {"kind": "element", "selector": selector, "present": present}
        case Language(value):
            return {"kind": "language", "value": value}
        case DeviceWidth(op, value):
            return {"kind": "device_width", "op": op, "value": value}


class _Making:
    """Collects, on the way through a tree, what its answers depend on."""

    def __init__(self, audiences: Mapping[str, Rule]) -> None:
        self.audiences = audiences
        self.asks: set[EventCount] = set()
        self.uses_store = False
        self.depends_on_time = False
        self._made: dict[str, Partial] = {}

    def partial(self, node: Node, above: tuple[str, ...]) -> Partial:
        match node:
            case All(nodes):
                stored, parts = self._apart(nodes, above)
                return _joined("all", False, _all(stored), parts) if parts else _all(stored)
            case Any_(nodes):
                stored, parts = self._apart(nodes, above)
                return _joined("any", True, _any(stored), parts) if parts else _any(stored)
            case Not(inner):
                return _not(self.partial(inner, above))
            case InAudience(key):
                return self._audience(key, above)
            case Url() | Element() | Language() | DeviceWidth():
                tree = page_tree(node)
                return lambda subject, now: tree
            case _:
                return self._leaf(node)

    def _apart(self, nodes: tuple[Node, ...], above: tuple[str, ...]) -> tuple[list[Test], list[Partial]]:
        """What the store answers alone, and the rest."""
        stored = [cast("Test", self.partial(each, above)) for each in nodes if _is_pure(each)]
        return stored, [self.partial(each, above) for each in nodes if not _is_pure(each)]

    def _audience(self, key: str, above: tuple[str, ...]) -> Partial:
        self.uses_store = True
        rule = self.audiences.get(key)
        if rule is None or rule.asks_the_page() or key in above or len(above) >= MAX_AUDIENCE_DEPTH:
            return answers.nobody
        if key not in self._made:
            self._made[key] = self.partial(rule.root, (*above, key))
        return self._made[key]

    def _leaf(self, node: Trait | Computed | InGroup | Happened | InState) -> Test:
        self.uses_store = True
        match node:
            case Trait(name, op, value):
                self._note(op)
                return answers.trait(spellings(name)[0], op, value)
            case Computed(name, op, value):
                self._note(op)
                return answers.computed(name, op, value)
            case InGroup():
                self._note(node.op)
                return answers.group(node)
            case Happened():
                self.asks.add(EventCount(node.name, node.in_days))
                self.depends_on_time |= node.in_days is not None
                return answers.happened(node)
            case InState(key, state):
                return lambda subject, now: subject.contents.get(key, "not_started") == state

    def _note(self, op: str | None) -> None:
        self.depends_on_time |= op in _TIMED


def _is_pure(node: Node) -> bool:
    """Tell whether the store alone answers a node. Audiences know no page conditions."""
    match node:
        case All(nodes) | Any_(nodes):
            return all(map(_is_pure, nodes))
        case Not(inner):
            return _is_pure(inner)
        case _:
            return not isinstance(node, PAGE_LEAVES)


def _all(tests: list[Test]) -> Test:
    match tests:
        case [one]:
            return one
        case [one, two]:
            return lambda subject, now: one(subject, now) and two(subject, now)
        case [one, two, three]:
            return lambda subject, now: one(subject, now) and two(subject, now) and three(subject, now)

    def every(subject: Subject, now: int) -> bool:
        for test in tests:  # noqa: SIM110 - all() over a generator costs twice as much
            if not test(subject, now):
                return False
        return True

    return every


def _any(tests: list[Test]) -> Test:
    match tests:
        case [one]:
            return one
        case [one, two]:
            return lambda subject, now: one(subject, now) or two(subject, now)
        case [one, two, three]:
            return lambda subject, now: one(subject, now) or two(subject, now) or three(subject, now)

    def some(subject: Subject, now: int) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(subject, now):
                return True
        return False

    return some


def _joined(word: str, decided: bool, stored: Test, parts: list[Partial]) -> Partial:
    """Conditions of which some are the page's: an answer that decides alone, else what is left, under the word.

    The store's conditions come first, so that what is left for the page is put together only where it counts.
    """

    def join(subject: Subject, now: int) -> bool | Tree:
        if stored(subject, now) is decided:
            return decided
        left = []
        for part in parts:
            answer = part(subject, now)
            if answer is decided:
                return decided
            if answer is not (not decided):
                left.append(answer)
        return not decided if not left else left[0] if len(left) == 1 else {word: left}

    return join


def _not(part: Partial) -> Partial:
    def negated(subject: Subject, now: int) -> bool | Tree:
        answer = part(subject, now)
        return not answer if isinstance(answer, bool) else {"not": answer}

    return negated
