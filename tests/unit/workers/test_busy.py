"""Busy and Pace, on a clock of the test's own."""

import pytest

from productfruits.workers.busy import WINDOW_S, Busy
from productfruits.workers.pace import Pace
from tests.unit.workers.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_who_never_worked_is_idle(clock: Clock) -> None:
    busy = Busy(clock)
    assert busy.share == 0
    clock.now += 10 * WINDOW_S
    assert busy.share == 0


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_share_is_that_of_the_last_window(clock: Clock, share: float) -> None:
    busy = Busy(clock)
    for _ in range(4):
        busy.begin()
        clock.now += WINDOW_S * share / 4
        busy.end()
        clock.now += WINDOW_S * (1 - share) / 4
    assert busy.share == pytest.approx(share)


def test_work_that_goes_on_counts_in_every_window(clock: Clock) -> None:
    busy = Busy(clock)
    clock.now += WINDOW_S / 2
    busy.begin()
    clock.now += WINDOW_S / 2
    assert busy.share == pytest.approx(0.5)
    clock.now += WINDOW_S
    assert busy.share == pytest.approx(1)
    busy.end()
    clock.now += WINDOW_S
    assert busy.share == pytest.approx(0)


def test_to_begin_twice_is_to_begin_once(clock: Clock) -> None:
    busy = Busy(clock)
    busy.begin()
    clock.now += WINDOW_S / 4
    busy.begin()
    clock.now += WINDOW_S / 4
    busy.end()
    clock.now += WINDOW_S / 2
    assert busy.share == pytest.approx(0.5)


def test_turns_lie_evenly_apart(clock: Clock) -> None:
    pace = Pace(10, clock)
    assert [pace.wait_s() for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    clock.now += 0.3
    assert pace.wait_s() == pytest.approx(0.1)


def test_turns_that_nobody_took_are_not_made_up_for(clock: Clock) -> None:
    pace = Pace(10, clock)
    pace.wait_s()
    clock.now += 60
    assert [pace.wait_s() for _ in range(2)] == pytest.approx([0.1, 0.2])
