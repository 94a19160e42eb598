"""Statements over many rows, written by hand, because the writer's time is what bounds a busy server.

SQLAlchemy binds every value of every row by itself, and SQLite's driver lets go of the interpreter for every
statement: both cost more than the rows. What the columns are and how values are kept still comes from the models.
"""

import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import Any, cast

from sqlalchemy import JSON, ClauseElement, Connection, Dialect, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from productfruits.database import IN_ONE_GO, Base, UtcDateTime, connection_of, encode_json, table

#: How many rows one statement may have. Few sizes, so that the driver knows their statements, and close enough to each
#: other that most numbers of rows need two of them at most.
PORTIONS = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
#: SQLAlchemy's own writes question marks, which would need the values in its order.
NAMED_SQLITE = sqlite.dialect(paramstyle="named")


@contextmanager
def in_one_go(session: Session) -> Iterator[None]:
    """Have Postgres work on the statements of `insert`, `update`, `send` and `lookups.ask` while we go on.

    An error is raised by the next question, or at the end. The first statement that goes through SQLAlchemy waits for
    all before it and ends the go early. Inside another such block, still going, this one changes nothing.
    """
    connection = connection_of(session)
    if connection.dialect.name != "postgresql" or IN_ONE_GO in connection.info:
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    with ExitStack() as going:
        going.enter_context(driver.pipeline())
        connection.info[IN_ONE_GO] = going
        try:
            yield
        finally:
            connection.info.pop(IN_ONE_GO, None)


def insert(
    session: Session,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    known_by: Sequence[str] = (),
    replacing: Sequence[str] = (),
    written: Collection[str] = (),
) -> None:
    """Insert many rows with the same keys. Columns that are `written` hold JSON as text already.

    With `known_by` (a unique key; no two of the rows share one) a row that is stored already gets the new values of
    the columns `replacing`, or stays as it is if there are none.
    """
    if not rows:
        return
    connection = connection_of(session)
    names, values = tuple(rows[0]), _values(connection, model, rows, frozenset(written))
    for portion in _portions(values):
        statement = _insertion(connection.dialect, model, names, tuple(known_by), tuple(replacing), len(portion))
        _execute(connection, statement, portion)


def update(session: Session, model: type[Base], key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update many rows, each found by its `key`. All rows have the same keys."""
    if not rows:
        return
    connection = connection_of(session)
    names = (*(name for name in rows[0] if name != key), key)
    values = _values(connection, model, [{name: row[name] for name in names} for row in rows])
    for portion in _portions(values):
        _execute(connection, _change(connection.dialect, model, names, len(portion)), portion)


def send(session: Session, statement: Executable, values: Mapping[str, Any]) -> Any:
    """Execute a statement past SQLAlchemy and return the driver's cursor; inside `in_one_go` nobody may read it yet.

    The values are plain ones or times.
    """
    connection = connection_of(session)
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        values = {
            name: _sqlite_datetime(value) if isinstance(value, dt.datetime) else value for name, value in values.items()
        }
    return driver.execute(_statement_text(statement, connection.dialect), values)


@functools.cache
def _statement_text(statement: Executable, dialect: Dialect) -> str:
    """The statement as the driver takes it with named values. Keep the statement: each one is written only once."""
    with_names = NAMED_SQLITE if dialect.name == "sqlite" else dialect
    return str(cast("ClauseElement", statement).compile(dialect=with_names))


@functools.cache
def _insertion(
    dialect: Dialect,
    model: type[Base],
    names: Sequence[str],
    known_by: Sequence[str],
    replacing: Sequence[str],
    rows: int,
) -> str:
    """The statement that inserts so many rows."""
    into = f"{_quoted(dialect, table(model).name)} ({_list(dialect, names)})"
    conflict = ""
    if known_by:
        new = ", ".join(f"{_quoted(dialect, name)} = excluded.{_quoted(dialect, name)}" for name in replacing)
        conflict = f" ON CONFLICT ({_list(dialect, known_by)}) DO " + (f"UPDATE SET {new}" if new else "NOTHING")
    return f"INSERT INTO {into} VALUES {_marks(dialect, rows, len(names))}{conflict}"


@functools.cache
def _change(dialect: Dialect, model: type[Base], names: Sequence[str], rows: int) -> str:
    """The statement that updates so many rows, each found by the last of the columns."""
    target = _quoted(dialect, table(model).name)
    columns = ", ".join(
        f"{_quoted(dialect, name)} = {_cast(dialect, model, name, f'given.column{n}')}"
        for n, name in enumerate(names[:-1], 1)
    )
    given = f"(VALUES {_marks(dialect, rows, len(names))}) AS given"
    found = f"{target}.{_quoted(dialect, names[-1])} = given.column{len(names)}"
    return f"UPDATE {target} SET {columns} FROM {given} WHERE {found}"


def _values(
    connection: Connection,
    model: type[Base],
    rows: Sequence[Mapping[str, Any]],
    written: frozenset[str] = frozenset(),
) -> list[list[Any]]:
    """The values of the rows in the order of the first row's keys, as the driver takes them."""
    convert = _converters(connection.dialect.name, model, tuple(rows[0]), written)
    lists = [list(row.values()) for row in rows]
    for values in lists:
        for n, to in convert:
            values[n] = to(values[n])
    return lists


@functools.cache
def _converters(
    dialect: str, model: type[Base], names: Sequence[str], written: frozenset[str]
) -> Sequence[tuple[int, Callable[[Any], Any]]]:
    """The columns, by their number, for which the driver takes other values than Python's, and what makes them."""
    columns = table(model).c
    return [
        (n, to)
        for n, name in enumerate(names)
        if name not in written and (to := _converter(columns[name].type, dialect)) is not None
    ]


def _converter(kind: TypeEngine[Any], dialect: str) -> Callable[[Any], Any] | None:
    """What makes the driver's value; None where it takes Python's. For SQLite as SQLAlchemy's own types do it."""
    if isinstance(kind, JSON):
        return encode_json
    return _sqlite_datetime if isinstance(kind, UtcDateTime) and dialect == "sqlite" else None


def _portions(values: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """Portions of the sizes above.

    Not row by row: SQLite's driver lets go of the interpreter for every statement, and may wait long to get it back.
    """
    start = 0
    for size in PORTIONS:
        while size <= len(values) - start:
            yield values[start : start + size]
            start += size


def _marks(dialect: Dialect, rows: int, columns: int) -> str:
    """The placeholders of so many rows: ?, or $1, $2, … where the driver passes the statement on unread."""
    marks = iter(f"${n}" if dialect.name == "postgresql" else "?" for n in range(1, rows * columns + 1))
    return ", ".join(f"({', '.join(islice(marks, columns))})" for _ in range(rows))


def _execute(connection: Connection, statement: str, portion: list[list[Any]]) -> None:
    driver: Any = connection.connection.dbapi_connection
    values = list(chain.from_iterable(portion))
    if connection.dialect.name == "postgresql":
        # Psycopg looks for its own placeholders in every long statement anew, which costs more than the statement.
        cursors: Any = connection.dialect.dbapi
        cursors.RawCursor(driver).execute(statement, values)
    else:
        driver.execute(statement, values)


def _cast(dialect: Dialect, model: type[Base], name: str, value: str) -> str:
    """The value as the column's type: Postgres takes what stands in a list of VALUES for text."""
    if dialect.name == "sqlite":
        return value
    return f"CAST({value} AS {table(model).c[name].type.compile(dialect)})"


def _list(dialect: Dialect, names: Sequence[str]) -> str:
    return ", ".join(_quoted(dialect, name) for name in names)


def _quoted(dialect: Dialect, name: str) -> str:
    return dialect.identifier_preparer.quote(name)


# The rows of a group share their time of receipt.
@functools.lru_cache(maxsize=1_024)
def _sqlite_datetime(value: dt.datetime | None) -> str | None:
    return None if value is None else value.astimezone(dt.UTC).isoformat(" ", "microseconds")[:26]
