"""A content begun anew, by an admin for everybody or by a page for its user: in order, once, and for nobody else."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from productfruits.adoption.states import ANEW
from productfruits.models import Content, Delivery, Event
from productfruits.segment.messages import Message
from productfruits.services.content_states import load
from tests.services.contents import happened
from tests.services.messages import message
from tests.services.scenes import LATER, Scene, done
from tests.services.senders import destination

AFTER = LATER + dt.timedelta(minutes=1)


def test_after_a_reset_old_states_are_void_and_late_events_change_nothing(scene: Scene) -> None:
    scene.receive(happened("tour_started", scene.tour), happened("tour_completed", scene.tour, at=LATER))
    with scene.sessions.begin() as session:
        session.get_one(Content, scene.tour).reset_at = LATER + dt.timedelta(minutes=1)
        owner = scene.user_ids()["ada"]
        assert load(session, scene.workspace_id, [("user", owner)]) == {}
    scene.receive(happened("tour_step_viewed", scene.tour, step_id="invite", session_id="s-late", at=LATER))
    with scene.sessions() as session:
        assert load(session, scene.workspace_id, [("user", owner)]) == {}
    scene.receive(happened("tour_started", scene.tour, session_id="s-2", at=LATER + dt.timedelta(hours=1)))
    with scene.sessions() as session:
        [state] = load(session, scene.workspace_id, [("user", owner)]).values()
    assert (state.state, state.times_shown) == ("in_progress", 1)


def begins_anew(
    content_id: Any, user_id: str | None = "ada", *, at: dt.datetime, reset_id: str, **more: Any
) -> Message:
    return message(
        "reset", user_id, at=at, message_id=reset_id, properties={"checklist": content_id}, signed=False, **more
    )


def started_and_connected(scene: Scene, **who: Any) -> list[Message]:
    done = {"item_id": "connect", "how": "click"}
    return [
        happened("checklist_started", scene.checklist, **who),
        happened("checklist_item_completed", scene.checklist, at=LATER, **done, **who),
    ]


@pytest.mark.parametrize("together", [True, False], ids=["one-group", "one-by-one"])
def test_a_user_begins_a_checklist_anew_in_the_order_of_the_messages(scene: Scene, together: bool) -> None:
    said = [
        *started_and_connected(scene),
        begins_anew(scene.checklist, at=AFTER, reset_id="r-1"),
        happened("checklist_item_completed", scene.checklist, at=LATER, item_id="teach", how="click"),
        happened("checklist_started", scene.checklist, session_id="s-2", at=AFTER + dt.timedelta(seconds=1)),
        happened("checklist_completed", scene.checklist, at=LATER),
    ]
    for group in [said] if together else [[each] for each in said]:
        scene.receive(*group, trust="public")
    state = scene.state(scene.checklist)
    assert state is not None
    assert (state.state, state.session_id, state.times_shown) == ("in_progress", "s-2", 1)
    assert done(state) == {ANEW}


def test_beginning_anew_counts_once_is_no_event_and_goes_to_nobody(scene: Scene) -> None:
    with scene.sessions.begin() as session:
        destination(session, scene.workspace_id, name="everything", filter={})
    anew = begins_anew(scene.checklist, at=LATER, reset_id="r-1")
    scene.receive(happened("checklist_started", scene.checklist), anew, trust="public")
    assert scene.receive(anew, trust="public").duplicates == 1
    with scene.sessions() as session:
        mine = Event.workspace_id == scene.workspace_id
        assert session.scalars(select(Event.name).where(mine)).all() == ["Checklist Started"]
        deliveries = select(Delivery.id).where(Delivery.workspace_id == scene.workspace_id)
        assert len(session.scalars(deliveries).all()) == 1


def test_what_is_begun_anew_may_never_have_begun_and_what_is_no_checklist_begins_nothing(scene: Scene) -> None:
    for number, about in enumerate((scene.tour, 999_999, "nothing", None, {"id": scene.checklist}, True)):
        assert scene.receive(begins_anew(about, at=LATER, reset_id=f"r-{number}"), trust="public").accepted == 1
    assert scene.state(scene.checklist) is None
    scene.receive(begins_anew(scene.checklist, at=AFTER, reset_id="r-9"), trust="public")
    scene.receive(*started_and_connected(scene))
    state = scene.state(scene.checklist)
    assert state is not None
    assert (state.state, done(state)) == ("not_started", {ANEW})


def test_a_visitor_begins_anew_and_never_for_the_user_whom_the_visitor_became(scene: Scene) -> None:
    visitor = {"user_id": None, "anonymous_id": "x"}
    scene.receive(*started_and_connected(scene, **visitor))
    scene.receive(begins_anew(scene.checklist, None, anonymous_id="x", at=AFTER, reset_id="r-1"), trust="public")
    assert done(scene.state(scene.checklist)) == {ANEW}
    scene.receive(message("identify", "ada", anonymous_id="x", message_id="m-1"))
    teach = {"item_id": "teach", "how": "click"}
    at = LATER + dt.timedelta(hours=1)
    scene.receive(happened("checklist_item_completed", scene.checklist, session_id="s-2", at=at, **teach))
    later = LATER + dt.timedelta(hours=2)
    scene.receive(begins_anew(scene.checklist, None, anonymous_id="x", at=later, reset_id="r-2"), trust="public")
    assert done(scene.state(scene.checklist)) == {ANEW, "teach"}
    scene.receive(begins_anew(scene.checklist, "ada", anonymous_id="x", at=later, reset_id="r-3"), trust="public")
    assert done(scene.state(scene.checklist)) == {ANEW}
