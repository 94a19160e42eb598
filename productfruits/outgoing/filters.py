"""Which of a workspace's events and changes of users go to a destination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

#: Everything that is stored; only what tours and checklists report; no events, but perhaps changes of users.
Which = Literal["all", "adoption", "none"]
WHICH: tuple[Which, ...] = get_args(Which)
TYPES = ("identify", "track", "page", "screen", "group", "alias")
CHANGES = ("user.created", "user.updated", "user.deleted", "user.conflict")
#: What our own snippet writes into the property `source` of its events.
OURS = "productfruits"


@dataclass(frozen=True, slots=True)
class Filter:
    """An empty list of types, names or audiences lets all of them through; no list of changes lets none.

    Audiences are for whoever knows the store to ask: here they are only kept.
    """

    events: Which = "all"
    types: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()

    def takes(self, kind: str, name: str | None, *, is_adoption: bool) -> bool:
        """True for an event of this kind and name; `is_adoption` is what the function of that name says of it."""
        if self.events == "none" or (self.types and kind not in self.types):
            return False
        if self.events == "adoption" and not is_adoption:
            return False
        return not self.names or name in self.names

    def takes_change(self, change: str) -> bool:
        """True for a change of a user, like "user.created"."""
        return change in self.changes


def is_adoption(kind: str, properties: Mapping[str, Any]) -> bool:
    """True for what a tour or checklist of ours reports, however its name was changed."""
    return kind == "track" and properties.get("source") == OURS


def read(stored: Mapping[str, Any]) -> Filter:
    """A filter as it is kept: a JSON object with the fields of `Filter`."""
    return Filter(
        stored.get("events", "all"),
        frozenset(stored.get("types", ())),
        frozenset(stored.get("names", ())),
        frozenset(stored.get("changes", ())),
        frozenset(stored.get("audiences", ())),
    )
