"""Alembic's entry: runs the migrations at the URL that productfruits.database hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import text

import productfruits.models  # noqa: F401  (registers every table)
from productfruits.database import Base, Json, RowId, UtcDateTime, make_engine

#: Any number: two processes that start at once take turns on it.
MIGRATION_LOCK = 7_266_001


def render_item(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """Plain SQLAlchemy types in the files: a migration must not change when the package does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and item is Json:
        autogen.imports.add("from sqlalchemy.dialects.postgresql import JSONB")
        return 'sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")'
    if kind == "type" and item is RowId:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


def run() -> None:
    engine = make_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,  # SQLite cannot alter constraints in place
            compare_type=True,
            render_item=render_item,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
