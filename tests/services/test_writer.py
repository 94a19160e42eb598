"""The writer: one commit for everybody who waits, and nobody is told "stored" who is not."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from msgspec import structs
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.models import DeadLetter, Event
from productfruits.segment import messages, reader
from productfruits.segment.signature import Signed
from productfruits.services import intake, workspaces
from productfruits.services.arrivals import Arrival, Prepared, Receipt
from productfruits.workers.metrics import Metrics
from productfruits.workers.not_stored import Poisonous, StoreBusy, StoreUnavailable
from productfruits.workers.transactions import Begun, OwnTransactions, Store, Transactions
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import Writer
from productfruits.workers.writer_process import WriterProcess
from tests.services.pipes import Killing, through_pipe

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PATIENCE_S = 60.0

MakeWriter = Callable[..., Writer]


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        return workspaces.create(session, "Acme", NOW).id


@pytest.fixture(params=["thread", "pipe"])
def make_writer(request: pytest.FixtureRequest, sessions: sessionmaker[Session]) -> Iterator[MakeWriter]:
    """Writers whose transactions are made in their own thread, or by whoever is at the other end of a pipe."""
    with ExitStack() as stack:

        def make(*, store: Store = intake.store, **options: Any) -> Writer:
            with sessions() as session:
                is_sqlite = session.get_bind().dialect.name == "sqlite"
            own = OwnTransactions(sessions, store)
            transactions: Transactions = own
            if request.param == "pipe":
                transactions = stack.enter_context(through_pipe(own))
            options = {"queue_messages": 1_000, **options}
            writer = Writer(sessions, Metrics(), is_sqlite=is_sqlite, transactions=transactions, **options)
            stack.callback(writer.stop, PATIENCE_S)
            return writer

        yield make


class Outcomes:
    """What the writer told each of those who wait, by name."""

    def __init__(self) -> None:
        self._told: dict[str, list[Outcome]] = {}
        self._change = threading.Condition()

    def listener(self, name: str) -> Callable[[Outcome], None]:
        def done(outcome: Outcome) -> None:
            with self._change:
                self._told.setdefault(name, []).append(outcome)
                self._change.notify_all()

        return done

    def wait_for(self, *names: str) -> list[Outcome]:
        with self._change:
            assert self._change.wait_for(lambda: all(name in self._told for name in names), PATIENCE_S)
            assert [len(self._told[name]) for name in names] == [1] * len(names), "told twice"
            return [self._told[name][0] for name in names]


class Gate:
    """The real intake behind a gate, to see what happens to those who wait meanwhile."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.groups: list[int] = []

    def __call__(self, session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
        self.groups.append(len(arrivals))
        self.entered.set()
        assert self.opened.wait(PATIENCE_S)
        return intake.store(session, arrivals, now)


def arrival(workspace_id: int, message_id: str, event: str = "Clicked", count: int = 1) -> Arrival:
    said = [{"type": "track", "messageId": f"{message_id}-{n}", "userId": "u", "event": event} for n in range(count)]
    body = reader.read(str(said).replace("'", '"').encode())
    parsed = messages.parse(body, signed=Signed(0, "body"))
    return Arrival(workspace_id, None, None, "webhook", "server", NOW, parsed=parsed)


def stored(sessions: sessionmaker[Session]) -> set[str]:
    with sessions() as session:
        return set(session.scalars(select(Event.message_id)))


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


def poisoned_by(event: str, error: type[Exception] = ValueError) -> Store:
    """The real intake, with a bug that one event's name runs into."""

    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
        receipts = intake.store(session, arrivals, now)
        if any(message.name == event for each in arrivals for message in each.messages):
            raise error("a bug of ours")
        return receipts

    return store


def test_poison_fails_alone(make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int) -> None:
    outcomes = Outcomes()
    store, gate = poisoned_by("Poison"), Gate()

    def slow(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
        gate.entered.set()
        assert gate.opened.wait(PATIENCE_S)
        return store(session, arrivals, now)

    writer = make_writer(store=slow)
    writer.submit(arrival(workspace_id, "first"), outcomes.listener("first"))
    assert gate.entered.wait(PATIENCE_S)
    for n in range(9):
        event = "Poison" if n == 4 else "Clicked"
        writer.submit(arrival(workspace_id, f"m{n}", event), outcomes.listener(f"m{n}"), body=b"raw")
    gate.opened.set()
    told = outcomes.wait_for(*(f"m{n}" for n in range(9)))
    assert isinstance(told.pop(4), Poisonous)
    assert told == [Receipt(accepted=1)] * 8
    assert stored(sessions) == {"first-0", *(f"m{n}-0" for n in range(9) if n != 4)}


def test_the_fifth_failure_sets_the_bytes_aside_and_is_acknowledged(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    writer = make_writer(store=poisoned_by("Poison"))
    poison = arrival(workspace_id, "p", "Poison")
    for _ in range(4):
        with pytest.raises(Poisonous):
            writer.receive(poison, PATIENCE_S, body=b"the raw bytes")
    for _ in range(2):
        assert writer.receive(poison, PATIENCE_S, body=b"the raw bytes") == Receipt(rejected=1)
    with sessions() as session:
        letter = session.scalars(select(DeadLetter)).one()
        assert (letter.body, letter.failures, letter.workspace_id) == (b"the raw bytes", 6, workspace_id)
        assert letter.reason.startswith("ValueError at test_writer.py:")
        assert session.scalar(select(func.count()).select_from(Event)) == 0


def test_two_transactions_that_met_are_run_again(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    failures = [
        psycopg.errors.SerializationFailure(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.UniqueViolation(),
    ]

    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
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

    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
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


class Noted:
    """Transactions of a writer's process, with the sizes of the groups that were begun."""

    def __init__(self, transactions: WriterProcess) -> None:
        self.at_once = transactions.at_once
        self.begun: list[int] = []
        self._transactions = transactions
        self._change = threading.Condition()

    def begin(self, arrivals: Sequence[Prepared]) -> Begun:
        begun = self._transactions.begin(arrivals)
        with self._change:
            self.begun.append(len(arrivals))
            self._change.notify_all()
        return begun

    def wait_for(self, groups: int) -> list[int]:
        with self._change:
            assert self._change.wait_for(lambda: len(self.begun) >= groups, PATIENCE_S)
            return list(self.begun)


def test_the_next_group_goes_ahead_once_it_is_as_large_as_the_one_that_is_stored(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    gate, outcomes = Gate(), Outcomes()
    with through_pipe(OwnTransactions(sessions, gate)) as process:
        noted = Noted(process)
        writer = Writer(sessions, Metrics(), is_sqlite=False, queue_messages=1_000, transactions=noted)
        writer.submit(arrival(workspace_id, "first", count=3), outcomes.listener("first"))
        assert gate.entered.wait(PATIENCE_S)
        for n in range(5):
            writer.submit(arrival(workspace_id, f"m{n}"), outcomes.listener(f"m{n}"))
        # The fourth and the fifth may have come before the three were taken.
        [first, ahead] = noted.wait_for(groups=2)
        assert first == 1 and ahead >= 3
        assert gate.groups == [1]
        gate.opened.set()
        assert outcomes.wait_for("first", *(f"m{n}" for n in range(5))) == [
            Receipt(accepted=3),
            *[Receipt(accepted=1)] * 5,
        ]
        assert sum(gate.groups) == 6 and gate.groups == noted.begun
        writer.stop(PATIENCE_S)


def test_in_a_break_no_transaction_is_under_way(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    at_work, breaks, outcomes = threading.Event(), [], Outcomes()

    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
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

    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
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


def is_storing(writer: Writer) -> bool:
    # mypy believes that a property never changes.
    return writer.is_storing


@pytest.mark.parametrize("make_writer", ["pipe"], indirect=True)
def test_when_the_writers_process_is_lost_the_server_stores_by_itself(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    def store(session: Session, arrivals: Sequence[Prepared], now: dt.datetime) -> list[Receipt]:
        raise Killing

    gave_up = threading.Event()
    writer = make_writer(store=store, on_death=gave_up.set)
    with pytest.raises(StoreUnavailable):
        writer.receive(arrival(workspace_id, "a"), PATIENCE_S)
    assert not is_storing(writer)
    assert [writer.receive(arrival(workspace_id, name), PATIENCE_S) for name in "ab"] == [Receipt(accepted=1)] * 2
    assert stored(sessions) == {"a-0", "b-0"}
    assert is_storing(writer) and writer.is_well and not gave_up.is_set()


@pytest.mark.parametrize("make_writer", ["pipe"], indirect=True)
def test_all_of_a_message_goes_through_the_pipe(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    """What is too large for one frame format, or for the pipe at once, as well."""
    traits = {
        "number": 2**70,
        "text": "\u0000\ufffd\U0001f600",
        "large": "x" * 3_000_000,
        "list": [1, 1.5, None, {"a": True}],
    }
    body = reader.read(json.dumps({"type": "identify", "messageId": "m", "userId": "u", "traits": traits}).encode())
    parsed = messages.parse(body, signed=None)
    writer = make_writer()
    whole = Arrival(workspace_id, None, None, "api", "server", NOW, parsed=parsed, refusal=None)
    assert writer.receive(whole, PATIENCE_S) == Receipt(accepted=1)
    with sessions() as session:
        assert session.scalars(select(Event.properties)).one() == parsed.messages[0].traits


@pytest.mark.parametrize("make_writer", ["pipe"], indirect=True)
def test_what_does_not_go_through_the_pipe_fails_alone(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    writer = make_writer()
    good = arrival(workspace_id, "a")
    kind: Any = 7  # no text, as a bug of ours could leave it
    message = structs.replace(good.parsed.messages[0], type=kind)
    broken = structs.replace(good, parsed=structs.replace(good.parsed, messages=(message,)))
    with pytest.raises(Poisonous):
        writer.receive(broken, PATIENCE_S, body=b"raw")
    assert writer.is_storing
    assert writer.receive(good, PATIENCE_S) == Receipt(accepted=1)


def test_what_cannot_be_prepared_waits_for_its_turn_and_is_set_aside(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    writer = make_writer()
    # Ignored: only a bug of ours could make this, and what a bug leads to is what is tested.
    parsed = messages.Parsed(({"no": "message"},), (), 0)  # type: ignore[arg-type]
    broken = Arrival(workspace_id, None, None, "webhook", "server", NOW, parsed=parsed)
    for _ in range(4):
        with pytest.raises(Poisonous):
            writer.receive(broken, PATIENCE_S, body=b"raw")
    assert writer.receive(broken, PATIENCE_S, body=b"raw") == Receipt(rejected=1)
    assert writer.receive(arrival(workspace_id, "a"), PATIENCE_S) == Receipt(accepted=1)


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
