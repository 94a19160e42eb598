"""What the store knows of the one who looks at a page, as far as rules and gates ask."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from productfruits.adoption.comparisons import EPOCH, SECOND

#: Words of a trait's name that Segment spells in several ways, and how.
_RESERVED = (
    ("first", "name"),
    ("last", "name"),
    ("created", "at"),
    ("name",),
    ("phone",),
    ("title",),
    ("company",),
    ("website",),
    ("address",),
    ("age",),
    ("avatar",),
    ("birthday",),
    ("description",),
    ("gender",),
    ("industry",),
    ("employees",),
    ("plan",),
)


class EventCount(NamedTuple):
    """A question to the store: how often did this track event happen, ever or in the last days?"""

    name: str
    days: int | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A user, or a visitor without one. Traits and groups hold JSON; contents hold states by key of the content."""

    is_known: bool = False
    username: str | None = None
    email: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    first_seen: dt.datetime | None = None
    last_seen: dt.datetime | None = None
    visits: int = 0
    #: When the visit began that lasts now.
    visit_began: dt.datetime | None = None
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    event_counts: Mapping[EventCount, int] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    #: What rules read, made once: traits under their main spelling, times in seconds since the epoch.
    told: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    told_by_group: Mapping[str, Mapping[str, Any]] = field(init=False, repr=False, compare=False)
    first_second: int | None = field(init=False, repr=False, compare=False)
    last_second: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {
            "told": in_main_spelling(self.traits),
            "told_by_group": {group_id: in_main_spelling(traits) for group_id, traits in self.groups.items()},
            "first_second": _seconds(self.first_seen),
            "last_second": _seconds(self.last_seen),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


def spellings(name: str) -> tuple[str, ...]:
    """Every name of a trait, the main one first: several for Segment's reserved ones, one for the customer's own."""
    main = _MAIN.get(name)
    return (name,) if main is None else _SPELLINGS[main]


def in_main_spelling(traits: Mapping[str, Any]) -> Mapping[str, Any]:
    """The traits with reserved ones under their main spelling; of several the first with a value counts."""
    if _OTHER_SPELLINGS.isdisjoint(traits):
        return traits
    told = dict(traits)
    for main in {_MAIN[name] for name in _MAIN.keys() & traits.keys()}:
        told[main] = next((value for name in _SPELLINGS[main] if (value := traits.get(name)) is not None), None)
    return told


def _seconds(value: dt.datetime | None) -> int | None:
    return None if value is None else (value - EPOCH) // SECOND


def _every_spelling() -> dict[str, tuple[str, ...]]:
    found = {}
    for words in _RESERVED:
        capital = "".join(word.capitalize() for word in words)
        spelled = dict.fromkeys((capital[0].lower() + capital[1:], "_".join(words), "".join(words), capital))
        main, *others = spelled
        found[main] = (main, *others)
    return found


_SPELLINGS = _every_spelling()
_MAIN = {name: main for main, names in _SPELLINGS.items() for name in names}
_OTHER_SPELLINGS = _MAIN.keys() - _SPELLINGS.keys()
