"""Lets short writes into a SQLite store that is written to all the time.

SQLite has no queue for its write lock: whoever waits asks again every now and then, at most each 100 ms
(https://www.sqlite.org/c3ref/busy_timeout.html), and a writer that is gone only for a moment between two transactions
is never met. So whoever waits holds a shared lock on a file beside the store, and the busy writer looks at that file
before each transaction and steps aside for a moment.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Longer than the longest pause between two of SQLite's attempts.
STEP_ASIDE_S = 0.15
LOOK_AGAIN_S = 0.002


class Turns:
    """The file beside one store. Each process has its own object; the kernel lets go of what a dead process held."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".turns")
        self._looking: int | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Be seen to wait for the write lock during the block."""
        descriptor = self._open()
        # Refused only while somebody is looking at this very moment, who looks again before the next transaction.
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        try:
            yield
        finally:
            os.close(descriptor)

    def somebody_waits(self) -> bool:
        """Whether somebody waits for the write lock at this moment, in whichever process. For one thread at a time."""
        if self._looking is None:
            self._looking = self._open()
        try:
            fcntl.flock(self._looking, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._looking, fcntl.LOCK_UN)
        return False

    def step_aside(self) -> None:
        """Return when nobody waits, or has waited long enough to have had a turn. Not while holding the lock."""
        enough = time.monotonic() + STEP_ASIDE_S
        while self.somebody_waits() and time.monotonic() < enough:
            time.sleep(LOOK_AGAIN_S)

    def close(self) -> None:
        """Safe to repeat."""
        if self._looking is not None:
            os.close(self._looking)
            self._looking = None

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
