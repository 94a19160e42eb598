"""The pipe to the writer's process: what goes through it, what goes ahead, and what becomes of it when it is lost."""

import datetime as dt
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Event
from productfruits.segment import messages, reader
from productfruits.services.arrivals import Arrival, PreparedArrival, Receipt
from productfruits.workers.metrics import Metrics
from productfruits.workers.not_stored import Poisonous, StoreUnavailable
from productfruits.workers.transactions import Begun, OwnTransactions
from productfruits.workers.writer import Writer
from productfruits.workers.writer_process import WriterProcess
from tests.services.pipes import PATIENCE_S, Killing, through_pipe
from tests.services.writers import NOW, Gate, MakeWriter, Outcomes, arrival, stored


class Noted:
    """Transactions of a writer's process, with the sizes of the groups that were begun."""

    def __init__(self, transactions: WriterProcess) -> None:
        self.at_once = transactions.at_once
        self.begun: list[int] = []
        self._transactions = transactions
        self._change = threading.Condition()

    def begin(self, arrivals: Sequence[PreparedArrival]) -> Begun:
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


def is_storing(writer: Writer) -> bool:
    # mypy believes that a property never changes.
    return writer.is_storing


@pytest.mark.parametrize("make_writer", ["pipe"], indirect=True)
def test_when_the_writers_process_is_lost_the_server_stores_by_itself(
    make_writer: MakeWriter, sessions: sessionmaker[Session], workspace_id: int
) -> None:
    def store(session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
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
