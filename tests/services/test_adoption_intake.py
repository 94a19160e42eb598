"""What messages do to tours and checklists, whoever sends them."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import ContentState, User
from productfruits.services import content_states, erasure, same_person, workspaces
from tests.services.contents import checklist, happened, publish
from tests.services.messages import NOW, arrival, message, receive
from tests.services.scenes import LATER, Scene, done


def test_a_tour_is_followed_from_page_to_page(scene: Scene) -> None:
    scene.receive(
        happened("tour_started", scene.tour), happened("tour_step_viewed", scene.tour, at=LATER, step_id="invite")
    )
    state = scene.state(scene.tour)
    assert state is not None
    assert (state.state, state.step_id, state.session_id, state.version) == ("in_progress", "invite", "s-1", 1)
    assert [event.content_id for event in scene.events("Tour Started")] == [scene.tour]


@pytest.mark.parametrize("copy_first", [False, True], ids=["page-first", "webhook-first"])
def test_the_copy_that_comes_back_through_segment_is_the_same_event(scene: Scene, copy_first: bool) -> None:
    own = happened("tour_started", scene.tour, event_id="5f0c6a9e-0000-4000-8000-000000000001")
    copy = happened(
        "tour_started",
        scene.tour,
        event_id="5f0c6a9e-0000-4000-8000-000000000001",
        message_id="ajs-next-1-abc",
    )
    first, second = (copy, own) if copy_first else (own, copy)
    assert scene.receive(first).accepted == 1
    again = scene.receive(second, first)
    assert (again.accepted, again.duplicates) == (0, 2)
    assert len(scene.events("Tour Started")) == 1


def test_one_event_by_both_ways_in_one_group_counts_once(scene: Scene) -> None:
    receipt = scene.receive(
        happened("tour_started", scene.tour, event_id="e-1"),
        happened("tour_started", scene.tour, event_id="e-1", message_id="ajs-1"),
    )
    assert (receipt.accepted, receipt.duplicates) == (1, 1)


def test_a_message_id_is_no_event_id(scene: Scene) -> None:
    scene.receive(message("track", "ada", message_id="e-1", name="Did"))
    assert scene.receive(happened("tour_started", scene.tour, event_id="e-1", message_id="other")).accepted == 1


def test_previews_and_contents_of_others_change_nothing(scene: Scene) -> None:
    receipt = scene.receive(
        happened("tour_started", scene.tour, is_preview=True),
        happened("tour_started", scene.checklist),
        happened("tour_started", 999_999),
        happened("tour_started", 2**70),
        happened("tour_started", scene.tour, raw_name="tour_exploded"),
    )
    assert receipt.accepted == 5
    assert scene.state(scene.tour) is None
    assert [event.content_id for event in scene.events("Tour Started")] == [None] * 5


@pytest.mark.parametrize(
    "own",
    [
        {"version": True, "session_id": 7, "step_id": ["x"], "end_reason": {}, "snoozed_until": "soon"},
        {"version": -1, "session_id": "", "step_id": "No Slug", "end_reason": "boredom", "snoozed_until": 1e300},
        {"version": 2**63, "session_id": "s" * 10_000, "step_id": None, "event_id": 5},
    ],
)
def test_nonsense_in_properties_breaks_nothing(scene: Scene, own: dict[str, Any]) -> None:
    for raw in ("tour_step_viewed", "tour_snoozed", "tour_dismissed"):
        assert scene.receive(happened(raw, scene.tour, message_id=f"m-{raw}", **own)).accepted == 1


def test_an_event_from_anywhere_gets_an_item_done(scene: Scene) -> None:
    scene.receive(happened("checklist_started", scene.checklist))
    scene.receive(message("track", "ada", message_id="m-1", name="Source Connected", at=LATER))
    state = scene.state(scene.checklist)
    assert done(state) == {"connect"}
    assert state is not None
    item = state.items["connect"]
    assert (item["how"], item["reported"]) == ("event", False)
    [event] = scene.events("Checklist Item Completed")
    assert (event.message_id, event.source, event.content_id) == (item["event_id"], "server", scene.checklist)
    assert event.properties["progress"] == 33
    assert event.timestamp == LATER


def test_so_many_events_as_the_item_asks_for(scene: Scene) -> None:
    scene.receive(happened("checklist_started", scene.checklist))
    scene.receive(message("track", "ada", message_id="m-1", name="Lesson Read"))
    assert done(scene.state(scene.checklist)) == set()
    scene.receive(message("track", "ada", message_id="m-2", name="Lesson Read"))
    assert done(scene.state(scene.checklist)) == {"teach"}


def test_what_happened_before_the_checklist_began_counts(scene: Scene) -> None:
    scene.receive(message("identify", "ada", message_id="m-0", traits={"plan": "pro"}))
    scene.receive(message("track", "ada", message_id="m-1", name="Source Connected"))
    assert scene.state(scene.checklist) is None
    scene.receive(happened("checklist_started", scene.checklist))
    assert done(scene.state(scene.checklist)) == {"connect", "upgrade"}


def test_what_a_visitor_did_counts_once_the_visitor_is_known(scene: Scene) -> None:
    scene.receive(message("track", anonymous_id="x", message_id="m-1", name="Source Connected"))
    scene.receive(happened("checklist_started", scene.checklist))
    assert done(scene.state(scene.checklist)) == set()
    scene.receive(message("identify", "ada", anonymous_id="x", message_id="m-2"))
    assert done(scene.state(scene.checklist)) == {"connect"}


def test_the_last_item_completes_the_checklist_once(scene: Scene) -> None:
    scene.receive(
        happened("checklist_started", scene.checklist),
        message("track", "ada", message_id="m-1", name="Source Connected"),
        message("track", "ada", message_id="m-2", name="Lesson Read"),
        message("track", "ada", message_id="m-3", name="Lesson Read"),
        message("identify", "ada", message_id="m-4", traits={"plan": "pro"}),
    )
    scene.receive(message("identify", "ada", message_id="m-5", traits={"plan": "pro", "city": "Rome"}))
    state = scene.state(scene.checklist)
    assert state is not None
    assert (state.state, state.end_reason) == ("completed", "completed")
    assert len(scene.events("Checklist Completed")) == 1
    assert len(scene.events("Checklist Item Completed")) == 3


def test_items_of_a_dismissed_checklist_go_on_and_it_stays_dismissed(scene: Scene) -> None:
    scene.receive(
        happened("checklist_started", scene.checklist),
        happened("checklist_dismissed", scene.checklist, at=LATER),
        message("track", "ada", message_id="m-1", name="Source Connected"),
    )
    state = scene.state(scene.checklist)
    assert done(state) == {"connect"}
    assert state is not None
    assert state.state == "dismissed"


def test_our_own_events_get_nothing_done(scene: Scene) -> None:
    with scene.sessions.begin() as session:
        loop = publish(
            session,
            scene.workspace_id,
            "checklist",
            checklist(
                first={"by": "event", "event": "Source Connected"},
                second={"by": "event", "event": "Checklist Item Completed"},
            ),
        )
    scene.receive(happened("checklist_started", loop))
    scene.receive(message("track", "ada", message_id="m-1", name="Source Connected"))
    assert done(scene.state(loop)) == {"first"}


def test_the_echo_of_the_servers_event_marks_it_reported(scene: Scene) -> None:
    scene.receive(happened("checklist_started", scene.checklist))
    scene.receive(message("track", "ada", message_id="m-1", name="Source Connected"))
    state = scene.state(scene.checklist)
    assert state is not None
    event_id = state.items["connect"]["event_id"]
    receipt = scene.receive(
        happened("checklist_item_completed", scene.checklist, event_id=event_id, message_id="ajs-9", item_id="connect")
    )
    assert receipt.duplicates == 1
    reported = scene.state(scene.checklist)
    assert reported is not None
    assert reported.items["connect"] == state.items["connect"] | {"reported": True}
    assert len(scene.events("Checklist Item Completed")) == 1


def test_a_guessed_id_of_our_event_stops_nobody(scene: Scene) -> None:
    """The id can be worked out by whoever chooses the messageId that leads to it."""
    scene.receive(happened("checklist_started", scene.checklist))
    scene.receive(message("track", "ada", message_id="m-1", name="Source Connected"))
    [event] = scene.events("Checklist Item Completed")
    with scene.sessions.begin() as session:
        session.execute(delete(ContentState).where(ContentState.workspace_id == scene.workspace_id))
    scene.receive(happened("checklist_started", scene.checklist, event_id=event.message_id, message_id="another"))
    receipt = scene.receive(
        happened("checklist_started", scene.checklist),
        message("track", "ada", message_id="m-2", name="Source Connected"),
    )
    assert receipt.accepted == 2
    assert done(scene.state(scene.checklist)) == {"connect"}


def test_the_state_of_a_visitor_becomes_the_users(scene: Scene) -> None:
    scene.receive(happened("tour_started", scene.tour, None, anonymous_id="x"))
    state = scene.state(scene.tour)
    assert state is not None
    assert state.anonymous_id == "x"
    scene.receive(message("identify", "ada", anonymous_id="x", message_id="m-1"))
    joined = scene.state(scene.tour)
    assert joined is not None
    assert joined.anonymous_id is None
    assert joined.user_id is not None


def test_two_users_who_are_one_have_the_further_state(scene: Scene) -> None:
    scene.receive(
        happened("tour_started", scene.tour, "ada"),
        happened("tour_completed", scene.tour, "ada", at=LATER),
        happened("tour_started", scene.tour, "ada-2", session_id="s-2", at=LATER),
    )
    ids = scene.user_ids()
    with scene.sessions.begin() as session:
        same_person.merge(session, scene.workspace_id, ids["ada-2"], ids["ada"], NOW)
    state = scene.state(scene.tour)
    assert state is not None
    assert (state.state, state.user_id) == ("completed", ids["ada-2"])


def test_an_alias_carries_states_along(scene: Scene) -> None:
    scene.receive(happened("tour_started", scene.tour, "old"))
    scene.receive(message("identify", "new", message_id="m-1"))
    scene.receive(message("alias", "new", previous_id="old", message_id="m-2"))
    with scene.sessions() as session:
        mine = select(User.username, ContentState.state).join(ContentState)
        [row] = session.execute(mine.where(User.workspace_id == scene.workspace_id)).all()
    assert tuple(row) == ("new", "in_progress")


def test_erasing_a_user_erases_the_states(scene: Scene) -> None:
    scene.receive(happened("tour_started", scene.tour))
    [user_id] = scene.user_ids().values()
    with scene.sessions.begin() as session:
        erasure.erase(session, scene.workspace_id, user_id, "api", NOW)
    assert scene.state(scene.tour) is None


def test_a_page_asks_anew_after_every_change_of_a_state(scene: Scene) -> None:
    def changed_at() -> dt.datetime:
        with scene.sessions() as session:
            return session.get_one(User, scene.user_ids()["ada"]).changed_at

    scene.receive(happened("tour_started", scene.tour, at=LATER))
    with scene.sessions.begin() as session:
        session.get_one(User, scene.user_ids()["ada"]).changed_at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    scene.receive(happened("tour_step_viewed", scene.tour, step_id="welcome", at=NOW))
    assert changed_at().year > 2020


def test_nothing_is_asked_for_while_nothing_is_published(module_sessions: sessionmaker[Session]) -> None:
    with module_sessions.begin() as session:
        workspace_id = workspaces.create(session, "Empty", now=NOW).id
    receive(
        module_sessions, [arrival(workspace_id, message("track", "ada", message_id="m-1", name="Source Connected"))]
    )
    with module_sessions() as session:
        assert session.scalar(select(ContentState.id).where(ContentState.workspace_id == workspace_id)) is None
        assert content_states.load(session, workspace_id, []) == {}
