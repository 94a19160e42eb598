"""One group of arrivals, one transaction: what the writer asks for, and how it is told why there was none."""

import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
from sqlalchemy.orm import Session, sessionmaker

from productfruits.services import intake
from productfruits.services.arrivals import Arrival, PreparedArrival, Receipt, prepare
from productfruits.workers.store_faults import Fault, classify, code, where

#: Transactions that met another one are run again so often.
ATTEMPTS = 5


class Store(Protocol):
    """Stores arrivals in the session's transaction, as services.intake.store does."""

    def __call__(self, session: Session, arrivals: Sequence[PreparedArrival], now: dt.datetime) -> list[Receipt]: ...


class Committed(msgspec.Struct, frozen=True, tag=True):
    """Receipts of the arrivals, in their order, how long the transaction took, and how often it met another one."""

    receipts: list[Receipt]
    took_s: float
    repeated: int = 0


class Fallen(msgspec.Struct, frozen=True, tag=True):
    """Why nothing of the group is stored. Says where and what, and never the error's words: they may quote a sender."""

    fault: Fault
    error: str
    where: str
    code: str | None
    repeated: int = 0


class Lost(Exception):
    """Whoever was to make the transaction is gone. It may have been made."""


def prepared(arrival: Arrival) -> PreparedArrival | Fallen:
    """The arrival as the store takes it; if that fails, as if the store had refused it, so that it waits its turn."""
    try:
        return prepare(arrival)
    except Exception as err:  # nobody foresaw it
        return fallen(err)


def fallen(err: Exception) -> Fallen:
    """An arrival that something of ours cannot deal with, before the store was asked."""
    return Fallen(Fault.UNEXPECTED, type(err).__name__, where(err), None)


#: Waits for the end of a transaction. May raise `Lost`.
Begun = Callable[[], Committed | Fallen]


def known(outcome: Fallen) -> Begun:
    """The end of a transaction that was never made, because it is known how it would have ended."""
    return lambda: outcome


class Transactions(Protocol):
    """Where transactions are made: in this process, or in one of their own (workers.writer_process)."""

    @property
    def at_once(self) -> int:
        """How many may have been begun, to be made one after the other."""
        ...

    def begin(self, arrivals: Sequence[PreparedArrival]) -> Begun:
        """Have the arrivals stored in one transaction, or none of them; whoever calls what is returned learns which."""
        ...


class OwnTransactions:
    """Transactions of this process, made by whoever asks for their end."""

    at_once = 1

    def __init__(self, sessions: sessionmaker[Session], store: Store = intake.store) -> None:
        self._sessions = sessions
        self._store = store

    def begin(self, arrivals: Sequence[PreparedArrival]) -> Begun:
        return partial(self.commit, arrivals)

    def commit(self, arrivals: Sequence[PreparedArrival]) -> Committed | Fallen:
        """Store the arrivals in one transaction, or none of them."""
        began = time.perf_counter()
        repeated = 0
        while True:
            try:
                with self._sessions.begin() as session:
                    receipts = self._store(session, arrivals, dt.datetime.now(dt.UTC))
                return Committed(receipts, time.perf_counter() - began, repeated)
            except Exception as err:
                fault = classify(err)
                if fault is not Fault.AGAIN or repeated == ATTEMPTS - 1:
                    return Fallen(fault, type(err).__name__, where(err), code(err), repeated)
            repeated += 1
            time.sleep(random.uniform(0, 0.02 * repeated))
