"""Rules in words: what a condition says, and which one keeps somebody from meeting the rule.

`said` is only what the author wrote. `known` holds what the store knows of the user: for admins and the API, never for
the page.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from productfruits.adoption import evaluate
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
    Node,
    Not,
    Rule,
    Trait,
    Url,
)
from productfruits.adoption.evaluate import Compiled
from productfruits.adoption.subjects import EventCount, Subject, spellings

#: Longer values are cut: a sentence is no place for a document.
SHOWN = 80

_OPS = {
    "is": "is",
    "is_not": "is not",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "greater": "is greater than",
    "less": "is less than",
    "at_least": "is at least",
    "at_most": "is at most",
    "before": "is before",
    "after": "is after",
    "exists": "exists",
    "missing": "is missing",
    "one_of": "is one of",
    "glob": "matches",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a rule is not met."""

    said: str
    known: str


def mismatch(compiled: Compiled, subject: Subject, now: dt.datetime) -> Mismatch | None:
    """The first condition in the way, or None if the store has nothing against it."""
    return _mismatch(compiled.rule.root, compiled.audiences, subject, int(now.timestamp()))


def in_words(node: Node) -> str:
    """What a rule or a condition says."""
    match node:
        case All(nodes):
            return " and ".join(map(_grouped, nodes)) or "everybody"
        case Any_(nodes):
            return " or ".join(map(_grouped, nodes))
        case Not(inner):
            return f"not {_grouped(inner)}"
        case Trait(name, op, value):
            return f"trait {name} {_compared(op, value)}"
        case Computed(name, op, value):
            return f"{name.replace('_', ' ')} {_compared(op, value)}"
        case InGroup(group_id, name, op, value):
            group = "in a group" if group_id is None else f"in group {_shown(group_id)}"
            return group if name is None or op is None else f"{group} whose trait {name} {_compared(op, value)}"
        case Happened():
            return _happened(node)
        case InState(key, state):
            return f"{key} is {state.replace('_', ' ')}"
        case InAudience(key):
            return f"in audience {key}"
        case Url(op, value):
            return f"the page's address {_OPS[op]} {_shown(value)}"
        case Element(selector, present):
            return f"the page has {'an' if present else 'no'} element {_shown(selector)}"
        case Language(value):
            return f"the language is {value}"
        case DeviceWidth(op, value):
            return f"the window is {'at least' if op == 'at_least' else 'at most'} {value} pixels wide"


def _mismatch(node: Node, audiences: Mapping[str, Rule], subject: Subject, now: int) -> Mismatch | None:
    if evaluate.node_test(node, audiences)(subject, now) is not False:
        return None
    match node:
        case All(nodes):
            found = (_mismatch(each, audiences, subject, now) for each in nodes)
            return next(reason for reason in found if reason is not None)
        case Any_(nodes):
            reasons = [_mismatch(each, audiences, subject, now) for each in nodes]
            known = dict.fromkeys(reason.known for reason in reasons if reason is not None and reason.known)
            return Mismatch(in_words(node), "; ".join(known))
        case InAudience(key):
            rule = audiences.get(key)
            if rule is None:
                return Mismatch(in_words(node), f"there is no audience {key}")
            inner = _mismatch(rule.root, audiences, subject, now)
            if inner is None:
                return Mismatch(in_words(node), "")
            return Mismatch(f"{in_words(node)} ({inner.said})", inner.known)
        case Not(inner_node):
            return Mismatch(in_words(node), _known(inner_node, subject))
        case _:
            return Mismatch(in_words(node), _known(node, subject))


def _known(node: Node, subject: Subject) -> str:
    """What the store knows of that which a condition asks."""
    match node:
        case Trait(name):
            return _value(f"the user's {name}", subject.told.get(spellings(name)[0]))
        case Computed(name):
            return _value(f"the user's {name.replace('_', ' ')}", getattr(subject, name))
        case InGroup(group_id, name):
            groups = subject.groups if group_id is None else {g: t for g, t in subject.groups.items() if g == group_id}
            if not groups:
                return "the user is in no group" if group_id is None else "the user is not in it"
            if name is None:
                return f"the user is in {', '.join(map(_shown, groups))}"
            return "; ".join(
                _value(f"{name} of {group}", subject.told_by_group[group].get(spellings(name)[0])) for group in groups
            )
        case Happened(name, _, _, days):
            count = subject.event_counts.get(EventCount(name, days), 0)
            return "it never happened" if not count else f"it happened {'once' if count == 1 else f'{count} times'}"
        case InState(key):
            return f"it is {subject.contents.get(key, 'not_started').replace('_', ' ')}"
        case InAudience():
            return "the user is in it"
        case All(nodes) | Any_(nodes):
            return "; ".join(dict.fromkeys(filter(None, (_known(each, subject) for each in nodes))))
        case Not(inner):
            return _known(inner, subject)
        case _:
            return ""


def _happened(node: Happened) -> str:
    if node.at_most == 0:
        often = "never happened"
    elif node.at_most is None:
        often = f"happened at least {'once' if node.at_least == 1 else f'{node.at_least} times'}"
    elif node.at_least == 0:
        often = f"happened at most {'once' if node.at_most == 1 else f'{node.at_most} times'}"
    else:
        often = f"happened {node.at_least} to {node.at_most} times"
    since = "" if node.in_days is None else f" in the last {_days(node.in_days)}"
    return f"event {_shown(node.name)} {often}{since}"


def _compared(op: str, value: Any) -> str:
    if op == "in_last_days":
        return f"is in the last {_days(value)}"
    if op == "more_than_days_ago":
        return f"is more than {_days(value)} ago"
    if op in ("exists", "missing"):
        return _OPS[op]
    return f"{_OPS[op]} {_listed(value) if isinstance(value, list) else _shown(value)}"


def _grouped(node: Node) -> str:
    text = in_words(node)
    return f"({text})" if isinstance(node, All | Any_) and len(node.nodes) > 1 else text


def _days(days: int) -> str:
    return "day" if days == 1 else f"{days} days"


def _value(subject: str, value: Any) -> str:
    return f"{subject} is missing" if value is None else f"{subject} is {_shown(value)}"


def _listed(values: list[Any]) -> str:
    return _cut(", ".join(map(_shown, values)))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return _cut(value) or '""'
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
