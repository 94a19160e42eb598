"""Poison: an arrival that a bug of ours fails on, alone among others, until its bytes are set aside."""

import datetime as dt
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import DeadLetter, Event
from productfruits.segment import messages
from productfruits.services import intake
from productfruits.services.arrivals import Arrival, PreparedArrival, Receipt
from productfruits.workers.not_stored import Poisonous
from productfruits.workers.transactions import Store
from tests.services.pipes import PATIENCE_S
from tests.services.writers import NOW, Gate, MakeWriter, Outcomes, arrival, stored


def poisoned_by(event: str, error: type[Exception] = ValueError) -> Store:
    """The real intake, with a bug that one event's name runs into."""

    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
        receipts = intake.store(session, arrivals, now)
        if any(message.name == event for each in arrivals for message in each.messages):
            raise error("a bug of ours")
        return receipts

    return store


def test_poison_fails_alone(make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int) -> None:
    outcomes = Outcomes()
    store, gate = poisoned_by("Poison"), Gate()

    def slow(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
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
        assert letter.reason.startswith("ValueError at test_poison.py:")
        assert session.scalar(select(func.count()).select_from(Event)) == 0


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
