"""What people do by hand (merge, unlink, change, erase) holds against the messages that come afterwards."""

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Event, User, Workspace
from productfruits.services import conflicts, erasure, same_person, user_changes, users, workspaces
from tests.services.messages import NOW, arrival, message, receive

LATER = NOW + dt.timedelta(hours=1)


@pytest.fixture
def acme(sessions: sessionmaker[Session]) -> Workspace:
    with sessions.begin() as session:
        workspaces.create(session, "Noise", NOW)
        return workspaces.create(session, "Acme", NOW)


def user_id(sessions: sessionmaker[Session], acme: Workspace, username: str) -> str:
    with sessions() as session:
        found = users.find(session, acme.id, username=username)
        assert found is not None
        return found.id


def everybody(sessions: sessionmaker[Session]) -> list[tuple[str | None, str | None]]:
    with sessions() as session:
        return sorted((row.username or "", row.email or "") for row in session.scalars(select(User)))


def test_messages_follow_a_merge(sessions: sessionmaker[Session], acme: Workspace) -> None:
    receive(
        sessions,
        [
            arrival(
                acme.id,
                message("identify", "ann", traits={"email": "ann@example.com"}),
                message("identify", "bob", traits={"email": "bob@example.com"}),
                message("identify", "bob", traits={"email": "ann@example.com"}),
            )
        ],
    )
    ann = user_id(sessions, acme, "ann")
    with sessions() as session:
        (conflict,) = conflicts.page(session, acme.id).rows
    with sessions.begin() as session:
        conflicts.merge(session, acme.id, conflict.id, ann, LATER)
    receive(sessions, [arrival(acme.id, message("identify", "bob", traits={"email": "ann@example.com", "n": 1}))])
    assert everybody(sessions) == [("ann", "ann@example.com")]
    with sessions() as session:
        assert users.get(session, acme.id, ann).traits == {"n": 1}
        assert conflicts.count_open(session, acme.id) == 0
        assert set(session.scalars(select(Event.user_id))) == {ann}


def test_messages_follow_an_unlinked_id(sessions: sessionmaker[Session], acme: Workspace) -> None:
    receive(
        sessions,
        [
            arrival(
                acme.id,
                message("identify", "ann", traits={"email": "team@example.com"}),
                message("identify", "ann-2", traits={"email": "team@example.com"}),
                message("track", "ann-2", name="Did"),
            )
        ],
    )
    with sessions.begin() as session:
        parted = same_person.unlink(session, acme.id, "user_id", "ann-2", LATER)
        assert parted is not None
    receive(sessions, [arrival(acme.id, message("track", "ann-2", name="Again"))])
    with sessions() as session:
        mine = session.scalars(select(Event.sent_user_id).where(Event.user_id == parted.id)).all()
        assert mine == ["ann-2", "ann-2", "ann-2"]
    assert everybody(sessions) == [("ann", "team@example.com"), ("ann-2", "")]


def test_a_late_message_does_not_bring_an_erased_user_back_and_a_new_one_does(
    sessions: sessionmaker[Session], acme: Workspace
) -> None:
    receive(
        sessions,
        [
            arrival(
                acme.id,
                message("identify", "ann", anonymous_id="anon", traits={"email": "ann@example.com"}),
                message("identify", "ann-2", traits={"email": "ann@example.com"}),
            )
        ],
    )
    with sessions.begin() as session:
        erasure.erase(session, acme.id, user_id(sessions, acme, "ann"), "cli", LATER)
    for late in (
        message("identify", "ann", at=LATER),
        message("track", "ann-2", name="Did", at=NOW),
        message("identify", "new", traits={"email": "ANN@example.com"}, at=NOW),
        message("page", anonymous_id="anon", at=NOW),
    ):
        (receipt,) = receive(sessions, [arrival(acme.id, late, received_at=LATER + dt.timedelta(hours=1))])
        assert receipt.accepted == 0
    assert everybody(sessions) == []
    after = LATER + dt.timedelta(seconds=1)
    receive(sessions, [arrival(acme.id, message("identify", "ann", at=after), received_at=after)])
    assert everybody(sessions) == [("ann", "")]


def test_what_was_set_by_hand_stands_against_older_messages(sessions: sessionmaker[Session], acme: Workspace) -> None:
    first = message("identify", "ann", traits={"email": "ann@example.com", "plan": "pro"})
    receive(sessions, [arrival(acme.id, first)])
    ann = user_id(sessions, acme, "ann")
    with sessions.begin() as session:
        changes = {"traits": {"plan": "team", "seats": 5}, "email": "new@example.com", "username": "ann-new"}
        user_changes.change(session, acme.id, ann, changes, LATER)
    older = message("identify", "ann", traits={"email": "ann@example.com", "plan": "free", "city": "Bern"})
    receive(sessions, [arrival(acme.id, older)])
    with sessions() as session:
        found = users.get(session, acme.id, ann)
        assert found.traits == {"plan": "team", "seats": 5, "city": "Bern"}
        assert (found.username, found.email) == ("ann-new", "new@example.com")
        assert users.find(session, acme.id, username="ann") is found


def test_merging_while_messages_come_in_loses_nobody(sessions: sessionmaker[Session], acme: Workspace) -> None:
    """Two threads bring messages for both users while a third merges them."""
    receive(sessions, [arrival(acme.id, message("identify", "ann"), message("identify", "bob"))])
    ann, bob = user_id(sessions, acme, "ann"), user_id(sessions, acme, "bob")
    start = threading.Barrier(3)

    def bring(username: str) -> None:
        start.wait()
        for number in range(20):
            one = message("identify", username, message_id=f"{username}{number}", traits={f"{username}{number}": 1})
            receive(sessions, [arrival(acme.id, one)])

    def merge() -> None:
        start.wait()
        with sessions.begin() as session:
            same_person.merge(session, acme.id, ann, bob, LATER)

    with ThreadPoolExecutor(3) as pool:
        for running in [pool.submit(bring, "ann"), pool.submit(bring, "bob"), pool.submit(merge)]:
            running.result()
    with sessions() as session:
        (kept,) = session.scalars(select(User)).all()
        assert kept.id == ann
        assert len(kept.traits) == 40
        assert set(session.scalars(select(Event.user_id))) == {ann}
