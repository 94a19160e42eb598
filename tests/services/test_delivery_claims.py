"""Who sends: destinations are leased by one worker at a time, and its thread sends by itself."""

import socket
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Destination
from productfruits.services import deliveries, delivery_outcomes, parcels
from productfruits.services.deliveries import Attempt
from productfruits.workers import deliveries as workers_deliveries
from tests.receivers import answering, receiving
from tests.services.senders import VAULT, destination, did, now, sender, sent, statuses


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


def noting(arrived: threading.Semaphore) -> Callable[[socket.socket], None]:
    """Answers each request, and lets the test know."""

    def take(connection: socket.socket) -> None:
        answering()(connection)
        arrived.release()

    return take


def test_two_workers_never_send_to_one_destination_at_a_time(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        for _ in range(3):
            destination(session, workspace_id)
    did(sessions, workspace_id, "Sold")
    with sessions.begin() as session:
        first = deliveries.claim(session, "first", 2, now(), VAULT)
    with sessions.begin() as session:
        second = deliveries.claim(session, "second", 9, now(), VAULT)
    assert (len(first), len(second)) == (2, 1)
    assert {batch.destination_id for batch in first}.isdisjoint({batch.destination_id for batch in second})
    with sessions.begin() as session:
        # The first worker was killed: its leases run out.
        later = deliveries.claim(session, "third", 9, now() + deliveries.LEASE, VAULT)
    assert len(later) == 3
    with sessions.begin() as session:
        deliveries.release(session, "first", [batch.destination_id for batch in later], now())
        assert deliveries.claim(session, "fourth", 9, now(), VAULT) == []


def test_a_destination_that_is_given_back_and_leased_again_in_one_transaction_is_leased(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    did(sessions, workspace_id, "One", "Two")
    with sessions.begin() as session:
        claimed = deliveries.claim(session, "me", 1, now(), VAULT)
        [batch] = deliveries.fill(session, claimed, now())
    with sessions.begin() as session:
        done = Attempt(batch.parcels[0].delivery_id, batch.destination_id, now(), 1, "delivered", 200)
        delivery_outcomes.record(session, [done], now(), lambda: 0)
        deliveries.release(session, "me", [batch.destination_id], now())
        [again] = deliveries.fill(session, deliveries.claim(session, "me", 1, now(), VAULT), now())
        assert [parcel.delivery_id for parcel in again.parcels] == [batch.parcels[1].delivery_id]
    with sessions.begin() as session:
        assert session.scalars(select(Destination.leased_by)).one() == "me"
        deliveries.release(session, "me", [batch.destination_id], now())
        assert len(deliveries.claim(session, "somebody else", 1, now(), VAULT)) == 1


def test_several_destinations_share_what_is_taken_at_once(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        for _ in range(2):
            destination(session, workspace_id)
    did(sessions, workspace_id, *"abcdef")
    with sessions.begin() as session:
        claimed = deliveries.claim(session, "me", 2, now(), VAULT)
        for most, each in ((deliveries.PARCELS, 6), (4, 2), (1, 1)):
            filled = deliveries.fill(session, claimed, now(), parcels_in_all=most)
            assert [len(batch.parcels) for batch in filled] == [each] * 2


@pytest.mark.parametrize("hanging", [0, 3])
def test_the_thread_sends_by_itself_and_a_receiver_that_hangs_holds_up_nobody(
    sessions: sessionmaker[Session], workspace_id: int, hanging: int
) -> None:
    arrived, hung = threading.Semaphore(0), threading.Semaphore(0)
    held = threading.Event()

    def hang(_: socket.socket) -> None:
        hung.release()
        held.wait()

    with receiving(hang) as silent, receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            for _ in range(hanging):
                destination(session, workspace_id, silent.url)
            for _ in range(3):
                destination(session, workspace_id, receiver.url)
        worker = sender(sessions)
        worker.start()
        try:
            did(sessions, workspace_id, *"ab")
            for _ in range(6):
                assert arrived.acquire(timeout=60)
            # While others are still waiting for an answer.
            for _ in range(hanging):
                assert hung.acquire(timeout=60)
            assert len(silent.requests) == hanging
        finally:
            worker.stop(0.1 if hanging else 5)
            held.set()
    with sessions() as session:
        assert (
            sorted(statuses(session))
            == [("event.stored", "delivered")] * 6 + [("event.stored", "pending")] * 2 * hanging
        )
    ids = [sent(request)[0]["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 6


def test_while_messages_press_it_sends_on_and_ends_when_told(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    asked, arrived = threading.Event(), threading.Semaphore(0)

    def is_pressed() -> bool:
        asked.set()
        return True

    with receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, *(f"Sold {n}" for n in range(5)))
        worker = sender(sessions, is_pressed=is_pressed)
        worker.start()
        for _ in range(5):
            assert arrived.acquire(timeout=60)
        worker.stop(10)
    assert asked.is_set()
    with sessions() as session:
        assert statuses(session) == [("event.stored", "delivered")] * 5


def test_what_was_claimed_and_could_not_be_read_is_given_back(
    sessions: sessionmaker[Session], workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = threading.Semaphore(0)
    with receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Sold")
        monkeypatch.setattr(workers_deliveries, "RECOVER_S", 0.01)
        worker = sender(sessions)
        with monkeypatch.context() as broken:
            broken.setattr(parcels, "CHUNK", 0)  # steps of nothing: the reading fails
            with pytest.raises(ValueError):
                worker.run_once()
            with sessions() as session:
                assert session.scalars(select(Destination.leased_by)).one() is not None
        worker.start()
        assert arrived.acquire(timeout=30), "sooner than the lease runs out"
        worker.stop(5)
