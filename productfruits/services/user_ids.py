"""Ids of users: UUID version 7 (RFC 9562, section 5.7) as 32 hex digits, so that their order is that of creation."""

import os
import threading
import time

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
#: Ids of one millisecond are numbered in the 12 bits after it (section 6.2, method 1), else chance would order them.
_NUMBERS = 1 << 12


#: Random bytes asked of the system at once: each time lets go of the interpreter, and others may keep it for a while.
_NOISE_BYTES = 4_096


class _Clock:
    """Hands out moments that only grow: milliseconds, and a number within."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        """The milliseconds since the epoch times `_NUMBERS`, or one more than the last time."""
        now = time.time_ns() // 1_000_000 * _NUMBERS
        with self._guard:
            self._last = max(now, self._last + 1)
            return self._last


class _Noise:
    """Random numbers from the system, asked for in advance."""

    def __init__(self) -> None:
        self._stock: list[int] = []

    def take(self) -> int:
        """62 bits."""
        while True:
            try:
                return self._stock.pop() >> 2
            except IndexError:
                fresh = os.urandom(_NOISE_BYTES)
                self._stock.extend(memoryview(fresh).cast("Q"))

    def forget(self) -> None:
        """A child must not hand out what its parent will."""
        self._stock.clear()


_clock = _Clock()
_noise = _Noise()
if hasattr(os, "register_at_fork"):  # where there is no fork there is no such child
    os.register_at_fork(after_in_child=_noise.forget)


def new() -> str:
    """A fresh id. Made here and not by the store, so that a group of messages needs no round trip for it."""
    milliseconds, number = divmod(_clock.tick(), _NUMBERS)
    return f"{milliseconds << 80 | _VERSION | number << 64 | _VARIANT | _noise.take():032x}"
