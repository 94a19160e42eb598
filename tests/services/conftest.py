"""A store for all tests of a module, for those that do not mind: making a database costs more than many a test."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import make_engine, make_sessions
from productfruits.models import Workspace


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


def _on(url: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(url)
    yield make_sessions(engine)
    engine.dispose()
