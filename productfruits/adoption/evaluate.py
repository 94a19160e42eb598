"""Rules as functions in memory: what the store can answer is answered here, what only the page knows is left over.

A rule is compiled once, into closures, and then applied to one subject after the other. Where nothing depends on the
page the answer is true or false. Else what is left is a smaller rule of page conditions alone: it tells the browser
which answers count, and nothing of what the store knows or was asked.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from productfruits.adoption import comparisons
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
from productfruits.adoption.subjects import EventCount, Subject, spellings, trait

#: Answers from what the store knows; the time is in seconds since the epoch.
Test = Callable[[Subject, int], bool]
Tree = dict[str, Any]
#: The same, or what is left for the page.
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
        left = self._apply(subject, int(now.timestamp()))
        return left if isinstance(left, bool) else Residual(left)


def compile(rule: Rule, audiences: Mapping[str, Rule]) -> Compiled:
    """Make a rule ready. An audience that there is not (any more) has nobody in it."""
    making = _Making(audiences)
    partial = making.partial(rule.root, ())
    return Compiled(rule, audiences, frozenset(making.asks), making.uses_store, making.depends_on_time, _apply=partial)


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
                return _all([self.partial(each, above) for each in _cheap_first(nodes)], _is_pure(node))
            case Any_(nodes):
                return _any([self.partial(each, above) for each in _cheap_first(nodes)], _is_pure(node))
            case Not(inner):
                return _not(self.partial(inner, above))
            case InAudience(key):
                return self._audience(key, above)
            case Url() | Element() | Language() | DeviceWidth():
                tree = page_tree(node)
                return lambda subject, now: tree
            case _:
                return self._leaf(node)

    def _audience(self, key: str, above: tuple[str, ...]) -> Partial:
        self.uses_store = True
        rule = self.audiences.get(key)
        if rule is None or rule.asks_the_page() or key in above or len(above) >= MAX_AUDIENCE_DEPTH:
            return _nobody
        if key not in self._made:
            self._made[key] = self.partial(rule.root, (*above, key))
        return self._made[key]

    def _leaf(self, node: Trait | Computed | InGroup | Happened | InState) -> Test:
        self.uses_store = True
        match node:
            case Trait(name, op, value):
                self._note(op)
                return _trait(spellings(name), op, value)
            case Computed(name, op, value):
                self._note(op)
                return _computed(name, op, value)
            case InGroup():
                self._note(node.op)
                return _group(node)
            case Happened():
                self.asks.add(EventCount(node.name, node.in_days))
                self.depends_on_time |= node.in_days is not None
                return _happened(node)
            case InState(key, state):
                return lambda subject, now: subject.contents.get(key, "not_started") == state

    def _note(self, op: str | None) -> None:
        self.depends_on_time |= op in _TIMED


def _nobody(subject: Subject, now: int) -> bool:
    return False


def _trait(names: tuple[str, ...], op: str, value: Any) -> Test:
    meets = comparisons.test(op, value)
    if len(names) > 1:
        return lambda subject, now: meets(trait(subject.traits, names), now)
    name = names[0]
    if op == "is" and isinstance(value, str):
        # The commonest condition, without the second call.
        return lambda subject, now: bool(subject.traits.get(name) == value)
    return lambda subject, now: meets(subject.traits.get(name), now)


def _computed(name: str, op: str, value: Any) -> Test:
    if name not in ("first_seen", "last_seen"):
        meets = comparisons.test(op, value)
        return lambda subject, now: meets(getattr(subject, name), now)
    meets = comparisons.test_of_seconds(op, value)
    return lambda subject, now: meets(_seconds(getattr(subject, name)), now)


def _seconds(value: dt.datetime | None) -> int | None:
    return None if value is None else (value - comparisons.EPOCH) // comparisons.SECOND


def _group(node: InGroup) -> Test:
    group_id = node.group_id
    if node.name is None or node.op is None:
        if group_id is None:
            return lambda subject, now: bool(subject.groups)
        return lambda subject, now: group_id in subject.groups
    names, meets = spellings(node.name), comparisons.test(node.op, node.value)

    def some_group(subject: Subject, now: int) -> bool:
        return any(
            meets(trait(traits, names), now)
            for known, traits in subject.groups.items()
            if group_id is None or known == group_id
        )

    return some_group


def _happened(node: Happened) -> Test:
    ask, at_least, at_most = EventCount(node.name, node.in_days), node.at_least, node.at_most
    if at_most is None:
        return lambda subject, now: subject.event_counts.get(ask, 0) >= at_least
    return lambda subject, now: at_least <= subject.event_counts.get(ask, 0) <= at_most


def _is_pure(node: Node) -> bool:
    """Tell whether the store alone answers a node. Audiences know no page conditions."""
    match node:
        case All(nodes) | Any_(nodes):
            return all(map(_is_pure, nodes))
        case Not(inner):
            return _is_pure(inner)
        case _:
            return not isinstance(node, PAGE_LEAVES)


def _cheap_first(nodes: tuple[Node, ...]) -> list[Node]:
    """The store's answers come first: what is left for the page is put together only where it counts."""
    return sorted(nodes, key=lambda node: not _is_pure(node))


def _all(parts: list[Partial], pure: bool) -> Partial:
    if pure:
        tests = tuple(cast("list[Test]", parts))

        def every(subject: Subject, now: int) -> bool:
            for test in tests:  # noqa: SIM110 - all() over a generator costs twice as much
                if not test(subject, now):
                    return False
            return True

        return every

    def every_part(subject: Subject, now: int) -> bool | Tree:
        left = []
        for part in parts:
            answer = part(subject, now)
            if answer is False:
                return False
            if answer is not True:
                left.append(answer)
        return True if not left else left[0] if len(left) == 1 else {"all": left}

    return every_part


def _any(parts: list[Partial], pure: bool) -> Partial:
    if pure:
        tests = tuple(cast("list[Test]", parts))

        def some(subject: Subject, now: int) -> bool:
            for test in tests:  # noqa: SIM110 - as above
                if test(subject, now):
                    return True
            return False

        return some

    def some_part(subject: Subject, now: int) -> bool | Tree:
        left = []
        for part in parts:
            answer = part(subject, now)
            if answer is True:
                return True
            if answer is not False:
                left.append(answer)
        return False if not left else left[0] if len(left) == 1 else {"any": left}

    return some_part


def _not(part: Partial) -> Partial:
    def negated(subject: Subject, now: int) -> bool | Tree:
        answer = part(subject, now)
        return not answer if isinstance(answer, bool) else {"not": answer}

    return negated
