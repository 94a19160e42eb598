"""The JSON documents that tell how users fare in tours and checklists: numbers, progress, and reasons."""

from collections.abc import Mapping
from dataclasses import asdict

from productfruits.adoption.states import ANEW, WHOLE, State
from productfruits.models import Content
from productfruits.services.content_states import Followed
from productfruits.services.documents import Document
from productfruits.services.documents import instant as written
from productfruits.services.funnels import Funnel
from productfruits.services.times import instant
from productfruits.services.why import Explained


def followed(each: Followed) -> Document:
    """How far a user is in a content."""
    state = each.state
    return {
        "key": each.content.key,
        "kind": each.content.kind,
        "name": each.content.name,
        "state": state.state,
        "version": state.version,
        "session_id": state.session_id,
        "step_id": state.step_id,
        "items": items(state) if each.content.kind == "checklist" else {},
        "times_shown": state.times_shown,
        "first_shown_at": moment(state.first_shown_at),
        "last_shown_at": moment(state.last_shown_at),
        "snoozed_until": moment(state.snoozed_until),
        "ended_at": moment(state.ended_at),
        "end_reason": state.end_reason,
    }


def items(state: State) -> Document:
    """The items of a checklist that are done."""
    return {
        name: {"at": moment(item.at), "how": item.how, "event_id": item.event_id, "reported": item.reported}
        for name, item in state.items.items()
        if name not in (WHOLE, ANEW)
    }


def funnel(row: Content, numbers: Funnel, states: Mapping[str, int]) -> Document:
    """The numbers of a content."""
    common = {
        "key": row.key,
        "started": asdict(numbers.started),
        "completed": asdict(numbers.completed),
        "dismissed": asdict(numbers.dismissed),
        "completion_rate": numbers.completion_rate,
        "states": dict(states),
    }
    if row.kind == "tour":
        steps = [{**asdict(step), "drop_off": step.drop_off} for step in numbers.steps]
        return {**common, "snoozed": asdict(numbers.snoozed), "steps": steps}
    return {**common, "viewed": asdict(numbers.viewed), "items": [asdict(item) for item in numbers.items]}


def explained(each: Explained) -> Document:
    """Why a user sees a content, or not."""
    return {
        "key": each.content.key,
        "kind": each.content.kind,
        "name": each.content.name,
        "shows": each.shows,
        "gates": [asdict(verdict) for verdict in each.verdicts],
    }


def moment(at: int | None) -> str | None:
    """A time in microseconds since the epoch as it leaves this server."""
    return None if at is None else written(instant(at))
