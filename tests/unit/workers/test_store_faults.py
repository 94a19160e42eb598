"""What an error of the store means: by the database's own code, bare or wrapped by SQLAlchemy."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from productfruits.workers.store_faults import Fault, classify


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("in words that may change")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (sqlite_error(sqlite3.SQLITE_BUSY), Fault.AWAY),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), Fault.AWAY),
        (sqlite_error(sqlite3.SQLITE_FULL), Fault.AWAY),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), Fault.AWAY),
        (sqlite_error(sqlite3.SQLITE_READONLY), Fault.AWAY),
        (sqlite_error(sqlite3.SQLITE_ERROR), Fault.UNEXPECTED),
        (sqlite3.IntegrityError("unique"), Fault.UNEXPECTED),
        (psycopg.errors.SerializationFailure(), Fault.AGAIN),
        (psycopg.errors.DeadlockDetected(), Fault.AGAIN),
        (psycopg.errors.UniqueViolation(), Fault.AGAIN),
        (psycopg.errors.LockNotAvailable(), Fault.AWAY),
        (psycopg.errors.DiskFull(), Fault.AWAY),
        (psycopg.errors.TooManyConnections(), Fault.AWAY),
        (psycopg.errors.AdminShutdown(), Fault.AWAY),
        (psycopg.errors.ReadOnlySqlTransaction(), Fault.AWAY),
        (psycopg.OperationalError("connection refused"), Fault.AWAY),
        (psycopg.errors.ConnectionTimeout(), Fault.AWAY),
        (psycopg.errors.UntranslatableCharacter(), Fault.UNEXPECTED),
        (psycopg.ProgrammingError("cannot adapt"), Fault.UNEXPECTED),
        (PoolTimeoutError(), Fault.AWAY),
        (ValueError("a bug of ours"), Fault.UNEXPECTED),
    ],
    ids=lambda value: getattr(value, "value", type(value).__name__),
)
def test_an_error_is_judged_by_its_code(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault
    if not isinstance(error, ValueError | PoolTimeoutError):
        assert classify(DBAPIError("INSERT", {}, error)) is fault


def test_a_connection_that_broke_is_the_store_being_away() -> None:
    assert classify(OperationalError("SELECT", {}, ValueError(), connection_invalidated=True)) is Fault.AWAY
