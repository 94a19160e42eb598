"""What the store knows of the one who looks at a page, as far as rules and gates ask."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


def spellings(name: str) -> tuple[str, ...]:
    """Every name under which a trait may have come, the one asked for first; one only for the customer's own traits."""
    return _SPELLINGS.get(name, (name,))


def trait(traits: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of these names that has one, or None."""
    for name in names:
        value = traits.get(name)
        if value is not None:
            return value
    return None


def _every_spelling() -> dict[str, tuple[str, ...]]:
    found = {}
    for words in _RESERVED:
        capital = "".join(word.capitalize() for word in words)
        spelled = dict.fromkeys((capital[0].lower() + capital[1:], "_".join(words), "".join(words), capital))
        for name in spelled:
            found[name] = (name, *(other for other in spelled if other != name))
    return found


_SPELLINGS = _every_spelling()
