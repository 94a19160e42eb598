"""How many requests of a workspace are let in, and when those that are not may come again. The clock is given."""

import threading

import pytest

from productfruits.workers.rates import LONGEST_WAIT_S, PEAK_S, Rates, TooManyRequests
from tests.unit.workers.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def let_in(rates: Rates, count: int, workspace_id: int = 1) -> int:
    """How many of so many requests are let in."""
    return sum(wait_of(rates, workspace_id) is None for _ in range(count))


def wait_of(rates: Rates, workspace_id: int = 1) -> int | None:
    """What one more request is told to wait; None if it is let in."""
    try:
        rates.take(workspace_id, "server")
    except TooManyRequests as err:
        return err.wait_s
    return None


def test_no_limit_lets_everything_in(clock: Clock) -> None:
    assert let_in(Rates(0, clock), 10_000) == 10_000


def test_a_peak_is_let_in_and_then_as_much_as_the_rate(clock: Clock) -> None:
    rates = Rates(4, clock)
    assert let_in(rates, 100) == 4 * PEAK_S
    for _ in range(20):
        clock.now += 1
        assert let_in(rates, 100) == 4
    clock.now += 0.5
    assert let_in(rates, 100) == 2
    clock.now += 0.125
    assert let_in(rates, 100) == 0
    clock.now += 0.125
    assert let_in(rates, 100) == 1


def test_a_long_silence_saves_up_no_more_than_a_peak(clock: Clock) -> None:
    rates = Rates(4, clock)
    assert let_in(rates, 1) == 1
    clock.now += 100_000
    assert let_in(rates, 1_000) == 4 * PEAK_S


def test_workspaces_and_kinds_of_senders_are_counted_apart(clock: Clock) -> None:
    rates = Rates(1, clock)
    for workspace_id in (1, 2):
        assert let_in(rates, 1_000, workspace_id) == PEAK_S
    for _ in range(PEAK_S):
        rates.take(1, "public")
    with pytest.raises(TooManyRequests):
        rates.take(1, "public")


def test_those_refused_are_told_to_come_one_after_another(clock: Clock) -> None:
    rates = Rates(2, clock)
    let_in(rates, 2 * PEAK_S)
    assert [wait_of(rates) for _ in range(7)] == [1, 1, 2, 2, 3, 3, 4]
    clock.now += 1
    # Two seconds' worth of promises and a half are left; the newcomer is let in, since there is room now.
    assert [wait_of(rates) for _ in range(4)] == [None, None, 3, 4]


def test_nobody_is_told_to_wait_for_longer_than_a_minute_however_long_the_line(clock: Clock) -> None:
    rates = Rates(1, clock)
    let_in(rates, PEAK_S)
    waits = [wait_of(rates) for _ in range(500)]
    assert waits[:LONGEST_WAIT_S] == list(range(1, LONGEST_WAIT_S + 1))
    assert set(waits[LONGEST_WAIT_S:]) == {LONGEST_WAIT_S}
    clock.now += LONGEST_WAIT_S + PEAK_S
    assert let_in(rates, PEAK_S) == PEAK_S
    assert wait_of(rates) == 1


def test_the_refusal_says_what_happened_why_and_what_to_do() -> None:
    said = str(TooManyRequests(1_200, 7))
    assert "1,200 a second" in said and "send it again after the seconds of Retry-After" in said


def test_threads_share_one_bucket(clock: Clock) -> None:
    rates = Rates(100, clock)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(let_in(rates, 500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 100 * PEAK_S
