"""What became of a tour or checklist: how many saw it, finished it, closed it, and where they stopped.

Counted from the events themselves, over all versions, since steps and items keep their ids. Users and visitors count
once each in `users`, every event in `total`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.models import Content, Event
from productfruits.services import contents


@dataclass(frozen=True, slots=True)
class Count:
    """How many users and visitors, and how often."""

    users: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a tour."""

    id: str
    name: str
    viewed: Count
    completed: Count
    target_missing: Count

    @property
    def drop_off(self) -> float | None:
        """Which part of those who saw it did not complete it, from 0 to 1."""
        return max(0.0, 1 - self.completed.users / self.viewed.users) if self.viewed.users else None


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a checklist."""

    id: str
    name: str
    clicked: Count
    completed: Count


@dataclass(frozen=True, slots=True)
class Funnel:
    """The numbers of one content. A tour has steps, a checklist items."""

    viewed: Count
    started: Count
    completed: Count
    dismissed: Count
    snoozed: Count
    steps: Sequence[Step]
    items: Sequence[Item]

    @property
    def completion_rate(self) -> float | None:
        """Which part of those who started completed it, from 0 to 1."""
        return min(1.0, self.completed.users / self.started.users) if self.started.users else None


#: Raw name and id of the step or item ("" for the content itself) -> count.
_Counts = dict[tuple[str, str], Count]


def of_content(
    session: Session, content: Content, *, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> Funnel:
    """What happened from `since` on and before `until`. Previews are not among it."""
    counts = _counts(session, content, since, until)
    newest = contents.newest(session, content)
    document = content.draft if newest is None else newest.document

    def whole(name: str) -> Count:
        return counts.get((f"{content.kind}_{name}", ""), Count())

    return Funnel(
        viewed=whole("viewed"),
        started=whole("started"),
        completed=whole("completed"),
        dismissed=whole("dismissed"),
        snoozed=whole("snoozed"),
        steps=[
            Step(
                part,
                name,
                counts.get(("tour_step_viewed", part), Count()),
                counts.get(("tour_step_completed", part), Count()),
                counts.get(("tour_target_missing", part), Count()),
            )
            for part, name in _parts(document.get("steps", ()), counts, "tour_step_viewed")
        ],
        items=[
            Item(
                part,
                name,
                counts.get(("checklist_item_clicked", part), Count()),
                counts.get(("checklist_item_completed", part), Count()),
            )
            for part, name in _parts(document.get("items", ()), counts, "checklist_item_completed")
        ],
    )


def _counts(session: Session, content: Content, since: dt.datetime | None, until: dt.datetime | None) -> _Counts:
    raw = Event.properties["raw_name"].as_string()
    step, item = Event.properties["step_id"].as_string(), Event.properties["item_id"].as_string()
    who = func.coalesce(Event.user_id, "visitor " + Event.anonymous_id)
    mine = [Event.workspace_id == content.workspace_id, Event.content_id == content.id]
    if since is not None:
        mine.append(Event.timestamp >= since)
    if until is not None:
        mine.append(Event.timestamp < until)
    each = select(raw.label("raw"), step.label("step"), item.label("item"), who.label("who")).where(*mine).subquery()
    found: _Counts = {}
    by_content = select(each.c.raw, func.count(each.c.who.distinct()), func.count()).group_by(each.c.raw)
    for name, users, total in session.execute(by_content):
        found[name, ""] = Count(users, total)
    part = func.coalesce(each.c.step, each.c.item)
    by_part = (
        select(each.c.raw, part, func.count(each.c.who.distinct()), func.count())
        .where(part.is_not(None))
        .group_by(each.c.raw, part)
    )
    for name, part_id, users, total in session.execute(by_part):
        found[name, part_id] = Count(users, total)
    return found


def _parts(said: Iterable[dict[str, Any]], counts: _Counts, seen: str) -> list[tuple[str, str]]:
    """Ids and names as they stand in the newest version; then those of former versions that somebody saw."""
    parts = {part["id"]: part.get("name") or part["title"] for part in said}
    former = sorted(part for raw, part in counts if raw == seen and part and part not in parts)
    return [*parts.items(), *((part, part) for part in former)]
