"""kill -9 in the middle of a load: what was acknowledged is there once, and sending all again changes nothing."""

import random
from pathlib import Path

import pytest

from tests.faults.ledger import Hook, Ledger, Serving, loading, query, serving_on, stored_messages


def kill_in_the_middle(serving: Serving, ledger: Ledger, hook: Hook, more: int) -> None:
    """One life of a server: it takes at least `more` messages and is killed while more are on their way."""
    with serving() as served, loading(ledger, served, hook):
        ledger.wait_for_acknowledged(len(ledger.acknowledged) + more)
        served.process.kill()
        served.process.wait()


def campaign(database_url: str, data_dir: Path, rounds: int, most: int) -> None:
    serving, ledger, chance = serving_on(database_url, data_dir), Ledger(), random.Random(rounds)
    with serving() as served:
        hook = Hook.of(served)
    for _ in range(rounds):
        kill_in_the_middle(serving, ledger, hook, chance.randint(1, most))
        if database_url.startswith("sqlite"):
            assert query(database_url, "PRAGMA integrity_check") == [("ok",)]
        ledger.judge(stored_messages(database_url))
    with serving() as served:
        ledger.send_the_rest_again(served, hook)
        ledger.judge(stored_messages(database_url))
        ledger.acknowledged.clear()
        ledger.send_the_rest_again(served, hook)
    rows = stored_messages(database_url)
    ledger.judge(rows)
    assert rows.keys() == ledger.sent.keys()
    assert None in ledger.statuses
    assert ledger.statuses.keys() <= {200, 503, None}
    users = query(database_url, "SELECT count(*), count(DISTINCT username) FROM users")
    assert users == [(min(50, len(ledger.sent)),) * 2]


def test_what_was_acknowledged_survives_kill_9(database_url: str, tmp_path: Path) -> None:
    campaign(database_url, tmp_path, rounds=2, most=200)


@pytest.mark.campaign
def test_what_was_acknowledged_survives_kill_9_two_hundred_times(database_url: str, tmp_path: Path) -> None:
    campaign(database_url, tmp_path, rounds=200, most=2_000)
