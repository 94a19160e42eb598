"""So many turns a second and no more, for whoever can wait."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Spreads turns evenly over time, whoever takes them. Safe for threads."""

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._apart_s = 1 / a_second
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Take the next turn; return how long to wait for it."""
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now) + self._apart_s
            return self._next - now
