"""Items of published checklists that an event or a trait gets done, whoever sends it, with a page open or not.

Intake asks for them with every group of messages, so they are kept in memory until the workspace's generation moves on.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, select
from sqlalchemy.orm import Session

from productfruits.adoption import evaluate, rules
from productfruits.adoption.subjects import Subject
from productfruits.models import AdoptionSettings
from productfruits.services import contents, lookups

GENERATION = select(AdoptionSettings.generation).where(AdoptionSettings.workspace_id == bindparam("of_workspace"))


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """An item that is done by itself: once an event was seen so often, or once the user meets a condition."""

    content_id: int
    item_id: str
    title: str
    how: str
    event: str | None = None
    at_least: int = 1
    meets: Callable[[Subject, dt.datetime], bool] | None = None


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published checklist with such an item."""

    id: int
    key: str
    name: str
    version: int
    item_ids: tuple[str, ...]
    waiting: tuple[WaitingItem, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """All of a workspace."""

    checklists: Mapping[int, Checklist]
    by_event: Mapping[str, tuple[WaitingItem, ...]]
    by_trait: tuple[WaitingItem, ...]


NONE = Waiting({}, {}, ())
#: By store and workspace, with the generation that they were read at.
_known: WeakKeyDictionary[Engine | Connection, dict[int, tuple[int, Waiting]]] = WeakKeyDictionary()


def generation_question(workspace_id: int) -> lookups.Question:
    """Asks for the generation that `load` takes; no row where nothing was ever published."""
    return lookups.Question(GENERATION, {"of_workspace": workspace_id})


def load(session: Session, workspace_id: int, generation: int | None) -> Waiting:
    """The items as of this generation of the workspace's content."""
    if generation is None:
        return NONE
    of_store = _known.setdefault(session.get_bind(), {})
    known = of_store.get(workspace_id)
    if known is None or known[0] != generation:
        known = of_store[workspace_id] = (generation, _read(session, workspace_id))
    return known[1]


def _read(session: Session, workspace_id: int) -> Waiting:
    checklists = {}
    for live in contents.live(session, workspace_id):
        if live.kind == "checklist":
            items = live.document["items"]
            waiting = tuple(found for item in items if (found := _waiting(live.id, item)) is not None)
            if waiting:
                ids = tuple(item["id"] for item in items)
                checklists[live.id] = Checklist(live.id, live.key, live.name, live.version, ids, waiting)
    every = [item for checklist in checklists.values() for item in checklist.waiting]
    by_event: dict[str, tuple[WaitingItem, ...]] = {}
    for item in every:
        if item.event is not None:
            by_event[item.event] = (*by_event.get(item.event, ()), item)
    return Waiting(checklists, by_event, tuple(item for item in every if item.meets is not None))


def _waiting(content_id: int, item: Mapping[str, Any]) -> WaitingItem | None:
    done = item["done"]
    match done["by"]:
        case "event":
            at_least = done.get("at_least") or 1
            return WaitingItem(content_id, item["id"], item["title"], "event", done["event"], at_least)
        case "trait":
            compiled = evaluate.compile(rules.parse(done["rule"]), {})

            def meets(subject: Subject, now: dt.datetime) -> bool:
                return compiled.apply(subject, now) is True

            return WaitingItem(content_id, item["id"], item["title"], "trait", meets=meets)
        case _:
            return None
