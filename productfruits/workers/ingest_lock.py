"""The lock file that lets one process only take webhooks into a SQLite store.

Two writers would be right (SQLite has a lock of its own) but slow: its busy handler starves one of them for seconds.
Commands and admin pages are short transactions and do not need it.
"""

import fcntl
import os
from pathlib import Path

from productfruits.errors import ProductFruitsError


class AlreadyServed(ProductFruitsError):
    """Another productfruits process is taking webhooks into this SQLite store already."""


class IngestLock:
    """Held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `AlreadyServed` with what to do. Safe to repeat."""
        if self._descriptor is not None:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise AlreadyServed(
                f"Process {holder} is taking webhooks into this SQLite store already, and a second one would only "
                f"slow it down (lock file: {self.path}). Stop it first, or use Postgres to run several."
            ) from err
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process in. The file stays: deleting it would let two in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
