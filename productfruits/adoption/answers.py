"""What the store knows, asked one condition at a time: each condition as a function of a subject.

The commonest operators are written out, without the call of a second function; the others are those of `comparisons`.
"""

import operator
from collections.abc import Callable
from typing import Any

from productfruits.adoption import comparisons
from productfruits.adoption.comparisons import NUMBERS
from productfruits.adoption.conditions import Happened, InGroup
from productfruits.adoption.subjects import EventCount, Subject, spellings

#: Answers from what the store knows; the time is in seconds since the epoch.
Test = Callable[[Subject, int], bool]

TIMES = ("first_seen", "last_seen")


def nobody(subject: Subject, now: int) -> bool:
    return False


def trait(name: str, op: str, value: Any) -> Test:
    """The commonest operators without the call of a second function."""
    match op:
        case "is" if isinstance(value, str):
            return lambda subject, now: subject.told.get(name) == value
        case "is_not" if isinstance(value, str):
            return lambda subject, now: subject.told.get(name) != value
        case "exists":
            return lambda subject, now: subject.told.get(name) is not None
        case "missing":
            return lambda subject, now: subject.told.get(name) is None
        case "at_least":
            return lambda subject, now: type(known := subject.told.get(name)) in NUMBERS and known >= value
        case "at_most":
            return lambda subject, now: type(known := subject.told.get(name)) in NUMBERS and known <= value
        case "one_of" if all(isinstance(each, str) for each in value):
            texts = frozenset(value)
            return lambda subject, now: type(known := subject.told.get(name)) is str and known in texts
    meets = comparisons.test(op, value)
    return lambda subject, now: meets(subject.told.get(name), now)


def computed(name: str, op: str, value: Any) -> Test:
    meets = comparisons.test_of_seconds(op, value) if name in TIMES else comparisons.test(op, value)
    match name:
        case "first_seen" if op == "in_last_days":
            span = value * comparisons.DAY
            return lambda subject, now: (at := subject.first_second) is not None and now - span <= at <= now
        case "first_seen":
            return lambda subject, now: meets(subject.first_second, now)
        case "last_seen":
            return lambda subject, now: meets(subject.last_second, now)
        case "visits" if op == "at_least":
            return lambda subject, now: subject.visits >= value
        case "visits":
            return lambda subject, now: meets(subject.visits, now)
    find = operator.attrgetter(name)
    return lambda subject, now: meets(find(subject), now)


def group(node: InGroup) -> Test:
    group_id = node.group_id
    if node.name is None or node.op is None:
        if group_id is None:
            return lambda subject, now: bool(subject.groups)
        return lambda subject, now: group_id in subject.groups
    name, meets = spellings(node.name)[0], comparisons.test(node.op, node.value)

    def some_group(subject: Subject, now: int) -> bool:
        return any(
            meets(told.get(name), now)
            for known, told in subject.told_by_group.items()
            if group_id is None or known == group_id
        )

    return some_group


def happened(node: Happened) -> Test:
    ask, at_least, at_most = EventCount(node.name, node.in_days), node.at_least, node.at_most
    if at_most is None:
        return lambda subject, now: subject.event_counts.get(ask, 0) >= at_least
    return lambda subject, now: at_least <= subject.event_counts.get(ask, 0) <= at_most
