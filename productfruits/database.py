"""The store: declarative base, column types, engines for SQLite and Postgres, migrations.

SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives a power cut
(https://sqlite.org/wal.html), and with SQLAlchemy's own BEGIN, since the driver's implicit one breaks savepoints.
"""

import contextlib
import datetime as dt
from pathlib import Path
from typing import Any, cast

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, sessionmaker
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from productfruits.config import PACKAGE
from productfruits.turns import Turns

#: How long a statement waits for a lock before the sender is told to come back.
LOCK_TIMEOUT_MS = 2_000
#: Short admin and CLI transactions on SQLite wait this long for the writer.
BUSY_TIMEOUT_MS = 5_000
#: Statements that a connection keeps prepared: those of services.bulk come in a dozen sizes for each table.
KEPT_STATEMENTS = 300
#: Set by `begin_immediate` for transactions that are going to write.
IMMEDIATE = "productfruits_immediate"
#: In a session's info: its transaction, and the connection that it has.
CONNECTION = "productfruits_connection"
#: Where a Postgres connection keeps what ends the pipeline that `services.bulk.in_one_go` began.
IN_ONE_GO = "productfruits_in_one_go"

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
        pool_use_lifo=True,  # the writer gets the connection that has its statements prepared
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

    @event.listens_for(engine, "connect")
    def keep(connection: Any, _record: Any) -> None:
        connection.prepared_max = KEPT_STATEMENTS

    @event.listens_for(engine, "before_cursor_execute")
    def settle(connection: Connection, *_: Any) -> None:
        going: contextlib.ExitStack | None = connection.info.pop(IN_ONE_GO, None)
        if going is not None:
            going.close()  # SQLAlchemy reads every outcome at once, which in a pipeline is not there yet

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


def connection_of(session: Session) -> Connection:
    """What `session.connection()` returns, remembered for the transaction: the writer asks two dozen times in each."""
    transaction = session.get_transaction()
    known: tuple[SessionTransaction | None, Connection] | None = session.info.get(CONNECTION)
    if known is None or transaction is None or known[0] is not transaction:
        connection = session.connection()
        known = session.info[CONNECTION] = (session.get_transaction(), connection)
    return known[1]


def table(model: type[Base]) -> Table:
    """The table of a model, for bulk statements that are to skip the ORM's work per row."""
    # Declarative types it wider, because a model may also be mapped to a join or a select.
    return cast("Table", model.__table__)


_encode = msgspec.json.Encoder().encode


def encode_json(value: Any) -> str:
    return _encode(value).decode()


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
        # What one connection writes makes the pages that another one holds worthless: in turns, each would read all
        # of them anew for every group. So the writer gets the one that was its own.
        pool_use_lifo=True,
        json_serializer=encode_json,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "check_same_thread": False,
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "cached_statements": KEPT_STATEMENTS,
        },
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
