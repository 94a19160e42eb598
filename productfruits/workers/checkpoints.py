"""Keeps SQLite's WAL short without making a sender wait for it.

A commit that also checkpoints takes fifteen times as long on a large database, so the connections never do it by
themselves (wal_autocheckpoint=0). A thread with a connection of its own copies pages back while commits go on
(PASSIVE). That alone never shrinks the file under constant writing, so past a bound, and after an erasure, the writer
itself empties it between two transactions (TRUNCATE). https://www.sqlite.org/wal.html#ckpt
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from productfruits.workers.metrics import Metrics

log = structlog.get_logger()

INTERVAL_S = 0.25
#: Past this size the WAL is emptied as soon as the transaction at hand is through.
WAL_BOUND_BYTES = 64 * 1024 * 1024
#: How long emptying may wait for somebody who is reading; then it is tried again in the next round.
READERS_WAIT_S = 0.1


class Checkpoints:
    """Copies the WAL back in the background. `truncate_if_wanted` belongs into the writer's thread."""

    def __init__(self, database: Path, metrics: Metrics, *, wal_bound_bytes: int = WAL_BOUND_BYTES) -> None:
        self._database = database
        self._wal = database.with_name(database.name + "-wal")
        self._wal_bound_bytes = wal_bound_bytes
        self._stop = threading.Event()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._nudge: Callable[[], None] = lambda: None
        self._seen: tuple[int, int] | None = None
        self._erasures = 0
        metrics.wal_bytes.set_function(self.wal_bytes)

    def start(self, nudge: Callable[[], None]) -> None:
        """Begin. `nudge` wakes the writer so that it comes round to `truncate_if_wanted`."""
        self._nudge = nudge
        with _Opened(self._database) as connection:
            self._erasures = _erasures(connection)
        self._wanted.set()  # what a crash left behind is copied back before anything new
        self._thread = threading.Thread(target=self._loop, name="productfruits-checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and leave an empty WAL behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._truncate()

    def wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def truncate_if_wanted(self) -> None:
        """Empty the WAL if it is over its bound or holds what was erased. Call it while no transaction is open."""
        if self._wanted.is_set() and self._truncate():
            self._wanted.clear()

    def _truncate(self) -> bool:
        """True when the WAL is empty now; False when somebody is still reading from it."""
        try:
            with _Opened(self._database) as connection:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
        except sqlite3.Error as err:
            log.warning("checkpoint_failed", code=err.sqlite_errorname)
            return False

    def _loop(self) -> None:
        with _Opened(self._database) as connection:
            while not self._stop.wait(INTERVAL_S):
                try:
                    self._round(connection)
                except (sqlite3.Error, OSError) as err:
                    log.warning("checkpoint_failed", code=getattr(err, "sqlite_errorname", type(err).__name__))

    def _round(self, connection: sqlite3.Connection) -> None:
        if self._wanted.is_set():
            self._nudge()  # the last attempt met a reader
        state = self._wal.stat() if self._wal.exists() else None
        seen = (state.st_mtime_ns, state.st_size) if state else None
        if seen == self._seen:
            return
        self._seen = seen
        erasures = _erasures(connection)
        if erasures != self._erasures:
            # Erased rows are overwritten in the pages, but the WAL still holds the pages as they were.
            self._want(True)
            self._erasures = erasures
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._want(self.wal_bytes() > self._wal_bound_bytes)

    def _want(self, needed: bool) -> None:
        if needed:
            self._wanted.set()
            self._nudge()


def _erasures(connection: sqlite3.Connection) -> int:
    """The number of the newest erasure, by whichever process."""
    newest: int = connection.execute("SELECT coalesce(max(id), 0) FROM erasure").fetchone()[0]
    return newest


class _Opened:
    """A connection that checkpoints as durably as the writer commits, closed at the end of the block."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(
            self._database, timeout=READERS_WAIT_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA wal_autocheckpoint=0")
        self._connection.execute("PRAGMA synchronous=FULL")
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()
