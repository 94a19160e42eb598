"""Which arrivals are stored together, and when: those who wait, the groups under way, and whose turn it is."""

import threading
import time
from collections.abc import Callable

from productfruits.workers.busy import Busy
from productfruits.workers.group_size import GroupSize
from productfruits.workers.waiting import Waiting, WaitingRoom


class Group:
    """Arrivals of one transaction, or nobody: a break in which no transaction is under way."""

    def __init__(self, waiting: list[Waiting]) -> None:
        self.waiting = waiting
        self.messages = sum(each.weight for each in waiting)
        #: By time.monotonic().
        self.taken_at = time.monotonic()

    @property
    def is_break(self) -> bool:
        return not self.waiting


class Groups:
    """Takes in arrivals and gives out groups. Every call is safe from every thread."""

    def __init__(self, capacity: int, *, is_sqlite: bool, somebody_waits: Callable[[], bool] | None = None) -> None:
        """`capacity`: how many messages may wait. While `somebody_waits` for the store, a break follows each group."""
        #: How many groups may be under way: one is stored, and the others are on their way to whoever stores them.
        self.at_once = 1
        self._room = WaitingRoom(capacity)
        self._size = GroupSize(is_sqlite=is_sqlite)
        self._one_workspace = not is_sqlite
        self._change = threading.Condition()
        self._under_way: list[Group] = []
        self._busy = Busy()
        self._somebody_waits = somebody_waits or _nobody
        self._break_wanted = False
        self._was_break = False
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many messages wait. Those of groups under way do not count."""
        return self._room.messages

    @property
    def is_closing(self) -> bool:
        return self._closing

    @property
    def busy_share(self) -> float:
        """How much of the last moments, from 0 to 1, some group was under way."""
        return self._busy.share

    @property
    def oldest(self) -> float | None:
        """When the group was taken that is under way for the longest time."""
        with self._change:
            return min((group.taken_at for group in self._under_way), default=None)

    def has_room(self, workspace_id: int) -> bool:
        return self._room.has_room(workspace_id)

    def add(self, waiting: Waiting) -> bool:
        """Let it wait; False if there is no room, or no group will be given out any more."""
        with self._change:
            if self._closing or not self._room.has_room(waiting.arrival.workspace_id):
                return False
            self._room.add(waiting)
            if self._may_begin:
                self._change.notify()
        return True

    def want_break(self) -> None:
        """Have a break given out soon, even when nobody waits."""
        with self._change:
            self._break_wanted = True
            self._change.notify_all()

    def take(self) -> Group | None:
        """Wait for the next group. None when nothing will come any more. For one thread at a time."""
        with self._change:
            while True:
                if self._room.messages and not self._was_break and self._somebody_waits():
                    self._break_wanted = True
                if self._break_wanted and not self._under_way:
                    self._break_wanted = False
                    return self._begin([])
                if self._room.messages and not self._break_wanted and self._may_begin:
                    waiting = self._room.take(self._size.most, one_workspace=self._one_workspace)
                    if waiting:
                        return self._begin(waiting)
                    continue  # all of them were abandoned
                if self._closing and not self._room.messages:
                    return None
                self._change.wait()

    def end(self, group: Group) -> None:
        """Note that it is no longer under way. Safe to repeat."""
        with self._change:
            if group in self._under_way:
                self._under_way.remove(group)
                if not self._under_way:
                    self._busy.end()
            self._change.notify()

    def learn(self, messages: int, took_s: float) -> None:
        """Take into account how long a transaction of so many messages took."""
        self._size.learn(messages, took_s)

    def close(self) -> None:
        """Let nobody else wait, and give out what waits."""
        with self._change:
            self._closing = True
            self._change.notify()

    def clear(self) -> list[Waiting]:
        """Everybody who waits, leaving nobody."""
        with self._change:
            self._change.notify()
            return self._room.clear()

    def under_way(self) -> list[Waiting]:
        """Everybody in the groups under way."""
        with self._change:
            return [waiting for group in self._under_way for waiting in group.waiting]

    def _begin(self, waiting: list[Waiting]) -> Group:
        group = Group(waiting)
        self._was_break = group.is_break
        self._under_way.append(group)
        self._busy.begin()
        return group

    @property
    def _may_begin(self) -> bool:
        """Whether those who wait may have a group now.

        While one is stored, the next one waits until it is as large: earlier, it would have little to share the price
        of its transaction among.
        """
        if not self._under_way:
            return True
        last = self._under_way[-1]
        return len(self._under_way) < self.at_once and not last.is_break and self._room.messages >= last.messages


def _nobody() -> bool:
    return False
