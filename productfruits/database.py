"""The store: declarative base, column types, engines for SQLite and Postgres, migrations.

SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives a power cut
(https://sqlite.org/wal.html), and with SQLAlchemy's own BEGIN, since the driver's implicit one breaks savepoints.
"""

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, DateTime, Dialect, Engine, Executable, Integer, MetaData, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from productfruits.config import PACKAGE
from productfruits.turns import Turns

#: How long a statement waits for a lock before the sender is told to come back.
LOCK_TIMEOUT_MS = 2_000
#: Short admin and CLI transactions on SQLite wait this long for the writer.
BUSY_TIMEOUT_MS = 5_000
#: Rows of one statement at most; a power of two.
PORTION_ROWS = 64
#: Set by `begin_immediate` for transactions that are going to write.
IMMEDIATE = "productfruits_immediate"

#: Alembic on SQLite rebuilds tables by constraint name, so every constraint needs a predictable one
#: (https://alembic.sqlalchemy.org/en/latest/naming.html).
NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware datetime in UTC on both sides; naive values are refused, since SQLite would keep them silently."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: every time in the store is in UTC")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


#: A JSON document: JSONB on Postgres, text on SQLite.
Json: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
#: A 64-bit row number: SQLite numbers rows only in a column whose type is exactly INTEGER.
RowId: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


def make_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine for `url` with the pragmas and time-outs this product relies on. Opens no connection yet."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=2,
        json_serializer=encode_json,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "connect_timeout": 3,
            "application_name": "productfruits",
            # A row value is never trusted to fit one plan, and the writer must not hang behind somebody's lock.
            "options": f"-c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
            " -c idle_in_transaction_session_timeout=60000",
        },
    )
    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep their objects readable after commit; entry points open them, services get them."""
    return sessionmaker(engine, expire_on_commit=False)


def begin_immediate(session: Session) -> None:
    """Take SQLite's write lock now, before the first read, so that read-modify-write cannot be interleaved.

    Call it first in a transaction; a second call in the same one changes nothing. On Postgres it does nothing: there
    the workspace's advisory lock does this work.
    """
    if session.in_transaction() and session.info.get(IMMEDIATE) is session.get_transaction():
        return
    session.connection(execution_options={IMMEDIATE: True})
    session.info[IMMEDIATE] = session.get_transaction()


def table(model: type[Base]) -> Table:
    """The table of a model, for bulk statements that are to skip the ORM's work per row."""
    # Declarative types it wider, because a model may also be mapped to a join or a select.
    return cast("Table", model.__table__)


def bulk_insert(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows with the same keys.

    SQLAlchemy binds every value of every row by itself; here the rows go to the driver as they are, on Postgres by
    COPY (https://www.postgresql.org/docs/current/sql-copy.html).
    """
    if not rows:
        return
    connection = session.connection()
    names, values = tuple(rows[0]), _values(connection, model, rows)
    columns = f"{_quoted(connection, table(model).name)} ({', '.join(_quoted(connection, name) for name in names)})"
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        for portion in _portions(values):
            driver.execute(f"INSERT INTO {columns} VALUES {_marks(portion)}", list(chain.from_iterable(portion)))
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {columns} FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)


def bulk_update(session: Session, model: type[Base], key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update many rows, each found by its `key`. All rows have the same keys."""
    if not rows:
        return
    connection = session.connection()
    target, quoted_key = _quoted(connection, table(model).name), _quoted(connection, key)
    names = [*(name for name in rows[0] if name != key), key]
    values = _values(connection, model, [{name: row[name] for name in names} for row in rows])
    if connection.dialect.name == "sqlite":
        columns = ", ".join(f"{_quoted(connection, name)} = given.column{n}" for n, name in enumerate(names[:-1], 1))
        for portion in _portions(values):
            driver: Any = connection.connection.dbapi_connection
            driver.execute(
                f"UPDATE {target} SET {columns} FROM (VALUES {_marks(portion)}) AS given "
                f"WHERE {target}.{quoted_key} = given.column{len(names)}",
                list(chain.from_iterable(portion)),
            )
        return
    columns = ", ".join(f"{_quoted(connection, name)} = %s" for name in names[:-1])
    connection.exec_driver_sql(f"UPDATE {target} SET {columns} WHERE {quoted_key} = %s", [tuple(row) for row in values])


def upsert(session: Session, model: type[Base], keys: Sequence[str], values: Sequence[str]) -> Executable:
    """INSERT … ON CONFLICT (keys) DO UPDATE of the named columns; with no `values`, DO NOTHING."""
    target = table(model)
    if session.get_bind().dialect.name == "postgresql":
        on_postgres = postgresql.insert(target)
        if not values:
            return on_postgres.on_conflict_do_nothing(index_elements=keys)
        return on_postgres.on_conflict_do_update(
            index_elements=keys, set_={name: on_postgres.excluded[name] for name in values}
        )
    on_sqlite = sqlite.insert(target)
    if not values:
        return on_sqlite.on_conflict_do_nothing(index_elements=keys)
    return on_sqlite.on_conflict_do_update(
        index_elements=keys, set_={name: on_sqlite.excluded[name] for name in values}
    )


def _values(connection: Connection, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The values of the rows in the order of the first row's keys, as the driver takes them."""
    columns, dialect = table(model).c, connection.dialect.name
    convert = [(n, to) for n, name in enumerate(rows[0]) if (to := _converter(columns[name].type, dialect)) is not None]
    lists = [list(row.values()) for row in rows]
    for values in lists:
        for n, to in convert:
            values[n] = to(values[n])
    return lists


def _converter(kind: TypeEngine[Any], dialect: str) -> Callable[[Any], Any] | None:
    """What makes the driver's value; None where it takes Python's. For SQLite as SQLAlchemy's own types do it."""
    if isinstance(kind, JSON):
        return encode_json
    return _sqlite_datetime if isinstance(kind, UtcDateTime) and dialect == "sqlite" else None


def _portions(values: list[list[Any]]) -> Iterator[list[list[Any]]]:
    """Portions of a few sizes only, so that the driver knows their statements.

    Not row by row: SQLite's driver lets go of the interpreter for every statement, and may wait long to get it back.
    """
    start, size = 0, PORTION_ROWS
    while start < len(values):
        while size > len(values) - start:
            size //= 2
        yield values[start : start + size]
        start += size


def _marks(portion: list[list[Any]]) -> str:
    row = f"({', '.join('?' * len(portion[0]))})"
    return ", ".join([row] * len(portion))


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


# The rows of a group share their time of receipt.
@functools.lru_cache(maxsize=1_024)
def _sqlite_datetime(value: dt.datetime | None) -> str | None:
    return None if value is None else value.astimezone(dt.UTC).isoformat(" ", "microseconds")[:26]


def encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def migrate(url: str) -> None:
    """Bring the schema at `url` to the newest version. Safe to repeat, and safe to run from several processes."""
    command.upgrade(alembic_config(url), "head")


def schema_version(engine: Engine) -> str | None:
    """The revision the store is at, None for an empty one. Changes nothing."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_schema_version() -> str | None:
    """The revision that this release needs."""
    return ScriptDirectory.from_config(alembic_config("sqlite://")).get_current_head()


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file; migrations/ lies beside the package or, in a wheel, inside it."""
    inside = PACKAGE / "_migrations"
    config = Config()
    location: Path = inside if inside.is_dir() else PACKAGE.parent / "migrations"
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    file = make_url(url).database
    waiting = Turns(Path(file)).waiting if file and file != ":memory:" else contextlib.nullcontext
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=2,
        json_serializer=encode_json,
        json_deserializer=msgspec.json.decode,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # erased rows leave no bytes behind
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "wal_autocheckpoint=0",  # the writer checkpoints beside the commit path
            "cache_size=-65536",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(IMMEDIATE):
            connection.exec_driver_sql("BEGIN")
            return
        with waiting():
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
