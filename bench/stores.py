"""The database under a subject, and the truth in it: read straight from the tables, never through the subject."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, make_url, text

#: The opposite of what the tests choose: a commit here waits for the disk.
DURABLE = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "max_connections=120",
)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Store:
    """One empty database, named as the subject wants it in its environment."""

    kind: str
    url: str

    @property
    def driver_url(self) -> str:
        """The same for an engine of this process."""
        return _driver(make_url(self.url)).render_as_string(hide_password=False)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for a look at the tables."""
        engine = create_engine(_driver(make_url(self.url)))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


class Stores:
    """Makes empty databases of one kind for the subjects of a run."""

    def __init__(self, kind: str, folder: Path, postgres: str | None) -> None:
        self.kind = kind
        self._folder = folder
        self._postgres = postgres

    def make(self, name: str) -> Store:
        """A new, empty database. The number keeps two stores of the same name apart."""
        name = f"{name}_{next(_numbers)}"
        if self._postgres is None:
            return Store(self.kind, f"sqlite:///{self._folder / name}.sqlite3")
        engine = create_engine(_driver(make_url(self._postgres)), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
        finally:
            engine.dispose()
        return Store(self.kind, make_url(self._postgres).set(database=name).render_as_string(hide_password=False))


@dataclass(frozen=True, slots=True)
class Tables:
    """What a subject calls its tables; the columns username, traits and message_id have these names in all of them."""

    users: str
    events: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What is stored: how often each message id, and the traits of each user row (username, traits)."""

    events: dict[str, int]
    users: list[tuple[str | None, dict[str, object]]]

    @property
    def duplicate_events(self) -> int:
        """Rows beyond the first for a message id."""
        return sum(count - 1 for count in self.events.values())


def count_events(store: Store, tables: Tables) -> int:
    """How many events are stored."""
    with store.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {tables.events}")).scalar_one())


def read_truth(store: Store, tables: Tables) -> Truth:
    """Everything the checks compare; for stores of a check, not for those of a throughput pass."""
    with store.connect() as connection:
        counts = connection.execute(text(f"SELECT message_id, count(*) FROM {tables.events} GROUP BY message_id"))
        events = {str(message_id): int(count) for message_id, count in counts}
        rows = connection.execute(text(f"SELECT username, traits FROM {tables.users}"))
        users = [(username, json.loads(traits) if isinstance(traits, str) else traits) for username, traits in rows]
    return Truth(events, users)


def _driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
