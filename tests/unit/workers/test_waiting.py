"""Who is stored next: in order within a workspace, in turns among workspaces, never more than a group holds."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment.messages import Parsed, Refusal
from productfruits.services.arrivals import Arrival, prepare
from productfruits.workers.waiting import Waiting, WaitingRoom

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def waiting(workspace_id: int, weight: int = 1, name: str = "") -> Waiting:
    refused = tuple(Refusal(n, "not_an_object", name) for n in range(weight))
    arrival = Arrival(workspace_id, None, None, "webhook", "server", NOW, parsed=Parsed((), refused, 0))
    return Waiting(arrival, prepare(arrival), name.encode(), lambda _: None)


def names(group: list[Waiting]) -> list[str]:
    return [each.body.decode() for each in group]


def room_with(*everybody: Waiting, capacity: int = 1_000) -> WaitingRoom:
    room = WaitingRoom(capacity)
    for each in everybody:
        room.add(each)
    return room


def test_workspaces_take_turns_and_each_keeps_its_order() -> None:
    room = room_with(*(waiting(1, name=f"a{n}") for n in range(4)), waiting(2, name="b0"), waiting(3, name="c0"))
    assert names(room.take(4, one_workspace=False)) == ["a0", "b0", "c0", "a1"]
    assert names(room.take(4, one_workspace=False)) == ["a2", "a3"]
    assert room.take(4, one_workspace=False) == []


def test_a_group_of_one_workspace_is_followed_by_the_next_one() -> None:
    room = room_with(*(waiting(1, name=f"a{n}") for n in range(4)), waiting(2, name="b0"))
    assert names(room.take(2, one_workspace=True)) == ["a0", "a1"]
    assert names(room.take(2, one_workspace=True)) == ["b0"]
    assert names(room.take(2, one_workspace=True)) == ["a2", "a3"]


def test_an_arrival_larger_than_a_group_goes_alone() -> None:
    room = room_with(waiting(1, 4_000, "large"), waiting(1, 1, "small"))
    assert names(room.take(500, one_workspace=True)) == ["large"]
    assert names(room.take(500, one_workspace=True)) == ["small"]


def test_whoever_gave_up_waiting_takes_no_place() -> None:
    room = room_with(waiting(1, name="a0"), waiting(1, name="a1"), waiting(2, name="b0"))
    room.take(0, one_workspace=False)
    left = room_with(*[gone := waiting(1, name="gone"), waiting(1, name="stays")])
    gone.abandoned = True
    assert names(left.take(1, one_workspace=True)) == ["stays"]
    assert left.messages == 0


def test_one_workspace_leaves_a_quarter_of_the_room_to_the_others() -> None:
    room = room_with(*(waiting(1) for _ in range(75)), capacity=100)
    assert not room.has_room(1)
    assert room.has_room(2)
    for _ in range(25):
        room.add(waiting(2))
    assert not room.has_room(2)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 30)), max_size=60),
    st.integers(1, 50),
    st.booleans(),
)
def test_everybody_is_taken_once_in_order_and_no_group_is_too_large(
    arrivals: list[tuple[int, int]], cap: int, one_workspace: bool
) -> None:
    everybody = [waiting(workspace_id, weight, str(n)) for n, (workspace_id, weight) in enumerate(arrivals)]
    room = room_with(*everybody)
    taken: list[Waiting] = []
    while group := room.take(cap, one_workspace=one_workspace):
        assert len(group) == 1 or sum(each.weight for each in group) <= cap
        if one_workspace:
            assert len({each.arrival.workspace_id for each in group}) == 1
        taken += group
    assert room.messages == 0
    for workspace_id in range(1, 5):
        mine = [each for each in everybody if each.arrival.workspace_id == workspace_id]
        assert [each for each in taken if each.arrival.workspace_id == workspace_id] == mine
    assert len(taken) == len(everybody)
