"""How deep in a chain of servers an event is."""

from typing import Any

import pytest

from productfruits.outgoing import chains


@pytest.mark.parametrize(
    ("value", "depth"),
    [(None, 0), ("", 0), ("1", 1), (" 2 ", 2), ("3", 3), ("99", 3), ("-1", 0), ("two", 0), ("٣", 0), ("1" * 5_000, 0)],
)
def test_the_header_is_read_and_bounded(value: str | None, depth: int) -> None:
    assert chains.read_header(value) == depth


@pytest.mark.parametrize(
    ("ours", "depth"),
    [
        ({"depth": 2}, 2),
        ({"depth": 7}, 3),
        ({"depth": -1}, 0),
        ({"depth": True}, 0),
        ({"depth": "2"}, 0),
        ({}, 0),
        (5, 0),
    ],
)
def test_the_context_is_read_whatever_stands_there(ours: Any, depth: int) -> None:
    assert chains.depth({"productfruits": ours}) == depth


def test_a_depth_is_noted_beside_what_is_there_and_never_lowered() -> None:
    assert chains.with_depth({"ip": "::1"}, 0) == {"ip": "::1"}
    assert chains.with_depth({"productfruits": {"other": 1, "depth": 1}}, 2) == {
        "productfruits": {"other": 1, "depth": 2}
    }
    assert chains.with_depth({"productfruits": {"depth": 2}}, 1) == {"productfruits": {"depth": 2}}
    assert chains.with_depth({"productfruits": 5}, 1) == {"productfruits": {"depth": 1}}
