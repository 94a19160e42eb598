"""How an event loop waits for the writer's thread: woken once a group, and with one patience for all."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from productfruits.workers.waiting import Outcome


class Outcomes:
    """Carries outcomes from the writer's thread to the event loop, waking the loop once a group and not once each."""

    def __init__(self) -> None:
        self._ready: deque[tuple[asyncio.Future[Outcome | None], Outcome]] = deque()
        self._is_woken = False

    def listener(self, future: asyncio.Future[Outcome | None]) -> Callable[[Outcome], None]:
        loop = future.get_loop()

        def done(outcome: Outcome) -> None:
            self._ready.append((future, outcome))
            if not self._is_woken:
                self._is_woken = True
                loop.call_soon_threadsafe(self._deliver)

        return done

    def _deliver(self) -> None:
        # First the flag, then the queue: what is added in between wakes the loop again.
        self._is_woken = False
        while self._ready:
            future, outcome = self._ready.popleft()
            if not future.done():
                future.set_result(outcome)


class Awaited(Protocol):
    """What somebody waits for, a future for example."""

    def done(self) -> bool:
        """True once nobody has to be patient any more."""


T = TypeVar("T", bound=Awaited)


class Deadlines(Generic[T]):
    """Gives up what is not done when its time is over. All have the same patience, so the next one due is always first.

    A timer of the event loop for each request would cost more than all the rest of waiting for it.
    """

    ROUND_S = 0.1

    def __init__(self, give_up: Callable[[T], object]) -> None:
        self._give_up = give_up
        self._due: deque[tuple[float, T]] = deque()
        self._is_running = False

    def add(self, at: float, awaited: T) -> None:
        """Give it up at this time of the running event loop, or up to ROUND_S later."""
        self._due.append((at, awaited))
        if not self._is_running:
            self._is_running = True
            asyncio.get_running_loop().call_later(self.ROUND_S, self._round)

    def _round(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due and (self._due[0][1].done() or self._due[0][0] <= now):
            _, awaited = self._due.popleft()
            if not awaited.done():
                self._give_up(awaited)
        self._is_running = bool(self._due)
        if self._is_running:
            loop.call_later(self.ROUND_S, self._round)
