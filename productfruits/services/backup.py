"""A consistent copy of a SQLite store while it is in use."""

import os
import sqlite3
from pathlib import Path

from productfruits.errors import ProductFruitsError

#: Pages copied at a time; writers get a turn in between.
PAGES = 1_024


class BackupExists(ProductFruitsError):
    """There is a file with this name already. Give another name, or move the old backup away first."""


class BackupFailed(ProductFruitsError):
    """The backup could not be made."""


def copy(database: Path, target: Path) -> int:
    """Copy the store to a new file, for the owner alone, and check the copy; returns its size in bytes.

    Uses SQLite's own backup (https://www.sqlite.org/backup.html): copying the file by other means while it is written
    to gives a broken one.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as err:
        raise BackupExists() from err
    except OSError as err:
        raise BackupFailed(
            f"{target} cannot be written ({err.strerror}). Choose a folder that you may write to."
        ) from err
    try:
        _copy(database, target)
    except sqlite3.Error as err:
        target.unlink(missing_ok=True)
        raise BackupFailed(
            f"The backup could not be made ({err}). Check the free space beside {target}, then try again."
        ) from err
    return target.stat().st_size


def _copy(database: Path, target: Path) -> None:
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        copied = sqlite3.connect(target)
        try:
            source.backup(copied, pages=PAGES, sleep=0.01)
            copied.execute("PRAGMA journal_mode=DELETE")  # one file: nothing of it may stay in a log beside it
            (verdict,) = copied.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"the copy is damaged: {verdict}")
        finally:
            copied.close()
    finally:
        source.close()
