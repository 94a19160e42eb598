"""Shared here: stores of a module (making one costs more than many a test), a workspace, writers, a sandbox."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import make_engine, make_sessions
from productfruits.functions.runtime import Sandbox
from productfruits.models import Workspace
from productfruits.services import intake
from productfruits.workers.metrics import Metrics
from productfruits.workers.transactions import OwnTransactions, Store, Transactions
from productfruits.workers.writer import Writer
from tests.services import factories
from tests.services.pipes import PATIENCE_S, through_pipe
from tests.services.scenes import Scene
from tests.services.writers import MakeWriter


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_sessions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sessionmaker[Session]]:
    """Sessions on one store for the whole module, on each database."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path_factory.mktemp("module") / "productfruits.db"
        shutil.copy(template, path)
        yield from _on(f"sqlite:///{path}")
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"services_{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        yield from _on("postgresql+psycopg" + server.removeprefix("postgresql").removesuffix("postgres") + name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def emptied_sessions(module_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """The module's store without anything of earlier tests."""
    with module_sessions.begin() as session:
        session.execute(delete(Workspace))  # everything hangs on it
    return module_sessions


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        return factories.workspace(session).id


@pytest.fixture(params=["thread", "pipe"])
def make_writer(request: pytest.FixtureRequest, sessions: sessionmaker[Session]) -> Iterator[MakeWriter]:
    """Writers whose transactions are made in their own thread, or by whoever is at the other end of a pipe."""
    with ExitStack() as stack:

        def make(*, store: Store = intake.store, **options: Any) -> Writer:
            with sessions() as session:
                is_sqlite = session.get_bind().dialect.name == "sqlite"
            own = OwnTransactions(sessions, store)
            transactions: Transactions = own
            if request.param == "pipe":
                transactions = stack.enter_context(through_pipe(own))
            options = {"queue_messages": 1_000, **options}
            writer = Writer(sessions, Metrics(), is_sqlite=is_sqlite, transactions=transactions, **options)
            stack.callback(writer.stop, PATIENCE_S)
            return writer

        yield make


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=2, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


@pytest.fixture
def scene(module_sessions: sessionmaker[Session]) -> Scene:
    return Scene(module_sessions)


def _on(url: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(url)
    yield make_sessions(engine)
    engine.dispose()
