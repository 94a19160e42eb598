import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.adoption import vocabulary
from productfruits.adoption.states import (
    ANEW,
    NOTHING,
    RESET,
    WHOLE,
    Happening,
    Item,
    State,
    advance,
    current_step,
    merge,
    report,
)

STEPS = ("welcome", "invite", "done")
#: Session ids of both sorts: those that tell their beginning, and those that do not.
V7 = ("01900000-0000-7000-8000-000000000001", "01900000-0001-7000-8000-000000000000")
OTHER = ("s-1", "s-2")


def happening(raw: str, at: int = 10, session_id: str | None = "s-1", **more: Any) -> Happening:
    return Happening(raw, at, more.pop("event_id", f"{raw}-{at}-{session_id}"), 1, session_id, **more)


def after(*events: Happening, state: State = NOTHING) -> State:
    for event in events:
        state = advance(state, event)
    return state


def drawn(session_ids: tuple[str, ...], kind: str = "") -> st.SearchStrategy[Happening]:
    return st.builds(
        Happening,
        raw=st.sampled_from([raw for raw in vocabulary.EVENTS if raw.startswith(kind)]),
        at=st.integers(1, 6),
        event_id=st.sampled_from(("e1", "e2", "e3")),
        version=st.integers(1, 2),
        session_id=st.sampled_from(session_ids),
        step_id=st.sampled_from((None, *STEPS)),
        item_id=st.sampled_from((None, "a", "b")),
        how=st.sampled_from(vocabulary.ITEM_WAYS),
        end_reason=st.sampled_from(vocabulary.END_REASONS),
        snoozed_until=st.sampled_from((None, 100, 200)),
        reported=st.booleans(),
    )


@given(st.lists(drawn(("s-1",)), max_size=12), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_a_sessions_events_leave_the_same_state(
    events: list[Happening], chance: random.Random
) -> None:
    shuffled = events + chance.choices(events, k=len(events) // 2) if events else []
    chance.shuffle(shuffled)
    assert after(*shuffled) == after(*events)


@given(st.lists(drawn(V7), max_size=12), st.randoms(use_true_random=False))
def test_sessions_that_tell_when_they_began_may_arrive_in_any_order(
    events: list[Happening], chance: random.Random
) -> None:
    newest = max((event.session_id or "" for event in events), default="")
    shuffled = list(events)
    chance.shuffle(shuffled)
    left, right = after(*events), after(*shuffled)
    assert left.session_id == (newest or None)
    # How often it was shown is counted as sessions begin, so there alone the order counts.
    assert dataclasses.replace(left, times_shown=0, items={}) == dataclasses.replace(right, times_shown=0, items={})


@given(st.lists(drawn(OTHER + V7), max_size=8), st.lists(drawn(OTHER + V7), max_size=8))
def test_merging_two_users_does_not_depend_on_which_is_kept(one: list[Happening], other: list[Happening]) -> None:
    first, second = after(*one), after(*other)
    assert merge(first, second) == merge(second, first)
    assert merge(first, first) == first
    assert merge(first, NOTHING) == merge(NOTHING, first)


def reset(at: int, reset_id: str) -> Happening:
    return Happening(RESET, at, reset_id, session_id=reset_id)


@given(st.lists(drawn(V7[:1], "checklist"), max_size=8), st.lists(drawn(V7[1:], "checklist"), max_size=8), st.data())
def test_nothing_of_the_time_before_a_fresh_start_comes_back_however_late_it_is_told(
    before: list[Happening], since: list[Happening], data: st.DataObject
) -> None:
    begun = reset(3, "01900000-0000-7000-8000-000000000002")
    wanted = after(begun, *since)
    early = data.draw(st.integers(0, len(before)))
    late = [(data.draw(st.integers(0, len(since))), event) for event in (*before[early:], begun)]
    mixed = list(since)
    for place, event in sorted(late, key=lambda each: each[0], reverse=True):
        mixed.insert(place, event)
    assert after(*before[:early], begun, *mixed) == wanted


def test_a_fresh_start_goes_by_time_where_sessions_tell_none() -> None:
    done = after(happening("checklist_started", 1), happening("checklist_item_completed", 2, item_id="a", how="click"))
    anew = after(reset(5, "r-1"), state=done)
    assert (anew.state, anew.times_shown, set(anew.items)) == ("not_started", 0, {ANEW})
    assert after(happening("checklist_completed", 4), state=anew) is anew
    again = after(happening("checklist_started", 6, "s-2"), state=anew)
    assert (again.state, again.times_shown, set(again.items)) == ("in_progress", 1, {ANEW})


def test_a_fresh_start_that_is_told_late_or_again_takes_nothing_that_came_after_it() -> None:
    state = after(
        happening("checklist_item_completed", 2, item_id="a", how="click"),
        happening("checklist_started", 6, "s-2"),
        happening("checklist_item_completed", 7, "s-2", item_id="b", how="click"),
    )
    told = after(reset(5, "r-1"), state=state)
    assert (told.state, told.session_id, set(told.items)) == ("in_progress", "s-2", {ANEW, "b"})
    assert after(reset(5, "r-1"), reset(4, "r-0"), state=told) is told
    assert set(after(reset(9, "r-2"), state=told).items) == {ANEW}


def test_the_last_fresh_start_of_two_users_who_are_one_counts() -> None:
    one, other = after(reset(5, "r-1")), after(reset(7, "r-2"), happening("checklist_started", 8, "s-2"))
    both = merge(one, other)
    assert both == merge(other, one)
    assert (both.session_id, both.items[ANEW].event_id) == ("s-2", "r-2")


def test_a_tour_from_start_to_end() -> None:
    started = after(happening("tour_started", 1))
    assert (started.state, started.times_shown, started.step_id) == ("in_progress", 1, None)
    viewed = after(happening("tour_step_viewed", 2, step_id="welcome"), state=started)
    assert (viewed.step_id, viewed.last_shown_at) == ("welcome", 2)
    ended = after(happening("tour_completed", 5, step_id="done", end_reason="completed"), state=viewed)
    assert (ended.state, ended.ended_at, ended.end_reason, ended.times_shown) == ("completed", 5, "completed", 1)


def test_what_comes_after_the_end_of_a_session_changes_nothing() -> None:
    ended = after(happening("tour_started", 1), happening("tour_dismissed", 5, step_id="welcome", end_reason="escape"))
    late = after(
        happening("tour_step_viewed", 9, step_id="done"),
        happening("tour_snoozed", 9, step_id="done", snoozed_until=99),
        happening("tour_dismissed", 6, step_id="done", end_reason="backdrop"),
        state=ended,
    )
    assert dataclasses.replace(late, last_shown_at=1) == ended


def test_a_new_session_begins_after_the_end_and_an_older_one_never_comes_back() -> None:
    again = after(
        happening("tour_started", 1),
        happening("tour_step_completed", 2, step_id="welcome"),
        happening("tour_dismissed", 5),
        happening("tour_started", 7, "s-2"),
        happening("tour_step_viewed", 6, step_id="done"),
        happening("tour_completed", 6),
    )
    assert (again.state, again.session_id, again.times_shown, again.items) == ("in_progress", "s-2", 2, {})


def test_the_version_is_the_one_the_session_began_with() -> None:
    first = happening("tour_started", 1)
    later = dataclasses.replace(happening("tour_step_viewed", 2, step_id="welcome"), version=4)
    assert after(first, later).version == after(later, first).version == 1


def test_snoozed_until_somebody_resumes() -> None:
    snoozed = after(
        happening("tour_step_viewed", 2, step_id="invite"),
        happening("tour_snoozed", 3, step_id="invite", snoozed_until=50),
    )
    assert (snoozed.state, snoozed.snoozed_until, snoozed.step_id) == ("snoozed", 50, "invite")
    resumed = after(happening("tour_resumed", 51, step_id="invite"), state=snoozed)
    assert (resumed.state, resumed.snoozed_until, resumed.times_shown) == ("in_progress", None, 1)


def test_a_missing_target_completes_nothing() -> None:
    state = after(happening("tour_started", 1), happening("tour_target_missing", 2, step_id="invite"))
    assert (state.state, state.items) == ("in_progress", {})


def test_items_stay_done_over_sessions_and_without_one() -> None:
    state = after(
        happening("checklist_item_completed", 1, None, item_id="a", how="api"),
        happening("checklist_started", 2),
        happening("checklist_item_completed", 3, item_id="b", how="click"),
        happening("checklist_dismissed", 4),
        happening("checklist_started", 9, "s-2"),
        happening("checklist_item_completed", 5, item_id="c", how="click"),
    )
    assert {name: item.how for name, item in state.items.items()} == {"a": "api", "b": "click", "c": "click"}
    assert state.state == "in_progress"


def test_what_the_server_found_out_waits_until_a_page_reports_it() -> None:
    state = after(
        happening("checklist_started", 1),
        happening("checklist_item_completed", 2, item_id="a", how="event", event_id="by-server", reported=False),
        happening("checklist_completed", 2, event_id="whole", reported=False),
    )
    assert not state.items["a"].reported
    assert not state.items[WHOLE].reported
    reported = report(report(state, "by-server"), "whole")
    assert all(item.reported for item in reported.items.values())
    assert report(state, "another") is state


def test_a_thousand_items_of_a_made_up_page_are_not_kept() -> None:
    state = after(*(happening("checklist_item_completed", n, item_id=f"i{n}", how="api") for n in range(1_000)))
    assert len(state.items) == 100


@pytest.mark.parametrize(
    ("events", "step"),
    [
        pytest.param([], None, id="nothing-yet"),
        pytest.param([happening("tour_started", 1)], None, id="started"),
        pytest.param([happening("tour_step_viewed", 2, step_id="invite")], "invite", id="in-the-middle"),
        pytest.param(
            [
                happening("tour_step_viewed", 2, step_id="welcome"),
                happening("tour_step_completed", 3, step_id="welcome"),
            ],
            "invite",
            id="left-the-page-after-completing",
        ),
        pytest.param([happening("tour_step_completed", 3, step_id="invite")], "done", id="only-the-completion-came"),
        pytest.param(
            [
                happening("tour_step_completed", 3, step_id="invite"),
                happening("tour_step_viewed", 5, step_id="invite"),
            ],
            "invite",
            id="went-back",
        ),
        pytest.param([happening("tour_step_viewed", 2, step_id="gone")], None, id="step-of-another-version"),
    ],
)
def test_where_a_tour_goes_on(events: list[Happening], step: str | None) -> None:
    assert current_step(after(*events), STEPS) == step


def test_the_earlier_way_of_doing_an_item_is_kept() -> None:
    twice = after(
        happening("checklist_item_completed", 5, item_id="a", how="event", event_id="late"),
        happening("checklist_item_completed", 3, item_id="a", how="click", event_id="early"),
    )
    assert twice.items["a"] == Item(3, "click", "early")
