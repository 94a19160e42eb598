"""What questions of pages read with: connections of the driver itself, each read in a transaction of its own."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.services.page_reads import Reads
from productfruits.workers.not_stored import StoreUnavailable

log = structlog.get_logger()

#: So many are kept for the next question; what more is needed when many ask at once goes back to the engine.
KEPT = 4
#: A server that is reached over a network may have gone away meanwhile: one that was idle for so long is asked first.
IDLE_S = 1.0


@dataclass(slots=True)
class Lent:
    """A connection, and that of the driver in it."""

    connection: Connection
    driver: Any
    used_at: float


class PageReaders:
    """Lends out reads, each to one question at a time. Safe to share by threads."""

    def __init__(self, engine: Engine, sessions: sessionmaker[Session]) -> None:
        self.engine = engine
        self.sessions = sessions
        self.errors = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
        self._is_remote = engine.dialect.name != "sqlite"
        self._kept: list[Lent] = []

    def asking(self) -> "Asking":
        """Reads for a block, which raises `StoreUnavailable` for what the store cannot do now."""
        return Asking(self)

    def take(self) -> Lent:
        """A connection that works."""
        try:
            lent = self._kept.pop()
        except IndexError:
            return self._open()
        if self._is_remote and time.monotonic() - lent.used_at > IDLE_S and not self._answers(lent):
            lent.connection.invalidate()
            lent.connection.close()
            return self._open()
        return lent

    def give_back(self, lent: Lent) -> None:
        """Keep it for the next question."""
        if len(self._kept) >= KEPT:
            lent.connection.close()
            return
        lent.used_at = time.monotonic()
        self._kept.append(lent)

    def give_up(self, lent: Lent) -> None:
        """Close it: what went wrong may be its own fault."""
        if self._is_remote:
            lent.connection.invalidate()
        lent.connection.close()

    def close(self) -> None:
        """Give back the connections to the engine."""
        while self._kept:
            self._kept.pop().connection.close()

    def _open(self) -> Lent:
        connection = self.engine.connect()
        if self._is_remote:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        return Lent(connection, connection.connection.driver_connection, time.monotonic())

    def _answers(self, lent: Lent) -> bool:
        try:
            lent.driver.execute("SELECT 1")
        except self.errors:
            return False
        return True


class Asking:
    """One question's reads. A session is opened when something seldom is read, and closed at the end of the block."""

    __slots__ = ("_lent", "_readers", "_session")

    def __init__(self, readers: PageReaders) -> None:
        self._readers = readers
        self._lent: Lent | None = None
        self._session: Session | None = None

    def __enter__(self) -> Reads:
        try:
            self._lent = self._readers.take()
        except SQLAlchemyError as err:
            raise _unavailable(err) from err
        return Reads(self._open, self._lent.driver, self._readers.engine.dialect)

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()
        is_stores_fault = isinstance(err, self._readers.errors)
        if self._lent is not None:
            end = self._readers.give_up if is_stores_fault else self._readers.give_back
            end(self._lent)
        if err is not None and is_stores_fault:
            raise _unavailable(err) from err

    def _open(self) -> Session:
        self._session = self._readers.sessions()
        return self._session


def _unavailable(err: BaseException) -> StoreUnavailable:
    log.warning("store_failed", error=type(err).__name__)
    return StoreUnavailable()
