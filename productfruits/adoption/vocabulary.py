"""The vocabulary of adoption events: one JSON file for the server, the snippet and the documentation (docs/events.md).

Names are fixed once: analysts build on them. What a workspace calls an event in Segment is its business; `raw` stays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: `properties.source` of every adoption event, whoever sends it.
SOURCE: Final = "productfruits"


@dataclass(frozen=True, slots=True)
class AdoptionEvent:
    """What can happen to a tour or a checklist. `ends`: the state that it ends its session in, or None."""

    raw: str
    name: str
    of: str
    properties: tuple[str, ...]
    ends: str | None


def _event(said: Mapping[str, Any]) -> AdoptionEvent:
    return AdoptionEvent(said["raw"], said["name"], said["of"], tuple(said["properties"]), said.get("ends"))


_SAID = json.loads(Path(__file__).with_name("vocabulary.json").read_text("utf-8"))

#: Properties of every event, before its own.
COMMON: Final[tuple[str, ...]] = tuple(_SAID["common"])
#: By raw name, in the order of the documentation.
EVENTS: Final[Mapping[str, AdoptionEvent]] = {said["raw"]: _event(said) for said in _SAID["events"]}
START_REASONS: Final[tuple[str, ...]] = tuple(_SAID["start_reasons"])
END_REASONS: Final[tuple[str, ...]] = tuple(_SAID["end_reasons"])
#: How an item of a checklist can be done.
ITEM_WAYS: Final[tuple[str, ...]] = tuple(_SAID["item_ways"])
