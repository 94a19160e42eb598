"""How far a user is in a content: what each event changes, and how the states of two users become one.

A state is the furthest thing that was said about the newest session, so the order in which the events of a session
arrive, how often, from how many tabs and by which way, makes no difference. Times are microseconds since the epoch.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from productfruits.adoption import vocabulary

#: Under this name, which no item can have, a checklist keeps its own completion if the server found it out.
WHOLE: Final = "*"
#: A fresh start, which is no event of the vocabulary: a session in which nothing has happened yet. The last one is kept
#: under a name that no item can have, so that what is told late of the time before it counts no more.
RESET: Final = "checklist_reset"
ANEW: Final = "^"
#: Items are remembered up to this number: ids come from pages that anybody can imitate.
ITEMS_LIMIT: Final = 100

_SHOWING: Final = frozenset(
    {"tour_started", "tour_step_viewed", "tour_resumed", "checklist_started", "checklist_viewed"}
)
_AT_A_STEP: Final = frozenset({"tour_step_viewed", "tour_resumed"})
#: How far a state is. Of one session the furthest counts, however late the nearer ones arrive.
_RANKS: Final = {"not_started": 0, "in_progress": 1, "snoozed": 1, "dismissed": 2, "completed": 3}


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a checklist that is done, or a step of a tour that was completed.

    `reported`: a page knows of it, so that its analytics know as well. What the server found out waits for a page.
    """

    at: int
    how: str
    event_id: str
    reported: bool = True


@dataclass(frozen=True, slots=True)
class State:
    state: str = "not_started"
    #: The version that the session began with.
    version: int = 0
    session_id: str | None = None
    #: The step of a tour that is shown, or was shown last.
    step_id: str | None = None
    items: Mapping[str, Item] = dataclasses.field(default_factory=dict)
    times_shown: int = 0
    first_shown_at: int | None = None
    last_shown_at: int | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    snoozed_until: int | None = None
    #: Time of the event that set the state.
    state_at: int = 0

    @property
    def is_live(self) -> bool:
        """Items of a checklist can still become done, also while it is dismissed, since it may be opened again."""
        return self.state not in ("not_started", "completed")


NOTHING: Final = State()


@dataclass(frozen=True, slots=True)
class Happening:
    """One adoption event, as far as states are concerned."""

    raw: str
    at: int
    event_id: str
    version: int = 0
    session_id: str | None = None
    step_id: str | None = None
    item_id: str | None = None
    how: str | None = None
    end_reason: str | None = None
    snoozed_until: int | None = None
    reported: bool = True


def advance(state: State, event: Happening) -> State:
    """The state after one more event; the same one where the event says nothing new."""
    if not _is_after_reset(state, event):
        return state
    if event.raw == RESET:
        return _begin_anew(state, event)
    said = _said(event)
    if event.session_id is None or event.session_id == state.session_id:
        advanced = _join(state, said)
    elif _is_newer(event, state):
        # A tour begins anew with each session; the items of a checklist stay done.
        kept = {} if event.raw.startswith("tour_") else state.items
        advanced = dataclasses.replace(
            said,
            items=_union(kept, said.items),
            times_shown=state.times_shown + 1,
            first_shown_at=_least(state.first_shown_at, said.first_shown_at),
            last_shown_at=_most(state.last_shown_at, said.last_shown_at),
        )
    else:
        advanced = _keep_of_older(state, said, event)
    return state if advanced == state else advanced


def merge(one: State, other: State) -> State:
    """The state of a user who turned out to be two: the further one, and what is done of both."""
    if one.session_id == other.session_id:
        return _join(one, other)
    further, nearer = sorted((one, other), key=_progress, reverse=True)
    return dataclasses.replace(
        further,
        items=_union(further.items, nearer.items),
        times_shown=max(one.times_shown, other.times_shown),
        first_shown_at=_least(one.first_shown_at, other.first_shown_at),
        last_shown_at=_most(one.last_shown_at, other.last_shown_at),
    )


def report(state: State, event_id: str) -> State:
    """The state once a page has told its analytics about this event, which the server had found out."""
    items = {
        name: dataclasses.replace(item, reported=True) if item.event_id == event_id else item
        for name, item in state.items.items()
    }
    return state if items == state.items else dataclasses.replace(state, items=items)


def current_step(state: State, steps: Iterable[str]) -> str | None:
    """The step at which a tour goes on: after a completed one the next, even if it was never reached.

    `steps` are the ids of the version that the user is in. None: at the beginning.
    """
    order = list(steps)
    if state.step_id not in order:
        # A click on the real element may lead to another page before the next step was seen.
        done = [step for step in order if step in state.items]
        position = order.index(done[-1]) + 1 if done else 0
    else:
        position = order.index(state.step_id)
        done_at = state.items.get(state.step_id)
        if done_at is not None and done_at.at >= state.state_at:
            position += 1
    return order[position] if 0 < position < len(order) else None


def is_done(state: State, items: Iterable[str]) -> bool:
    """Whether all of these items are."""
    return all(item in state.items for item in items)


def dump_items(state: State) -> dict[str, Any]:
    """The items as they are stored."""
    return {name: dataclasses.asdict(item) for name, item in state.items.items()}


def load_items(stored: Mapping[str, Any]) -> dict[str, Item]:
    return {name: Item(**said) for name, said in stored.items()}


def _begin_anew(state: State, event: Happening) -> State:
    """Nothing is done, but what is told already of the time since."""
    mark = {ANEW: Item(event.at, "reset", event.event_id)}
    if not _is_newer(event, state):
        since = {name: item for name, item in state.items.items() if item.at >= event.at}
        return dataclasses.replace(state, items=since | mark, times_shown=1)
    return State(session_id=event.session_id, items=mark, state_at=event.at)


def _is_after_reset(state: State, event: Happening) -> bool:
    """Whether the event is of no attempt before the last fresh start."""
    began = state.items.get(ANEW)
    return began is None or _is_newer(event, State(session_id=began.event_id, state_at=began.at))


def _said(event: Happening) -> State:
    """What one event alone says."""
    ends = vocabulary.EVENTS[event.raw].ends
    items: dict[str, Item] = {}
    if event.raw == "tour_step_completed" and event.step_id is not None:
        items[event.step_id] = Item(event.at, "completed", event.event_id)
    elif event.raw == "checklist_item_completed" and event.item_id is not None:
        items[event.item_id] = Item(event.at, event.how or "api", event.event_id, event.reported)
    elif event.raw == "checklist_completed" and not event.reported:
        items[WHOLE] = Item(event.at, "completed", event.event_id, False)
    if event.session_id is None:
        return State(items=items, state_at=event.at)
    shown = event.at if event.raw in _SHOWING else None
    snoozes = event.raw == "tour_snoozed"
    return State(
        state=ends or ("snoozed" if snoozes else "in_progress"),
        version=event.version,
        session_id=event.session_id,
        step_id=event.step_id if ends or snoozes or event.raw in _AT_A_STEP else None,
        items=items,
        times_shown=1,
        first_shown_at=shown,
        last_shown_at=shown,
        ended_at=event.at if ends else None,
        end_reason=event.end_reason if ends else None,
        snoozed_until=event.snoozed_until if snoozes else None,
        state_at=event.at,
    )


def _join(one: State, other: State) -> State:
    """What two say about the same session."""
    further = max(one, other, key=_progress)
    versions = [version for version in (one.version, other.version) if version]
    return dataclasses.replace(
        further,
        session_id=one.session_id or other.session_id,
        version=min(versions, default=0),
        items=_union(one.items, other.items),
        times_shown=max(one.times_shown, other.times_shown),
        first_shown_at=_least(one.first_shown_at, other.first_shown_at),
        last_shown_at=_most(one.last_shown_at, other.last_shown_at),
    )


def _keep_of_older(state: State, said: State, event: Happening) -> State:
    """An older session changes nothing but what is done for ever, and when something was shown."""
    kept = {} if event.raw.startswith("tour_") else said.items
    return dataclasses.replace(
        state,
        items=_union(state.items, kept),
        first_shown_at=_least(state.first_shown_at, said.first_shown_at),
        last_shown_at=_most(state.last_shown_at, said.last_shown_at),
    )


def _progress(state: State) -> tuple[Any, ...]:
    """How far a state is; one order for all that can be said, so that it makes no difference who says it first."""
    rank = _RANKS[state.state]
    if rank >= _RANKS["dismissed"]:
        # The first end is the end.
        return (rank, 0, -state.state_at, state.end_reason or "", state.step_id or "", state.session_id or "")
    # To be at a step says more than to have begun.
    is_at_step = int(rank == 1 and (state.step_id is not None or state.state == "snoozed"))
    return (
        rank,
        is_at_step,
        state.state_at,
        state.state,  # at the same moment a snooze is later than the step it snoozes
        state.step_id or "",
        (state.snoozed_until or 0, state.session_id or ""),
    )


def _is_newer(event: Happening, state: State) -> bool:
    """Whether the event's session began after the state's."""
    if state.session_id is None:
        return True
    began, others = _began(event.session_id or ""), _began(state.session_id)
    if began is not None and others is not None:
        return (began, event.session_id or "") > (others, state.session_id)
    return (event.at, event.session_id or "") > (state.state_at, state.session_id)


def _began(session_id: str) -> int | None:
    """When a session began, if its id tells: a UUID version 7 begins with the milliseconds."""
    if len(session_id) != 36 or session_id[14] != "7":
        return None
    try:
        return int(session_id[:8] + session_id[9:13], 16)
    except ValueError:
        return None


def _union(one: Mapping[str, Item], other: Mapping[str, Item]) -> Mapping[str, Item]:
    if not other:
        return one
    items = dict(one)
    for name, item in other.items():
        known = items.get(name)
        if name == ANEW:
            items[name] = max(item, known or item, key=lambda each: (each.at, each.event_id))
        elif known is None:
            if len(items) < ITEMS_LIMIT:
                items[name] = item
        else:
            first = min(known, item, key=lambda each: (each.at, each.how, each.event_id))
            is_same = known.event_id == item.event_id
            reported = known.reported or item.reported if is_same else first.reported
            items[name] = dataclasses.replace(first, reported=reported)
    return items


def _least(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((at for at in (one, other) if at is not None), default=None)
