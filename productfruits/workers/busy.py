"""How much of the last moments something was at work."""

import threading
import time
from collections.abc import Callable

#: Over so long it is measured.
WINDOW_S = 0.5


class Busy:
    """Told when work begins and when it ends, says how much of the last whole window was work. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began_window = clock()
        self._since: float | None = None
        self._worked_s = 0.0
        self._share = 0.0

    def begin(self) -> None:
        with self._lock:
            now = self._roll()
            if self._since is None:
                self._since = now

    def end(self) -> None:
        with self._lock:
            now = self._roll()
            if self._since is not None:
                self._worked_s += now - self._since
                self._since = None

    @property
    def share(self) -> float:
        """From 0 (idle) to 1 (at work all the time)."""
        with self._lock:
            self._roll()
            return self._share

    def _roll(self) -> float:
        """Close the window if it is over; what lies before it no longer counts."""
        now = self._clock()
        length = now - self._began_window
        if length >= WINDOW_S:
            if self._since is not None:
                self._worked_s += now - self._since
                self._since = now
            self._share = min(1.0, self._worked_s / length)
            self._began_window, self._worked_s = now, 0.0
        return now
