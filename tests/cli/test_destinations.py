"""`productfruits destinations` and `worker`, on SQLite."""

import datetime as dt
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from productfruits.cli import main
from productfruits.database import make_engine, make_sessions
from productfruits.models import Delivery, Destination
from productfruits.services import redelivery
from tests.cli.conftest import Run, document, refusal
from tests.receivers import PUBLIC, answering, receiving
from tests.served import PROGRAM
from tests.services.senders import sent


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PRODUCTFRUITS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("PRODUCTFRUITS_EGRESS_ALLOW", f"{PUBLIC}/32")

    def invoke(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=given)

    invoke("workspace", "create", "Acme")
    return invoke


def test_a_file_of_destinations_is_applied_tried_and_changed(run: Run) -> None:
    answers = iter([answering("500 Oops", b"not today"), answering()])
    with receiving(lambda connection: next(answers)(connection)) as receiver:
        file = f"""
destinations:
  slack-sales:   # a comment
    kind: slack
    url: {receiver.url}
    filter: {{types: [track], names: [Order Completed]}}
    body:
      form: text
      template: >
        {{{{ user.email }}}} ordered
  warehouse:
    url: https://warehouse.example.com/in
"""
        assert document(run("destinations", "apply", "-", "--check", "--json", given=file)) == {
            "checked": ["slack-sales", "warehouse"]
        }
        assert document(run("destinations", "list", "--json")) == {"destinations": []}
        made = document(run("destinations", "apply", "-", "--json", given=file))["destinations"]
        assert [each["made"] for each in made] == [True, True]
        assert all(each["secret"].startswith("whsec_") for each in made)
        again = document(run("destinations", "apply", "-", "--json", given=file))["destinations"]
        assert [(each["made"], each["secret"]) for each in again] == [(False, None)] * 2
        listed = run("destinations", "list").stdout
        assert "slack-sales" in listed and receiver.url not in listed

        failed = run("destinations", "test", "slack-sales")
        assert failed.exit_code == 1 and "failed 500" in failed.stdout and "not today" in failed.stdout
        assert document(run("destinations", "test", "slack-sales", "--json"))["outcome"] == "delivered"
    assert document(run("destinations", "recover", "slack-sales", "--json")) == {"deliveries": 0}
    assert document(run("destinations", "remove", "slack-sales", "--json"))["removed"]
    assert "no such destination" in refusal(run("destinations", "remove", "slack-sales"))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("destinations: [", "not YAML (line 1)"),
        ("- a", "must hold `destinations:`"),
        ("destinations: {}", "must hold `destinations:`"),
        ("destinations: {a: {url: ftp://x}}", "a: url: The URL must begin with"),
        ("destinations: {a: 3}", "a: url: Missing"),
        ("destinations: {a: {url: 'https://x.example', headers: {Host: b}}}", "a: headers: The header Host"),
        ("destinations: {3: {url: 'https://x.example'}}", "3: key: Not a valid string."),
        ("destinations: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_a_file_with_a_mistake_changes_nothing(run: Run, file: str, reason: str) -> None:
    assert reason in refusal(run("destinations", "apply", "-", given=file))
    assert document(run("destinations", "list", "--json")) == {"destinations": []}


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(run: Run, sqlite_url: str) -> None:
    """Killed after the receiver has everything and before that is recorded: sent once more, under the same id."""
    arrived = threading.Semaphore(0)
    workers: list[subprocess.Popen[bytes]] = []

    def kill_the_first(connection: socket.socket) -> None:
        if len(workers) == 1:
            workers[0].kill()
            workers[0].wait()
        answering()(connection)
        arrived.release()

    def start_a_worker() -> None:
        workers.append(subprocess.Popen([PROGRAM, "worker"], env=dict(os.environ), stderr=subprocess.DEVNULL))

    sessions = make_sessions(make_engine(sqlite_url))
    with receiving(kill_the_first) as receiver:
        file = f"destinations: {{a: {{url: '{receiver.url}'}}}}"
        document(run("destinations", "apply", "-", "--json", given=file))
        with sessions.begin() as session:
            made = session.scalars(select(Destination)).one()
            delivery_id = redelivery.test(session, made, dt.datetime.now(dt.UTC)).id
        start_a_worker()
        assert workers[0].wait() == -signal.SIGKILL
        with sessions.begin() as session:
            assert session.scalars(select(Delivery.status)).one() == "pending"
            session.execute(update(Destination).values(leased_until=dt.datetime.now(dt.UTC)))  # as a minute later
        start_a_worker()
        assert arrived.acquire(timeout=60) and arrived.acquire(timeout=60)
        workers[1].send_signal(signal.SIGTERM)
        assert workers[1].wait() == 0
    ids = [sent(request)[0]["webhook-id"] for request in receiver.requests]
    assert len(ids) == 2 and ids[0] == ids[1]
    with sessions() as session:
        delivery = session.get_one(Delivery, delivery_id)
        assert (delivery.status, delivery.attempts) == ("delivered", 1)
    sessions.kw["bind"].dispose()
    assert run("worker", "--once").exit_code == 0
