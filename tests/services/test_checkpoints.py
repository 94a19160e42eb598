"""SQLite's WAL stays short, and what was erased is in no file any more."""

import contextlib
import datetime as dt
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from productfruits.config import Settings
from productfruits.models import Event, SeenMessage
from productfruits.segment import messages, reader
from productfruits.segment.signature import Signed
from productfruits.services import workspaces
from productfruits.services.arrivals import Arrival
from productfruits.workers.checkpoints import Checkpoints
from productfruits.workers.ingest_lock import AlreadyServed, IngestLock
from productfruits.workers.metrics import Metrics
from productfruits.workers.retention import Retention
from productfruits.workers.runtime import Runtime, open_runtime

PATIENCE_S = 60.0
MARKER = "marker-7f3a"


@pytest.fixture
def runtime(settings: Callable[..., Settings]) -> Iterator[Runtime]:
    runtime = open_runtime(settings())
    yield runtime
    runtime.close()


@pytest.fixture
def workspace_id(runtime: Runtime) -> int:
    with runtime.writing() as session:
        return workspaces.create(session, "Acme", dt.datetime.now(dt.UTC)).id


def said(workspace_id: int, body: str) -> Arrival:
    parsed = messages.parse(reader.read(body.encode()), signed=Signed(0, "body"))
    return Arrival(workspace_id, None, None, "webhook", "server", dt.datetime.now(dt.UTC), parsed=parsed)


def database(runtime: Runtime) -> Path:
    return Path(str(runtime.engine.url.database))


def wait_until(fact: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if fact():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come about")


def holds(runtime: Runtime, text: str) -> bool:
    """Whether the bytes stand anywhere in the store's files, asked of another process: closing a file here would take
    SQLite's locks away."""
    search = (
        "import sys, pathlib; print(any(sys.argv[1].encode() in pathlib.Path(p).read_bytes() for p in sys.argv[2:]))"
    )
    files = [str(path) for path in database(runtime).parent.glob(database(runtime).name + "*")]
    done = subprocess.run([sys.executable, "-c", search, text, *files], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_what_was_erased_is_in_no_file_any_more(runtime: Runtime, workspace_id: int) -> None:
    runtime.start()
    for number in range(20):
        body = f"""{{"type":"identify","messageId":"{MARKER}-{number}","userId":"{MARKER}","timestamp":"2026-01-01",
            "traits":{{"email":"{MARKER}@example.com","note":"{MARKER * 50}"}}}}"""
        runtime.writer.receive(said(workspace_id, body), PATIENCE_S)
    assert holds(runtime, MARKER)
    erase = f'{{"type":"delete","messageId":"d","userId":"{MARKER}","timestamp":"2026-01-02"}}'
    runtime.writer.receive(said(workspace_id, erase), PATIENCE_S)
    wait_until(lambda: not holds(runtime, MARKER))


def test_the_wal_is_emptied_past_its_bound_also_while_messages_come(
    runtime: Runtime, workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 400_000
    checkpoints = Checkpoints(database(runtime), Metrics(), wal_bound_bytes=bound)
    monkeypatch.setattr(runtime, "checkpoints", checkpoints)
    monkeypatch.setattr(runtime.writer, "_between_groups", checkpoints.truncate_if_wanted)
    runtime.start()
    seen_over = seen_under_again = False
    for number in range(3_000):
        body = f'{{"type":"track","messageId":"{number}","userId":"u","properties":{{"text":"{"x" * 20_000}"}}}}'
        runtime.writer.receive(said(workspace_id, body), PATIENCE_S)
        size = checkpoints.wal_bytes()
        seen_over = seen_over or size > bound
        seen_under_again = seen_under_again or (seen_over and size < bound)
        if seen_under_again:
            break
    assert seen_over and seen_under_again


def test_somebody_who_reads_puts_it_off_and_does_not_stop_the_writer(runtime: Runtime, workspace_id: int) -> None:
    runtime.start()
    with contextlib.closing(sqlite3.connect(database(runtime), isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM event").fetchone()
        for number in range(3):
            body = f'{{"type":"delete","messageId":"{number}","userId":"nobody"}}'
            assert runtime.writer.receive(said(workspace_id, body), PATIENCE_S).accepted == 1
        assert runtime.checkpoints is not None and runtime.checkpoints.wal_bytes() > 0
        reading.execute("ROLLBACK")


def test_closing_leaves_an_empty_wal_and_lets_the_next_one_in(runtime: Runtime, workspace_id: int) -> None:
    runtime.start()
    runtime.writer.receive(said(workspace_id, '{"type":"track","messageId":"m","userId":"u"}'), PATIENCE_S)
    lock = IngestLock(database(runtime))
    with pytest.raises(AlreadyServed):
        lock.acquire()
    runtime.close()
    assert runtime.checkpoints is not None and runtime.checkpoints.wal_bytes() == 0
    lock.acquire()
    lock.release()


def test_old_message_ids_and_events_go_and_young_ones_stay(runtime: Runtime, workspace_id: int) -> None:
    now = dt.datetime.now(dt.UTC)
    with runtime.writing() as session:
        for number, days in enumerate((1, 29, 31, 400)):
            seen_at = now - dt.timedelta(days=days)
            session.add(SeenMessage(workspace_id=workspace_id, digest=bytes([number] * 16), seen_at=seen_at))
        session.add(SeenMessage(workspace_id=workspace_id, digest=b"d" * 16, seen_at=None))
    retention = Retention(runtime.sessions, event_days=0)
    retention.start()

    def left() -> int:
        with runtime.reading() as session:
            assert session.scalars(select(Event)).all() == []
            return len(session.scalars(select(SeenMessage)).all())

    wait_until(lambda: left() == 3)
    retention.stop()
