"""The writer: one commit for everybody who waits, and nobody is told "stored" who is not."""

import datetime as dt
import threading
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.models import DeadLetter
from productfruits.services import intake, workspaces
from productfruits.services.arrivals import PreparedArrival, Receipt
from productfruits.workers.not_stored import StoreBusy, StoreUnavailable
from productfruits.workers.waiting import Outcome
from tests.services.pipes import PATIENCE_S, Killing
from tests.services.writers import NOW, Gate, MakeWriter, Outcomes, arrival, stored


def test_a_receipt_means_that_it_is_stored(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    writer = make_writer()
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)
    assert stored(sessions) == {"a-0"}
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(duplicates=1)


def test_everybody_who_waits_shares_one_commit(make_writer: MakeWriter, workspace_id: int) -> None:
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate)
    writer.submit(arrival(workspace_id, "first"), outcomes.listener("first"))
    assert gate.entered.wait(PATIENCE_S)
    for n in range(10):
        writer.submit(arrival(workspace_id, f"m{n}"), outcomes.listener(f"m{n}"))
    gate.opened.set()
    assert outcomes.wait_for("first", *(f"m{n}" for n in range(10))) == [Receipt(accepted=1)] * 11
    # Where transactions are made elsewhere, some of them go ahead while the first one is stored.
    assert sum(gate.groups) == 11 and len(gate.groups) <= 1 + writer.groups_at_once


def test_it_refuses_at_once_when_too_much_waits(make_writer: MakeWriter, workspace_id: int) -> None:
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate, queue_messages=4)
    writer.submit(arrival(workspace_id, "first"), outcomes.listener("first"))
    assert gate.entered.wait(PATIENCE_S)
    writer.nudge()  # a break is due, so nothing goes ahead
    writer.submit(arrival(workspace_id, "large", count=3), outcomes.listener("large"))
    with pytest.raises(StoreBusy):
        writer.check_room(workspace_id)
    with pytest.raises(StoreBusy):
        writer.submit(arrival(workspace_id, "late"), outcomes.listener("late"))
    gate.opened.set()
    assert outcomes.wait_for("first", "large") == [Receipt(accepted=1), Receipt(accepted=3)]
    writer.check_room(workspace_id)


def test_two_transactions_that_met_are_run_again(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    failures = [
        psycopg.errors.SerializationFailure(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.UniqueViolation(),
    ]

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        receipts = intake.store(session, arrivals, now)
        if failures:
            raise OperationalError("INSERT", {}, failures.pop())
        return receipts

    writer = make_writer(store=store)
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)
    assert stored(sessions) == {"a-0"}


@pytest.mark.parametrize(
    "failure",
    [
        psycopg.errors.LockNotAvailable(),
        psycopg.errors.DiskFull(),
        psycopg.errors.AdminShutdown(),
        psycopg.OperationalError("connection refused"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_store_that_is_away_fails_nobody_for_good(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int, failure: Exception
) -> None:
    failures = [failure]

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        if failures:
            raise OperationalError("INSERT", {}, failures.pop())
        return intake.store(session, arrivals, now)

    writer = make_writer(store=store)
    with pytest.raises(StoreUnavailable):
        writer.receive(arrival(workspace_id, "a"), PATIENCE_S, body=b"raw")
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 0


def test_a_locked_store_means_come_again(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    writer = make_writer()
    with sessions() as other:
        if other.get_bind().dialect.name == "sqlite":
            begin_immediate(other)
        else:
            other.execute(text("LOCK TABLE event IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreUnavailable):
            writer.receive(arrival(workspace_id, "a"), PATIENCE_S)
        other.rollback()
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)


def test_stopping_finishes_what_was_accepted_and_takes_nothing_more(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate)
    for n in range(5):
        writer.submit(arrival(workspace_id, f"m{n}"), outcomes.listener(f"m{n}"))
    assert gate.entered.wait(PATIENCE_S)
    stopping = threading.Thread(target=writer.stop, args=(PATIENCE_S,))
    stopping.start()
    while writer.is_well:
        pass
    with pytest.raises(StoreUnavailable):
        writer.submit(arrival(workspace_id, "late"), outcomes.listener("late"))
    gate.opened.set()
    stopping.join()
    assert outcomes.wait_for(*(f"m{n}" for n in range(5))) == [Receipt(accepted=1)] * 5
    assert len(stored(sessions)) == 5


def test_who_cannot_be_finished_in_time_is_told_to_come_again(make_writer: MakeWriter, workspace_id: int) -> None:
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate)
    writer.submit(arrival(workspace_id, "stuck"), outcomes.listener("stuck"))
    assert gate.entered.wait(PATIENCE_S)
    writer.submit(arrival(workspace_id, "left"), outcomes.listener("left"))
    writer.stop(0.0)
    assert [type(told) for told in outcomes.wait_for("stuck", "left")] == [StoreUnavailable] * 2
    gate.opened.set()
    writer.stop(PATIENCE_S)
    outcomes.wait_for("stuck", "left")


def test_in_a_break_no_transaction_is_under_way(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    at_work, breaks, outcomes = threading.Event(), [], Outcomes()

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        at_work.set()
        receipts = intake.store(session, arrivals, now)
        at_work.clear()
        return receipts

    writer = make_writer(store=store, between_groups=lambda: breaks.append(at_work.is_set()))
    for n in range(200):
        writer.submit(arrival(workspace_id, f"m{n}"), outcomes.listener(f"m{n}"))
        if n % 20 == 0:
            writer.nudge()
    assert outcomes.wait_for(*(f"m{n}" for n in range(200))) == [Receipt(accepted=1)] * 200
    writer.stop(PATIENCE_S)
    assert breaks and not any(breaks)


@pytest.mark.parametrize("make_writer", ["thread"], indirect=True)
def test_a_dead_writer_is_restarted_once_and_then_gives_up(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    lethal = [True, False, True]

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        if lethal.pop(0):
            raise Killing
        return intake.store(session, arrivals, now)

    gave_up = threading.Event()
    writer = make_writer(store=store, on_death=gave_up.set)
    with pytest.raises(StoreUnavailable):
        writer.receive(arrival(workspace_id, "a"), PATIENCE_S)
    assert writer.is_well
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)
    assert not gave_up.is_set()
    with pytest.raises(StoreUnavailable):
        writer.receive(arrival(workspace_id, "b"), PATIENCE_S)
    assert gave_up.wait(PATIENCE_S)
    with pytest.raises(StoreUnavailable):
        writer.check_room(workspace_id)
    with pytest.raises(StoreUnavailable):
        writer.submit(arrival(workspace_id, "c"), Outcomes().listener("c"))
    assert stored(sessions) == {"a-0"}


def test_a_listener_that_fails_costs_nobody_else_the_answer(make_writer: MakeWriter, workspace_id: int) -> None:
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate)

    def failing(_: Outcome) -> None:
        raise RuntimeError("the loop is closed")

    writer.submit(arrival(workspace_id, "first"), outcomes.listener("first"))
    assert gate.entered.wait(PATIENCE_S)
    writer.submit(arrival(workspace_id, "a"), failing)
    writer.submit(arrival(workspace_id, "b"), outcomes.listener("b"))
    gate.opened.set()
    assert outcomes.wait_for("first", "b") == [Receipt(accepted=1)] * 2


def test_workspaces_do_not_mix_in_one_group(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        other_id = workspaces.create(session, "Other", NOW).id
    gate, outcomes = Gate(), Outcomes()
    writer = make_writer(store=gate)
    writer.submit(arrival(workspace_id, "first"), outcomes.listener("first"))
    assert gate.entered.wait(PATIENCE_S)
    for n in range(4):
        writer.submit(arrival((workspace_id, other_id)[n % 2], "same"), outcomes.listener(f"m{n}"))
    gate.opened.set()
    assert outcomes.wait_for("m0", "m1", "m2", "m3") == [
        Receipt(accepted=1),
        Receipt(accepted=1),
        Receipt(duplicates=1),
        Receipt(duplicates=1),
    ]
