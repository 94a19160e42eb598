"""Postgres databases for tests that need an empty one each: used again after emptying, since making one is slow.

A new database is a copy of the template's files, half a second on a busy machine; emptying one takes milliseconds.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

import productfruits.models  # noqa: F401  (registers every table)
from productfruits.database import Base

# Other sessions first: whatever a test left running must not write into the next one's database.
END_OTHERS: LiteralString = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
START_COUNTING_ANEW: LiteralString = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"


class DatabasePool:
    """Databases of one server, each in use by one test at a time."""

    def __init__(self, server: str, connection: "psycopg.Connection[tuple[object, ...]]", template: str) -> None:
        self.server = server
        self._connection = connection
        self._template = template
        self._numbers = itertools.count()
        self._free: list[str] = []

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of an empty database with the template's schema."""
        name = self._free.pop() if self._free else self._make()
        yield name
        if self._empty(name):
            self._free.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        for name in self._free:
            self._drop(name)

    def _make(self) -> str:
        # The process id keeps names apart where a server is shared; the counter keeps them apart inside a process.
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        self._connection.execute(statement)  # made of our own names only

    def _empty(self, name: str) -> bool:
        """Remove every row; False if the test has left the schema changed, as some do on purpose."""
        rows = "; ".join(f'DELETE FROM "{table.name}"' for table in Base.metadata.sorted_tables)
        url = self.server.removesuffix("postgres") + name
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(END_OTHERS)
            try:
                with connection.transaction():
                    connection.execute("SET LOCAL session_replication_role = replica")  # in any order of tables
                    connection.execute(rows)
                    connection.execute(START_COUNTING_ANEW)
            except psycopg.errors.UndefinedTable:
                return False
        return True
