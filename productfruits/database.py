"""The store: declarative base, column types, engines for SQLite and Postgres, migrations.

SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives a power cut
(https://sqlite.org/wal.html), and with SQLAlchemy's own BEGIN, since the driver's implicit one breaks savepoints.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
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

#: How long a statement waits for a lock before the sender is told to come back.
LOCK_TIMEOUT_MS = 2_000
#: Short admin and CLI transactions on SQLite wait this long for the writer.
BUSY_TIMEOUT_MS = 5_000
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
    """Insert many rows with the same keys, each value in the form that its column's type declares.

    SQLAlchemy binds every value of every row by itself; here a column's conversion is looked up once and the rows go
    to the driver as tuples, on Postgres by COPY (https://www.postgresql.org/docs/current/sql-copy.html).
    """
    if not rows:
        return
    connection = session.connection()
    names, tuples = tuple(rows[0]), _tuples(connection, model, rows)
    columns = f"{_quoted(connection, table(model).name)} ({', '.join(_quoted(connection, name) for name in names)})"
    if connection.dialect.name == "sqlite":
        placeholders = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {columns} VALUES ({placeholders})", tuples)
        return
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {columns} FROM STDIN") as copy:
        for values in tuples:
            copy.write_row(values)


def bulk_update(session: Session, model: type[Base], key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update many rows, each found by its `key`, which is the last of the keys that all rows have."""
    if not rows:
        return
    connection = session.connection()
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    columns = ", ".join(f"{_quoted(connection, name)} = {mark}" for name in rows[0] if name != key)
    target = _quoted(connection, table(model).name)
    connection.exec_driver_sql(
        f"UPDATE {target} SET {columns} WHERE {_quoted(connection, key)} = {mark}", _tuples(connection, model, rows)
    )


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


def _tuples(connection: Connection, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows as the driver takes them, the values in the order of the first row's keys."""
    columns = table(model).c
    convert = [_converter(columns[name].type, connection.dialect) for name in rows[0]]
    return [
        tuple(value if to is None else to(value) for to, value in zip(convert, row.values(), strict=True))
        for row in rows
    ]


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _converter(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What turns a value of this column type into what the driver takes; None where it takes it as it is."""
    if isinstance(kind, UtcDateTime):
        # The Postgres driver writes aware datetimes itself; for SQLite this is the text that SQLAlchemy's type makes.
        return None if dialect.name == "postgresql" else _sqlite_datetime
    return kind.dialect_impl(dialect).bind_processor(dialect)


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
        immediate = connection.get_execution_options().get(IMMEDIATE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
