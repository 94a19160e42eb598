"""Questions that may take long are stopped, so that a page does not wait for minutes and hold a thread meanwhile.

How long a question takes is not ours to know: a database that has just been filled or restored plans without knowing
its tables, and what takes half a second otherwise then takes minutes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from productfruits.database import connection_of

#: SQLite looks at the clock after so many of its instructions: well under a millisecond.
INSTRUCTIONS = 10_000
#: "Query canceled" (https://www.postgresql.org/docs/current/errcodes-appendix.html).
CANCELED = "57014"


class Stopped(Exception):
    """The time was over."""


@contextmanager
def within(session: Session, seconds: float) -> Iterator[None]:
    """Stop the questions of the block when they take longer, on Postgres each of them; then raise `Stopped`.

    The transaction goes on in either case.
    """
    connection = connection_of(session)
    if connection.dialect.name == "postgresql":
        limiting = _on_postgres(session, seconds)
    else:
        limiting = _on_sqlite(connection.connection.dbapi_connection, seconds)
    with limiting:
        yield


@contextmanager
def _on_postgres(session: Session, seconds: float) -> Iterator[None]:
    try:
        with session.begin_nested():
            session.execute(text(f"SET LOCAL statement_timeout TO {max(1, round(seconds * 1_000))}"))
            yield
            session.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
    except OperationalError as err:
        if getattr(err.orig, "sqlstate", None) == CANCELED:
            raise Stopped() from err
        raise


@contextmanager
def _on_sqlite(driver: Any, seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)
    try:
        yield
    except OperationalError as err:
        if getattr(err.orig, "sqlite_errorname", None) == "SQLITE_INTERRUPT":
            raise Stopped() from err
        raise
    finally:
        driver.set_progress_handler(None, 0)
