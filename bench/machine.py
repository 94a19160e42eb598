"""The class of the machine a run was made on, in words that name no machine."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

PROBE_S = 0.7


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reader needs to know to compare figures."""

    cores: int
    python: str
    sqlite: str
    system: str
    fsyncs_per_s: int

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.system}, Python {self.python}, SQLite {self.sqlite}, "
            f"{self.fsyncs_per_s:,} fsync/s of 4 KB on the disk that held the databases"
        )


def inspect(folder: Path) -> Machine:
    """Look at the machine, and measure the disk under `folder`: every commit waits for it."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        system=platform.system(),
        fsyncs_per_s=_fsyncs_per_s(folder),
    )


def _fsyncs_per_s(folder: Path) -> int:
    path = folder / "fsync-probe"
    block = os.urandom(4096)
    done = 0
    with path.open("wb", buffering=0) as probe:
        start = time.perf_counter()
        while time.perf_counter() - start < PROBE_S:
            probe.write(block)
            os.fdatasync(probe.fileno())
            done += 1
        elapsed = time.perf_counter() - start
    path.unlink()
    return round(done / elapsed)
