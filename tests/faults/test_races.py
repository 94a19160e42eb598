"""Sixty-four senders at once on the same user: one user, no lost trait, no error, no deadlock."""

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.ledger import Hook, Sender, query, serving_on
from tests.served import Served

SENDERS = 64
ROUNDS = 3

MakeMessage = Callable[[int, int], dict[str, Any]]


def one_id_and_email(sender: int, number: int) -> dict[str, Any]:
    """Everybody creates and updates one user, each with trait keys of its own."""
    return identify("a", sender, number, user_id="ann", email="ann@example.com")


def one_email_many_ids(sender: int, number: int) -> dict[str, Any]:
    return identify("b", sender, number, user_id=f"b{sender}", email=("Ben@Example.com", "ben@example.com")[sender % 2])


def blank_emails(sender: int, number: int) -> dict[str, Any]:
    return identify("c", sender, number, user_id=f"c{sender}", email=(None, "", "   ")[sender % 3])


def identify(race: str, sender: int, number: int, *, user_id: str, email: str | None) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": f"{race}-{sender}-{number}",
        "userId": user_id,
        "traits": {"email": email, f"s{sender}r{number}": number},
    }


def race(servers: list[Served], hook: Hook, make: MakeMessage) -> None:
    """All senders at once, spread over the servers; each sends until it is told "stored"."""
    failures: list[BaseException] = []
    ready = threading.Barrier(SENDERS)

    def run(number: int) -> None:
        sender = Sender(servers[number % len(servers)], hook)
        try:
            ready.wait()
            for round_number in range(ROUNDS):
                sender.post_until_taken([make(number, round_number)])
        except BaseException as err:
            failures.append(err)
        finally:
            sender.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def traits_of(database_url: str, users: str) -> list[dict[str, Any]]:
    """The traits of the users whose username is like `users`, without what could not be an e-mail."""
    rows = [row[0] for row in query(database_url, f"SELECT traits FROM users WHERE username LIKE '{users}'")]
    found = [json.loads(row) if isinstance(row, str) else row for row in rows]
    return [{key: value for key, value in traits.items() if key != "email"} for traits in found]


EVERY_TRAIT = {f"s{sender}r{number}": number for sender in range(SENDERS) for number in range(ROUNDS)}
#: How the messages are made, the users they are about, and how many users that must be.
RACES: list[tuple[MakeMessage, str, int]] = [
    (one_id_and_email, "ann", 1),
    (one_email_many_ids, "b%", 1),
    (blank_emails, "c%", SENDERS),
]


def test_sixty_four_senders_lose_nothing(database_url: str, tmp_path: Path) -> None:
    serving = serving_on(database_url, tmp_path)
    processes = 1 if database_url.startswith("sqlite") else 2
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving()) for _ in range(processes)]
        hook = Hook.of(servers[0])
        for make, _, _ in RACES:
            race(servers, hook, make)
    for make, users, count in RACES:
        found = traits_of(database_url, users)
        assert (make.__name__, len(found)) == (make.__name__, count)
        together: dict[str, Any] = {}
        for traits in found:
            assert not together.keys() & traits.keys()
            together |= traits
        assert together == EVERY_TRAIT
    assert query(database_url, "SELECT count(*) FROM event") == [(SENDERS * ROUNDS * len(RACES),)]
    assert query(database_url, "SELECT count(*) FROM dead_letter") == [(0,)]
