"""A dead writer, a poisonous message, a secret revoked elsewhere."""

import datetime as dt
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import DeadLetter
from productfruits.services import intake
from productfruits.services.arrivals import PreparedArrival, Receipt
from productfruits.web.ingest.door import Door
from productfruits.workers.runtime import Runtime
from productfruits.workers.transactions import OwnTransactions
from productfruits.workers.writer import Writer
from tests.faults.ledger import Hook, Ledger, Sender, loading, query, serving_on, stored_messages
from tests.served import Served, serve
from tests.web.requesting import WsgiHttp, connect, encoded

MORTAL = Path(__file__).with_name("mortal.py")
#: Revoked secrets stop working everywhere within this time: it is what the settings page promises.
PROMISE_S = 2.0


def track(message_id: str) -> list[dict[str, str]]:
    return [{"type": "track", "messageId": message_id, "userId": "u", "event": "Did"}]


def test_a_dead_writer_is_replaced_once_and_the_second_death_ends_the_process(tmp_path: Path) -> None:
    with serve(tmp_path, program=(sys.executable, MORTAL)) as served:
        hook = Hook.of(served)
        with closing(Sender(served, hook)) as sender:
            sender.post_until_taken(track("m1"))
            wound(served, 1)
            # The message that wakes the dying thread may be taken by the other one.
            sender.post_until_taken(track("m2"))
            wound(served, 2)
            last = sender.post(track("m3"))
        assert served.process.wait() == 1
        assert "Error: The writer ended twice" in served.output()
    stored = query(f"sqlite:///{tmp_path}/productfruits.db", "SELECT message_id FROM event ORDER BY id")
    assert stored[:2] == [("m1",), ("m2",)]
    assert last in (200, 503, None)
    if last == 200:
        assert stored[2:] == [("m3",)]


def wound(served: Served, times: int) -> None:
    """Have the writer die when it is woken next."""
    served.process.send_signal(signal.SIGUSR1)
    while served.output().count("mortally wounded") < times:
        time.sleep(0.01)


def writer_process(served: Served) -> int:
    """The process in which the server makes its transactions."""
    started = re.search(r'"pid": (\d+), "event": "writer_process_started"', served.output())
    assert started, served.output()
    return int(started[1])


def is_running(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text().partition("State:")[2].partition("\n")[0]
    except FileNotFoundError:
        return False


def test_when_the_writers_process_is_killed_nothing_is_lost_and_the_server_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    ledger = Ledger()
    with serving_on(database_url, tmp_path, WRITER_PROCESS="on", LOG_LEVEL="info")() as served:
        hook = Hook.of(served)
        with loading(ledger, served, hook):
            ledger.wait_for_acknowledged(100)
            os.kill(writer_process(served), signal.SIGKILL)
            ledger.wait_for_acknowledged(len(ledger.acknowledged) + 300)
        assert "writer_process_lost" in served.output()
        ledger.send_the_rest_again(served, hook)
        rows = stored_messages(database_url)
        ledger.judge(rows)
        assert rows.keys() == ledger.sent.keys()
    assert set(ledger.statuses) <= {200, 503}


def test_the_writers_process_ends_with_its_server(database_url: str, tmp_path: Path) -> None:
    serving = serving_on(database_url, tmp_path, WRITER_PROCESS="on", LOG_LEVEL="info")
    with serving() as served:
        stopped = writer_process(served)
        assert is_running(stopped)
    assert not is_running(stopped)
    (tmp_path / "serve.log").unlink()
    with serving() as served:
        killed = writer_process(served)
        served.process.kill()
        served.process.wait()
        until = time.monotonic() + 10
        while is_running(killed):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_secret_revoked_by_another_process_stops_working(database_url: str, tmp_path: Path) -> None:
    with serving_on(database_url, tmp_path)() as served:
        key = served.cli_json("workspace", "create", "Acme")["workspace"]
        active = served.cli_json("segment", "activate", "--workspace", key)
        hook = Hook(active["webhook_url"].removeprefix(served.url), active["webhook_secret"].encode())
        sender = Sender(served, hook)
        assert sender.post(track("m1")) == 200
        served.cli("segment", "rotate", "--workspace", key, "--overlap-hours", "0")
        time.sleep(PROMISE_S)
        assert sender.post(track("m2")) == 401
        sender.close()


def test_poison_is_refused_four_times_and_then_set_aside(app: Flask) -> None:
    runtime: Runtime = app.extensions["productfruits"]
    door: Door = app.extensions["productfruits.door"]

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        if any(message.name == "Poison" for each in arrivals for message in each.messages):
            raise ZeroDivisionError
        return intake.store(session, arrivals, now)

    transactions = OwnTransactions(runtime.sessions, store)
    door.writer = Writer(
        runtime.sessions, runtime.metrics, is_sqlite=True, queue_messages=100, transactions=transactions
    )
    connected, http = connect(runtime), WsgiHttp(app)
    poison = {"type": "track", "messageId": "p", "userId": "u", "event": "Poison"}
    replies = [connected.post(http, poison) for _ in range(6)]
    assert [reply.status for reply in replies] == [503, 503, 503, 503, 200, 200]
    assert all("retry-after" in reply.headers for reply in replies[:4])
    assert replies[4].json["rejected"] == 1
    assert connected.post(http, {**poison, "event": "Did"}).json["accepted"] == 1
    door.writer.stop(10)
    with runtime.reading() as session:
        letter = session.scalars(select(DeadLetter)).one()
        assert letter.body == encoded(poison)
        assert letter.reason.startswith("ZeroDivisionError at test_survival.py:")


def test_a_database_that_drops_its_connections_loses_nothing(postgres_url: str, tmp_path: Path) -> None:
    ledger = Ledger()
    with serving_on(postgres_url, tmp_path)() as served:
        hook = Hook.of(served)
        with loading(ledger, served, hook):
            for round_number in range(1, 6):
                ledger.wait_for_acknowledged(40 * round_number)
                query(
                    postgres_url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'productfruits' AND datname = current_database()",
                )
        ledger.judge(stored_messages(postgres_url))
        ledger.send_the_rest_again(served, hook)
        ledger.judge(stored_messages(postgres_url))
    assert ledger.statuses.keys() <= {200, 503}
