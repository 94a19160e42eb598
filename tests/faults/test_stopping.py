"""SIGTERM, a second server on one store, and starts that cannot succeed: each says why, and nothing is lost."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.faults.ledger import Hook, Ledger, Sender, loading, query, serving_on, stored_messages
from tests.served import PROGRAM, Served, serve


def start_in_vain(served_environment: dict[str, str], **changes: str) -> str:
    """What `productfruits serve` prints on stderr when it does not start; it must end with exit code 1."""
    environment = served_environment | {f"PRODUCTFRUITS_{name}": value for name, value in changes.items()}
    done = subprocess.run(
        [PROGRAM, "serve"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    complaint = done.stderr.strip()
    assert complaint.startswith("Error: ") and "\n" not in complaint, complaint
    return complaint


def test_sigterm_under_load_finishes_what_was_accepted(database_url: str, tmp_path: Path) -> None:
    serving, ledger = serving_on(database_url, tmp_path), Ledger()
    with serving() as served:
        hook = Hook.of(served)
        with loading(ledger, served, hook):
            ledger.wait_for_acknowledged(100)
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait() == 0
    rows = stored_messages(database_url)
    ledger.judge(rows)
    assert ledger.statuses.keys() <= {200, 503, None}
    if database_url.startswith("sqlite"):
        wal = Path(database_url.removeprefix("sqlite:///") + "-wal")
        assert not wal.exists() or wal.stat().st_size == 0
    with serving() as served:
        ledger.send_the_rest_again(served, hook)
    rows = stored_messages(database_url)
    ledger.judge(rows)
    assert rows.keys() == ledger.sent.keys()


def test_a_second_server_on_a_sqlite_store_is_refused_in_words(server: Served) -> None:
    complaint = start_in_vain(dict(server.environment), PORT="0")
    assert str(server.process.pid) in complaint
    assert "SQLite" in complaint and "Postgres" in complaint
    assert server.process.poll() is None


def test_a_taken_port_is_refused_with_the_remedy(server: Served, tmp_path: Path) -> None:
    complaint = start_in_vain(dict(server.environment), DATA_DIR=str(tmp_path / "another"))
    assert "PRODUCTFRUITS_PORT=" in complaint


def test_a_folder_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    complaint = start_in_vain(clean_environment(), DATA_DIR=str(tmp_path / "file" / "data"), PORT="0")
    assert "PRODUCTFRUITS_DATA_DIR" in complaint


def test_a_database_out_of_reach_is_refused_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://somebody:sesame@127.0.0.1:{unused.getsockname()[1]}/nothing"
        complaint = start_in_vain(clean_environment(), DATA_DIR=str(tmp_path), DATABASE_URL=url, PORT="0")
    assert "PRODUCTFRUITS_DATABASE_URL" in complaint
    assert "sesame" not in complaint


def test_a_setting_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    assert "PRODUCTFRUITS_PROT" in start_in_vain(clean_environment(), DATA_DIR=str(tmp_path), PROT="8000")


def test_missing_keys_are_refused_where_secrets_are_stored(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        Hook.of(served)
        environment = dict(served.environment)
    (tmp_path / "encryption.keys").unlink()
    complaint = start_in_vain(environment)
    assert "encryption.keys" in complaint and "PRODUCTFRUITS_ENCRYPTION_KEYS" in complaint


def test_it_starts_again_after_a_kill_with_the_lock_file_left_behind(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        hook = Hook.of(served)
        send_one(served, hook, "m1")
        served.process.kill()
        served.process.wait()
    with serve(tmp_path) as served:
        send_one(served, hook, "m2")
    assert query(f"sqlite:///{tmp_path}/productfruits.db", "SELECT count(*) FROM event") == [(2,)]


def send_one(served: Served, hook: Hook, message_id: str) -> None:
    sender = Sender(served, hook)
    sender.post_until_taken([{"type": "track", "messageId": message_id, "userId": "u", "event": "Did"}])
    sender.close()


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PRODUCTFRUITS_")}
