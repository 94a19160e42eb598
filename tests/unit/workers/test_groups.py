"""Groups: who is stored together and when the next one may begin."""

import datetime as dt
import threading

from productfruits.services.arrivals import Arrival, prepare
from productfruits.workers.groups import Group, Groups
from productfruits.workers.waiting import Waiting

PATIENCE_S = 60.0


def waiting(name: str) -> Waiting:
    arrival = Arrival(1, None, None, name, "server", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return Waiting(arrival, prepare(arrival), b"", lambda _: None)


def make(*names: str, at_once: int = 1, capacity: int = 100) -> Groups:
    groups = Groups(capacity, is_sqlite=True)
    groups.at_once = at_once
    for name in names:
        assert groups.add(waiting(name))
    return groups


def names(group: Group | None) -> list[str]:
    assert group is not None
    return [each.arrival.source for each in group.waiting]


class Taking:
    """One thread that asks for the next group."""

    def __init__(self, groups: Groups) -> None:
        self.taken: Group | None = None
        self._thread = threading.Thread(target=self._take, args=(groups,), daemon=True)
        self._thread.start()

    def _take(self, groups: Groups) -> None:
        self.taken = groups.take()

    @property
    def has_ended(self) -> bool:
        self._thread.join(0.05)
        return not self._thread.is_alive()

    def wait(self) -> Group | None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.taken


def test_everybody_who_waits_is_one_group_in_order_of_arrival() -> None:
    groups = make("a", "b", "c")
    assert names(groups.take()) == ["a", "b", "c"]
    assert groups.waiting == 0


def test_with_one_at_once_the_next_group_waits_for_the_end_of_the_last() -> None:
    groups = make("a")
    first = groups.take()
    assert first is not None
    groups.add(waiting("b"))
    taking = Taking(groups)
    assert not taking.has_ended
    groups.end(first)
    assert names(taking.wait()) == ["b"]


def test_with_two_the_next_one_begins_when_it_is_as_large() -> None:
    groups = make("a", "b", at_once=2)
    first = groups.take()
    assert first is not None
    taking = Taking(groups)
    groups.add(waiting("c"))
    assert not taking.has_ended
    groups.add(waiting("d"))
    assert names(taking.wait()) == ["c", "d"]
    for name in "efgh":
        groups.add(waiting(name))
    third = Taking(groups)
    assert not third.has_ended, "two are under way"
    groups.end(first)
    assert names(third.wait()) == ["e", "f", "g", "h"]


def test_a_break_comes_when_nothing_is_under_way_and_nothing_begins_in_it() -> None:
    groups = make("a", at_once=2)
    first = groups.take()
    assert first is not None
    groups.want_break()
    groups.add(waiting("b"))
    taking = Taking(groups)
    assert not taking.has_ended
    groups.end(first)
    quiet = taking.wait()
    assert quiet is not None and quiet.is_break
    after = Taking(groups)
    assert not after.has_ended
    groups.end(quiet)
    assert names(after.wait()) == ["b"]


def test_a_break_comes_when_nobody_waits() -> None:
    groups = make()
    taking = Taking(groups)
    groups.want_break()
    quiet = taking.wait()
    assert quiet is not None and quiet.is_break


def test_when_closed_it_gives_out_what_waits_and_takes_nobody_in() -> None:
    groups = make("a")
    groups.close()
    assert not groups.add(waiting("late"))
    first = groups.take()
    assert names(first) == ["a"]
    assert groups.take() is None


def test_whoever_waits_for_a_group_learns_that_none_will_come() -> None:
    groups = make()
    taking = Taking(groups)
    assert not taking.has_ended
    groups.close()
    assert taking.wait() is None


def test_nobody_waits_for_those_who_were_abandoned() -> None:
    groups = make()
    gone = waiting("gone")
    gone.abandoned = True
    groups.add(gone)
    groups.add(waiting("a"))
    group = groups.take()
    assert names(group) == ["a"]
    assert group is not None
    groups.end(group)
    groups.add(gone)
    groups.close()
    assert groups.take() is None


def test_there_is_no_room_beyond_the_capacity() -> None:
    groups = make("a", "b", capacity=3)
    assert not groups.has_room(1)
    assert not groups.add(waiting("c"))


def test_those_under_way_are_known_until_their_end() -> None:
    groups = make("a")
    first = groups.take()
    assert first is not None
    assert (groups.under_way(), groups.oldest) == (first.waiting, first.taken_at)
    groups.end(first)
    groups.end(first)
    assert (groups.under_way(), groups.oldest) == ([], None)


def test_while_somebody_waits_for_the_store_each_group_has_a_break_after() -> None:
    groups = Groups(100, is_sqlite=True, somebody_waits=lambda: True)
    groups.at_once = 2
    for name in ("a", "b"):
        groups.add(waiting(name))
        quiet = groups.take()
        assert quiet is not None and quiet.is_break
        groups.end(quiet)
        group = groups.take()
        assert names(group) == [name]
        assert group is not None
        groups.end(group)
