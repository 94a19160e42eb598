"""What needs root, strace or minutes: run by `make campaign`, not by `make test`."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ledger import Hook, Ledger, Sender, loading, query, serving_on, stored_messages
from tests.served import Served, serve

pytestmark = pytest.mark.campaign
PATIENCE_S = 60


def status_of(served: Served, path: str) -> int:
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", served.url + path], capture_output=True, check=True
    )
    return int(done.stdout)


@contextlib.contextmanager
def traced(served: Served, output: Path) -> Iterator[None]:
    """The system calls of all threads of the server and its writer's process, in order, while the block runs."""
    pid = str(served.process.pid)
    processes = [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    command = ["strace", "-f", "-s", "40", "-e", "trace=fdatasync,fsync,recvfrom,read,sendto,write,writev"]
    for process in processes:
        command += ["-p", process]
    strace = subprocess.Popen([*command, "-o", str(output)])
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not output.exists() or not output.stat().st_size:
            assert time.monotonic() < deadline, "strace did not attach"
            assert status_of(served, "/healthz") == 200  # a server with nothing to do makes no calls
            time.sleep(0.05)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(PATIENCE_S)


def test_the_disk_is_synced_between_request_and_reply(tmp_path: Path) -> None:
    with serve(tmp_path / "data") as served:
        hook = Hook.of(served)
        sender = Sender(served, hook)
        sender.post_until_taken([{"type": "track", "messageId": "warm", "userId": "u", "event": "Did"}])
        with traced(served, tmp_path / "calls"):
            for number in range(10):
                message = {"type": "track", "messageId": f"m{number}", "userId": "u", "event": "Did"}
                sender.post_until_taken([message])
        sender.close()
    synced, replies = False, 0
    lines = (tmp_path / "calls").read_text(errors="replace").splitlines()
    first = next(number for number, line in enumerate(lines) if '"POST ' in line)  # before it only health was asked
    for line in lines[first:]:
        if re.search(r'"(POST|PUT|PATCH) ', line):
            synced = False
        elif re.search(r"\b(fdatasync|fsync)\b.*= 0", line):
            synced = True
        elif '"HTTP/1.1 200' in line:
            assert synced, f"a reply without a sync before it: {line}"
            replies += 1
    assert replies == 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 24 MB. Needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_503_and_recovers_by_itself(small_disk: Path, tmp_path: Path) -> None:
    ledger = Ledger()
    database_url = f"sqlite:///{small_disk}/productfruits.db"
    with serving_on(database_url, tmp_path)() as served:
        hook = Hook.of(served)
        ballast = small_disk / "ballast"
        with loading(ledger, served, hook, singles=2, arrays=6):
            ledger.wait_for_acknowledged(200)
            with contextlib.suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(b"x" * 65_536)
            deadline = time.monotonic() + PATIENCE_S
            while not ledger.statuses[503]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert status_of(served, "/healthz") == 200
            assert status_of(served, "/readyz") == 503
            assert status_of(served, "/login") < 500
            ballast.unlink()
            ledger.wait_for_acknowledged(len(ledger.acknowledged) + 100)
        ledger.judge(stored_messages(database_url))
        ledger.send_the_rest_again(served, hook)
        ledger.judge(stored_messages(database_url))
        assert ledger.statuses.keys() <= {200, 503}
        assert query(database_url, "PRAGMA integrity_check") == [("ok",)]


def test_a_copy_taken_in_the_middle_of_a_load_opens_and_is_whole(tmp_path: Path) -> None:
    ledger = Ledger()
    with serve(tmp_path / "data") as served:
        hook = Hook.of(served)
        with loading(ledger, served, hook):
            for round_number in range(1, 11):
                ledger.wait_for_acknowledged(200 * round_number)
                acknowledged = set(ledger.acknowledged)
                copy = tmp_path / f"copy{round_number}.db"
                # The WAL last and without the shared memory: what a disk may hold after the power went.
                shutil.copy(tmp_path / "data" / "productfruits.db", copy)
                shutil.copy(tmp_path / "data" / "productfruits.db-wal", f"{copy}-wal")
                url = f"sqlite:///{copy}"
                assert query(url, "PRAGMA integrity_check") == [("ok",)]
                assert acknowledged <= stored_messages(url).keys()


def test_the_wal_and_the_memory_stay_bounded_under_minutes_of_load(tmp_path: Path) -> None:
    ledger = Ledger()
    sizes: list[int] = []
    with serve(tmp_path) as served:
        hook = Hook.of(served)
        with loading(ledger, served, hook, singles=4, arrays=8):
            for _ in range(60):
                time.sleep(2)
                sizes.append((tmp_path / "productfruits.db-wal").stat().st_size)
        ledger.judge(stored_messages(f"sqlite:///{tmp_path}/productfruits.db"))
    # A little over the bound: the group that is being written when it is passed still goes in.
    assert max(sizes) < 96 * 1024 * 1024
