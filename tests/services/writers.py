"""What tests of the writer share: arrivals for it, a gate before the store, and what each who waits was told."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Event
from productfruits.segment import messages, reader
from productfruits.segment.signature import Signed
from productfruits.services import intake
from productfruits.services.arrivals import Arrival, PreparedArrival, Receipt
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import Writer
from tests.services.pipes import PATIENCE_S

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

MakeWriter = Callable[..., Writer]


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

    def __call__(self, session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]:
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
