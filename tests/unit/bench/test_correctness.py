"""The judges of the hard checks must see each kind of damage; a blind one would pass everything."""

from typing import Any

import pytest

from bench.correctness import HotKeys, Killed, judge_hot_keys, judge_killed
from bench.payloads import Traffic
from bench.stores import Truth

STREAM = Traffic(seed=5, known=2).hot(users=2, count=6)
IDS = {message.message_id for _, _, message in STREAM}


def users() -> list[tuple[str | None, dict[str, object]]]:
    return [(f"hot-{user}", {key: 1 for owner, key, _ in STREAM if owner == user}) for user in (0, 1)]


def hot(truth: Truth, acknowledged: set[str] = IDS) -> HotKeys:
    return judge_hot_keys(
        database="sqlite",
        subject="productfruits",
        processes=1,
        stream=STREAM,
        retried=0,
        acknowledged=acknowledged,
        truth=truth,
    )


def crash(events_at_start: dict[str, int], after_replay: Truth) -> Killed:
    return judge_killed(
        database="sqlite",
        acknowledged=["a", "b"],
        in_flight=1,
        after_start=Truth(events_at_start, []),
        acknowledged_later={"a", "b", "c"},
        after_replay=after_replay,
    )


def test_a_store_with_everything_once_is_clean() -> None:
    assert hot(Truth(dict.fromkeys(IDS, 1), users())).is_clean
    assert crash({"a": 1, "b": 1}, Truth({"a": 1, "b": 1, "c": 1}, [("u", {})])).is_clean


def test_a_lost_trait_key_is_seen_with_its_user() -> None:
    kept = users()
    kept[1] = ("hot-1", dict(list(kept[1][1].items())[:-1]))

    result = hot(Truth(dict.fromkeys(IDS, 1), kept))

    assert (result.lost_keys, result.damaged_users, result.is_clean) == (1, 1, False)


def test_a_lost_user_costs_all_the_keys_sent_for_it() -> None:
    assert hot(Truth(dict.fromkeys(IDS, 1), users()[:1])).lost_keys == 3


def test_a_key_that_was_never_acknowledged_is_not_missed() -> None:
    _, _, refused = STREAM[0]

    result = hot(Truth(dict.fromkeys(IDS - {refused.message_id}, 1), users()), IDS - {refused.message_id})

    assert result.is_clean


@pytest.mark.parametrize(
    ("events", "extra_users", "damage"),
    [
        (dict.fromkeys(IDS, 2), [], {"duplicate_events": 6}),
        (dict.fromkeys(sorted(IDS)[1:], 1), [], {"lost_events": 1}),
        (dict.fromkeys(IDS, 1), [("hot-1", {})], {"duplicate_users": 1}),
        (dict.fromkeys(IDS, 1), [(None, {})], {"duplicate_users": 1}),
    ],
)
def test_hot_users_show_other_damage(events: dict[str, int], extra_users: list[Any], damage: dict[str, int]) -> None:
    result = hot(Truth(events, extra_users + users()))

    assert {name: getattr(result, name) for name in damage} == damage
    assert not result.is_clean


@pytest.mark.parametrize(
    ("at_start", "after_replay", "damage"),
    [
        ({"a": 1}, Truth({"a": 1, "b": 1, "c": 1}, []), {"lost_at_start": 1}),
        ({"a": 1, "b": 2}, Truth({"a": 1, "b": 1, "c": 1}, []), {"lost_at_start": 1}),
        ({"a": 1, "b": 1}, Truth({"a": 1, "b": 1}, []), {"lost": 1}),
        ({"a": 1, "b": 1}, Truth({"a": 2, "b": 1, "c": 1}, []), {"duplicate_events": 1}),
        ({"a": 1, "b": 1}, Truth({"a": 1, "b": 1, "c": 1}, [("u", {}), ("u", {})]), {"duplicate_users": 1}),
    ],
)
def test_a_crash_shows_its_damage(at_start: dict[str, int], after_replay: Truth, damage: dict[str, int]) -> None:
    result = crash(at_start, after_replay)

    assert {name: getattr(result, name) for name in damage} == damage
    assert not result.is_clean
