"""What an error of the store means for the requests that wait: try again now, come back later, or look at the input."""

import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Fault(Enum):
    #: Two transactions met; the same one will pass when it runs again.
    AGAIN = "again"
    #: Nothing is wrong with the input: locked, full, stopped, out of reach.
    AWAY = "away"
    #: Nobody foresaw this, so the input is under suspicion.
    UNEXPECTED = "unexpected"


#: https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization failure, deadlock, unique violation.
_AGAIN = frozenset({"40001", "40P01", "23505"})
#: Lock not available, read only, query cancelled; then by class: connection, resources, operator, system, object state.
_AWAY = frozenset({"55P03", "25006"})
_AWAY_CLASSES = ("08", "53", "57", "58")
_UNREACHABLE = frozenset({"OperationalError", "InterfaceError"})
#: https://www.sqlite.org/rescode.html, primary codes.
_AWAY_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
    }
)


def classify(error: BaseException) -> Fault:
    """Which of the three it is, by the code the database gives and never by its words."""
    if isinstance(error, PoolTimeoutError):
        return Fault.AWAY
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return Fault.AWAY
        error = error.orig or error
    # Bulk inserts go to the driver directly, so its errors come bare as well.
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        return Fault.AWAY if code & 0xFF in _AWAY_SQLITE else Fault.UNEXPECTED
    state = getattr(error, "sqlstate", None)
    if state is None:
        # psycopg (which only Postgres needs) has no SQLSTATE for a server that is not there at all.
        return Fault.AWAY if _UNREACHABLE & {kind.__qualname__ for kind in type(error).__mro__} else Fault.UNEXPECTED
    if state in _AGAIN:
        return Fault.AGAIN
    if state in _AWAY or state.startswith(_AWAY_CLASSES):
        return Fault.AWAY
    return Fault.UNEXPECTED


def where(err: BaseException) -> str:
    """File and line at which it was raised. The message is left out: it may quote what users sent."""
    trace = err.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


def code(err: BaseException) -> str | None:
    """The database's own code for the error, if it has one."""
    orig = getattr(err, "orig", None) or err
    return getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
