"""The rule that says who sees a content: a tree of conditions, frozen once it was checked.

`{"all": […]}`, `{"any": […]}`, `{"not": …}` and conditions, each with a `kind`. What a condition means is in
`comparisons` and `urls`, what answers it for one person in `evaluate`, for all users at once in `services.rule_sql`.
Conditions on the page (url, element, language, device_width) are answered in the browser, all others by the store.
"""

from collections.abc import Mapping
from typing import Any, Final

import marshmallow

from productfruits.adoption import rule_schemas
from productfruits.adoption.conditions import (
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
    Leaf,
    Node,
    Not,
    Rule,
    Trait,
    Url,
)
from productfruits.adoption.urls import as_a_browser_writes
from productfruits.errors import ProductFruitsError

__all__ = [
    "EVERYBODY",
    "EndlessAudience",
    "HeavyAudience",
    "InvalidRule",
    "Rule",
    "check_audiences",
    "check_weight",
    "parse",
    "spelled",
]

MAX_DEPTH: Final = 10
MAX_CONDITIONS: Final = 200
#: How far audiences may refer to audiences, and how many conditions a rule may have with all those behind it.
MAX_AUDIENCE_DEPTH: Final = 5
MAX_BEHIND: Final = 500

Path = tuple[str | int, ...]


class InvalidRule(ProductFruitsError):
    """The targeting rule cannot be used. See the reason at each place, and docs/aiming.md for what a rule can say."""

    def __init__(self, problems: list[tuple[Path, str]]) -> None:
        path, reason = problems[0]
        place = f" At {spelled(path)}: {reason}" if path else f" {reason}"
        super().__init__(f"The targeting rule cannot be used.{place}")
        #: Every place with what is wrong there, in the order of the document.
        self.problems = problems

    @property
    def path(self) -> Path:
        """Where the first problem is."""
        return self.problems[0][0]

    def messages(self) -> dict[str, list[str]]:
        """The reasons by place, as schemas report theirs."""
        found: dict[str, list[str]] = {}
        for path, reason in self.problems:
            found.setdefault(spelled(path), []).append(reason)
        return found


class EndlessAudience(ProductFruitsError):
    """The audience would refer to itself, directly or through others. Take the reference back out of one of them."""


class HeavyAudience(ProductFruitsError):
    __doc__ = (
        f"Too much is behind these audiences: they may refer to each other {MAX_AUDIENCE_DEPTH} levels deep, and a "
        f"rule may have {MAX_BEHIND} conditions with all those behind its audiences. Use fewer or simpler ones."
    )


#: The rule of content without targeting.
EVERYBODY: Final = Rule(All(()))


def parse(document: Any) -> Rule:
    """Check a rule as it was written and return it, or raise `InvalidRule` with every problem and its place.

    None is the rule that everybody meets.
    """
    if document is None:
        return EVERYBODY
    reading = _Reading()
    root = reading.node(document, (), 1)
    if reading.conditions > MAX_CONDITIONS:
        reading.problems.insert(0, ((), f"A rule may have at most {MAX_CONDITIONS} conditions."))
    if reading.problems:
        raise InvalidRule(reading.problems)
    return Rule(root, document)


def check_audiences(audiences: Mapping[str, Rule]) -> None:
    """Refuse audiences that lead back to themselves, or that have too much behind them."""
    weights: dict[str, tuple[int, int]] = {}
    for key in audiences:
        _weigh(audiences, key, weights, ())


def check_weight(rule: Rule, audiences: Mapping[str, Rule]) -> None:
    """Refuse a rule that has too much behind it, through these audiences."""
    weights: dict[str, tuple[int, int]] = {}
    behind = [_weigh(audiences, key, weights, ()) for key in rule.audiences() if key in audiences]
    if sum(1 for _ in rule.leaves()) + sum(conditions for conditions, _ in behind) > MAX_BEHIND:
        raise HeavyAudience()


def spelled(path: Path) -> str:
    """A place in a rule as people read it: all[2].not.value"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Reading:
    """One walk over a document: the problems so far, and the conditions counted."""

    def __init__(self) -> None:
        self.problems: list[tuple[Path, str]] = []
        self.conditions = 0

    def node(self, said: Any, path: Path, depth: int) -> Node:
        if not isinstance(said, Mapping):
            return self._wrong(path, 'A condition is an object with a "kind", or one of all, any, not.')
        words = [word for word in ("all", "any", "not") if word in said]
        if not words:
            return self._leaf(said, path)
        if len(said) > 1:
            return self._wrong(path, f'"{words[0]}" stands alone in its object: put what is beside it inside.')
        if depth >= MAX_DEPTH:
            return self._wrong(path, f"A rule may be nested at most {MAX_DEPTH} deep.")
        word = words[0]
        if word == "not":
            return Not(self.node(said["not"], (*path, "not"), depth + 1))
        inside = said[word]
        if not isinstance(inside, list) or not inside:
            return self._wrong((*path, word), f'"{word}" needs a list of at least one condition.')
        if len(inside) > MAX_CONDITIONS:
            return self._wrong((*path, word), f"A rule may have at most {MAX_CONDITIONS} conditions.")
        nodes = tuple(self.node(each, (*path, word, n), depth + 1) for n, each in enumerate(inside))
        return All(nodes) if word == "all" else Any_(nodes)

    def _leaf(self, said: Mapping[str, Any], path: Path) -> Node:
        self.conditions += 1
        kind = said.get("kind")
        schema = rule_schemas.LEAVES.get(kind) if isinstance(kind, str) else None
        if schema is None:
            kinds = ", ".join(rule_schemas.LEAVES)
            return self._wrong((*path, "kind"), f"A condition needs a kind, one of: {kinds}.")
        try:
            loaded: dict[str, Any] = schema().load(dict(said))
        except marshmallow.ValidationError as err:
            for name, reasons in err.messages_dict.items():
                place = path if name == "_schema" else (*path, name)
                self.problems += ((place, reason) for reason in _flat(reasons))
            return All(())
        return _leaf_of(kind, loaded)

    def _wrong(self, path: Path, reason: str) -> Node:
        self.problems.append((path, reason))
        return All(())


def _leaf_of(kind: Any, said: dict[str, Any]) -> Leaf:
    del said["kind"]
    match kind:
        case "trait" if said["name"].casefold() == "email":
            # The user's e-mail is no trait in the store, whatever it was called when it came.
            return Computed(**said | {"name": "email"})
        case "trait":
            return Trait(**said)
        case "computed":
            return Computed(**said)
        case "group":
            return InGroup(**said)
        case "event":
            # "at most" alone includes never; nothing said means once or more.
            return Happened(**{"at_least": 0 if "at_most" in said else 1} | said)
        case "content":
            return InState(**said)
        case "audience":
            return InAudience(**said)
        case "url":
            return Url(said["op"], as_a_browser_writes(said["value"]))
        case "element":
            return Element(**said)
        case "language":
            return Language(**said)
        case _:
            return DeviceWidth(**said)


def _weigh(
    audiences: Mapping[str, Rule], key: str, weights: dict[str, tuple[int, int]], above: tuple[str, ...]
) -> tuple[int, int]:
    """How many conditions are behind an audience, and how many levels of audiences."""
    if key in above:
        raise EndlessAudience()
    if len(above) >= MAX_AUDIENCE_DEPTH:
        raise HeavyAudience()
    if key not in weights:
        conditions, levels = 0, 0
        for leaf in audiences[key].leaves():
            conditions += 1
            if isinstance(leaf, InAudience) and leaf.key in audiences:
                behind, deep = _weigh(audiences, leaf.key, weights, (*above, key))
                conditions, levels = conditions + behind, max(levels, deep)
        weights[key] = conditions, levels + 1
    conditions, levels = weights[key]
    if conditions > MAX_BEHIND or len(above) + levels > MAX_AUDIENCE_DEPTH:
        raise HeavyAudience()
    return conditions, levels


def _flat(reasons: Any) -> list[str]:
    """The sentences of a field, those of its elements too."""
    if isinstance(reasons, dict):
        return [reason for inner in reasons.values() for reason in _flat(inner)]
    return [reason for inner in reasons for reason in _flat(inner)] if isinstance(reasons, list) else [str(reasons)]
