"""What the questions of pages read with: on SQLite connections of the driver itself, elsewhere a session."""

from types import TracebackType

import structlog
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.services.page_reads import QuickReads, Reads
from productfruits.workers.not_stored import StoreUnavailable

log = structlog.get_logger()


class PageReaders:
    """Lends out reads, each to one question at a time. Safe to share by threads."""

    def __init__(self, engine: Engine, sessions: sessionmaker[Session]) -> None:
        self.engine = engine
        self.sessions = sessions
        self.errors = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
        self._is_sqlite = engine.dialect.name == "sqlite"
        #: Connections whose reads are transactions of their own; as many as ever asked at the same moment.
        self._drivers: list[PoolProxiedConnection] = []

    def asking(self) -> "Asking":
        """Reads for a block, which raises `StoreUnavailable` for what the store cannot do now."""
        return Asking(self)

    def take(self) -> PoolProxiedConnection | None:
        """A connection of the driver, None where sessions are as quick."""
        if not self._is_sqlite:
            return None
        return self._drivers.pop() if self._drivers else self.engine.raw_connection()

    def give_back(self, driver: PoolProxiedConnection) -> None:
        self._drivers.append(driver)

    def close(self) -> None:
        """Give back the connections to the engine."""
        while self._drivers:
            self._drivers.pop().close()


class Asking:
    """One question's reads. A session is opened when something seldom is read, and closed at the end of the block."""

    __slots__ = ("_driver", "_readers", "_session")

    def __init__(self, readers: PageReaders) -> None:
        self._readers = readers
        self._driver: PoolProxiedConnection | None = None
        self._session: Session | None = None

    def __enter__(self) -> Reads:
        try:
            self._driver = self._readers.take()
        except SQLAlchemyError as err:
            raise _unavailable(err) from err
        if self._driver is None:
            return Reads(self._open)
        return QuickReads(self._open, self._driver.driver_connection, self._readers.engine.dialect)

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()
        if self._driver is not None:
            if err is None:
                self._readers.give_back(self._driver)
            else:
                self._driver.close()
        if isinstance(err, self._readers.errors):
            raise _unavailable(err) from err

    def _open(self) -> Session:
        self._session = self._readers.sessions()
        return self._session


def _unavailable(err: BaseException) -> StoreUnavailable:
    log.warning("store_failed", error=type(err).__name__)
    return StoreUnavailable()
