import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.identity.traits import fold, merge

NAMES = st.sampled_from(("plan", "city", "Plan"))
VALUES = st.sampled_from((None, 0, False, 1, 1.0, True, "", "x", [1], {"a": None}))


@pytest.mark.parametrize(
    ("known", "known_at", "incoming", "at", "expected"),
    [
        pytest.param({}, {}, {"plan": "free"}, 5, {"plan": "free"}, id="new"),
        pytest.param({"plan": "free"}, {"plan": 5}, {"plan": "pro"}, 6, {"plan": "pro"}, id="newer"),
        pytest.param({"plan": "free"}, {"plan": 5}, {"plan": "pro"}, 4, {"plan": "free"}, id="older"),
        pytest.param({"plan": "free"}, {"plan": 5}, {"plan": "pro"}, 5, {"plan": "pro"}, id="tie-later-arrival"),
        pytest.param({"plan": "free"}, {"plan": 5}, {"plan": None}, 6, {}, id="null-clears"),
        pytest.param({}, {"plan": 5}, {"plan": "pro"}, 4, {}, id="cleared-stays-cleared"),
        pytest.param({}, {"plan": 5}, {"plan": "pro"}, 6, {"plan": "pro"}, id="until-something-newer"),
        pytest.param({"plan": "free"}, {"plan": 5}, {}, 9, {"plan": "free"}, id="absence-keeps"),
        pytest.param(
            {"plan": "free"}, {"plan": 5}, {"Plan": 1}, 4, {"plan": "free", "Plan": 1}, id="keys-as-they-came"
        ),
        pytest.param({"plan": 1}, {"plan": 5}, {"plan": True}, 5, {"plan": True}, id="true-is-not-one"),
        pytest.param({"plan": "by hand"}, {}, {"plan": "pro"}, 1, {"plan": "pro"}, id="without-a-time-is-oldest"),
        pytest.param(
            {"address": {"city": "Rome", "zip": 1}},
            {"address": 5},
            {"address": {"city": "Bern"}},
            6,
            {"address": {"city": "Bern"}},
            id="a-nested-value-is-one-value",
        ),
    ],
)
def test_the_newest_value_of_each_key_wins(
    known: dict[str, Any], known_at: dict[str, int], incoming: dict[str, Any], at: int, expected: dict[str, Any]
) -> None:
    before = (dict(known), dict(known_at))

    changed = merge(known, known_at, incoming, at)

    assert known == expected
    assert {name: type(value) for name, value in known.items()} == {name: type(expected[name]) for name in expected}
    assert changed or (known, known_at) == before


def test_the_same_again_is_no_change() -> None:
    known, times = {"plan": "free"}, {"plan": 5, "city": 5}

    assert not merge(known, times, {"plan": "free", "city": None}, 5)


def test_the_same_value_with_a_newer_time_is_a_change() -> None:
    known, times = {"plan": "free"}, {"plan": 5}

    assert merge(known, times, {"plan": "free"}, 6)
    assert times == {"plan": 6}


@given(st.lists(st.dictionaries(NAMES, VALUES), max_size=4), st.data())
def test_messages_of_different_times_give_the_same_in_any_order(
    said: list[dict[str, Any]], data: st.DataObject
) -> None:
    timed = list(enumerate(said))

    def told(order: list[tuple[int, dict[str, Any]]]) -> tuple[dict[str, Any], dict[str, int]]:
        known: dict[str, Any] = {}
        times: dict[str, int] = {}
        for at, incoming in order:
            merge(known, times, incoming, at)
        return known, times

    assert told(data.draw(st.permutations(timed))) == told(timed)


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        pytest.param({"plan": ("free", 5)}, {"plan": ("pro", 6)}, {"plan": "pro"}, id="newer"),
        pytest.param({"plan": ("free", 5)}, {"plan": ("pro", 4)}, {"plan": "free"}, id="older"),
        pytest.param({"plan": ("free", 5)}, {"plan": ("pro", 5)}, {"plan": "free"}, id="tie-mine"),
        pytest.param({}, {"plan": ("pro", 5)}, {"plan": "pro"}, id="gap"),
        pytest.param({"plan": ("free", 5)}, {"plan": (None, 6)}, {}, id="cleared-later"),
        pytest.param({"plan": (None, 6)}, {"plan": ("pro", 5)}, {}, id="cleared-here-later"),
    ],
)
def test_folding_takes_what_is_newer(
    mine: dict[str, tuple[Any, int]], theirs: dict[str, tuple[Any, int]], expected: dict[str, Any]
) -> None:
    known, times = _of(mine)
    others, other_times = _of(theirs)
    before = (dict(known), dict(times))

    changed = fold(known, times, others, other_times)

    assert known == expected
    assert changed == ((known, times) != before)


def test_folding_keeps_what_has_no_time_only_where_nothing_is_known() -> None:
    known: dict[str, Any] = {"plan": "pro"}
    times = {"city": 5}

    assert fold(known, times, {"plan": "free", "city": "Rome", "lang": "it"}, {})
    assert known == {"plan": "pro", "lang": "it"}


@given(st.dictionaries(NAMES, st.tuples(VALUES, st.integers(0, 9))), st.dictionaries(NAMES, VALUES))
def test_folding_is_as_if_one_had_said_it_all(mine: dict[str, tuple[Any, int]], theirs: dict[str, Any]) -> None:
    """With times that differ: there each value wins or loses by its own time."""
    clock = itertools.count(10)
    later = {name: (value, next(clock)) for name, value in theirs.items()}
    known, times = _of(mine)
    told, told_times = _of(mine)

    fold(known, times, *_of(later))
    for name, (value, at) in later.items():
        merge(told, told_times, {name: value}, at)

    assert (known, times) == (told, told_times)


def _of(facts: dict[str, tuple[Any, int]]) -> tuple[dict[str, Any], dict[str, int]]:
    values = {name: value for name, (value, _) in facts.items() if value is not None}
    return values, {name: at for name, (_, at) in facts.items()}
