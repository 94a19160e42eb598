"""When to try again, and when to stop."""

import datetime as dt

import pytest

from productfruits.outgoing import retry

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def pauses(spread: float) -> list[float]:
    found: list[float] = []
    while (at := retry.next_attempt(len(found) + 1, NOW, spread=spread)) is not None:
        found.append((at - NOW).total_seconds())
    return found


def test_a_delivery_is_tried_for_a_day() -> None:
    assert pauses(0) == [5, 60, 600, 3_600, 14_400, 28_800, 43_200]
    assert pauses(1)[:2] == [6, 72] and pauses(-1)[:2] == [4, 48]


@pytest.mark.parametrize(("wish", "seconds"), [(3, 5), (90, 90), (86_400, 43_200)])
def test_a_wish_is_a_floor_within_bounds(wish: int, seconds: int) -> None:
    at = retry.next_attempt(1, NOW, spread=0, wish=dt.timedelta(seconds=wish))
    assert at == NOW + dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        *((429, "120", 120), (503, " 7 ", 7), (503, "Tue, 01 Jan 2030 00:01:00 GMT", 60)),
        *((429, "Mon, 31 Dec 2029 00:00:00 GMT", 0), (500, "120", None), (429, "", None), (429, "soon", None)),
        *((429, "-5", None), (429, "9" * 400, None), (429, "٣", None), (429, "Tue, 01 Jan 20300 99:99", None)),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(status: int, text: str, seconds: int | None) -> None:
    wish = retry.read_wish(status, {"retry-after": text}, NOW)
    assert wish == (None if seconds is None else dt.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (299, "delivered"),
        (301, "failed"),
        (404, "failed"),
        (410, "gone"),
        (500, "failed"),
    ],
)
def test_only_2xx_is_delivered_and_410_is_gone(status: int, verdict: str) -> None:
    assert retry.judge(status) == verdict


def test_who_does_not_answer_three_times_is_left_in_peace_for_longer_and_longer() -> None:
    minutes = [peace and peace.total_seconds() / 60 for peace in map(retry.peace, range(10))]
    assert minutes == [None, None, None, 1, 2, 4, 8, 15, 15, 15]
