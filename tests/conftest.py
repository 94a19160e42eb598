"""Fixtures for every test: a store on SQLite and on Postgres, settings, the app, a running server."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart
from werkzeug.test import TestResponse

import productfruits
from productfruits.config import Settings
from productfruits.database import make_engine, make_sessions, migrate
from productfruits.services import passwords
from tests.databases import DatabasePool
from tests.pgtemp import temporary_postgres
from tests.served import Served, serve

# What the developer's shell says must not decide what a test sees; tests set their own.
for _name in [name for name in os.environ if name.startswith("PRODUCTFRUITS_")]:
    del os.environ[_name]

#: Folders whose tests start servers and browsers.
SLOW = ("browser", "cli", "clients", "faults")

# No deadline: a test never times anything. The machine may be slow or shared.
hypothesis.settings.register_profile(
    "productfruits",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
hypothesis.settings.load_profile("productfruits")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the modules out, so that each process begins with its share of those that start servers and browsers.

    xdist gives each process an even piece of the list, and who has finished takes from the ends of the others: what is
    left for the end is short then, and nobody waits for one process that still has all the servers to start.
    """
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    hands: list[list[pytest.Item]] = [[] for _ in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))]
    is_slow = {path: path.parent.name in SLOW for path in modules}
    for number, path in enumerate(path for path in modules if is_slow[path]):
        hands[number % len(hands)] += modules[path]
    for path in modules:
        if not is_slow[path]:
            min(hands, key=len).extend(modules[path])
    items[:] = [item for hand in hands for item in hand]


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hundreds of tests make an app of their own: its routes and templates are the same ones, and compile only once."""
    builders: dict[object, Any] = {}
    parsed: dict[object, tuple[list[RulePart], list[tuple[bool, str]], dict[str, Any]]] = {}
    compile_builder, parse_rule = Rule._compile_builder, Rule._parse_rule

    def builder(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, append_unknown, repr(rule.defaults), rule.subdomain, rule.build_only, rule.websocket)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    def parse(rule: Rule, text: str) -> list[RulePart]:
        if text not in parsed:
            known = len(rule._trace)
            parts = list(parse_rule(rule, text))
            trace = rule._trace[known:]
            parsed[text] = parts, trace, {name: rule._converters[name] for is_named, name in trace if is_named}
        else:
            parts, trace, converters = parsed[text]
            rule._trace += trace
            rule._converters |= converters
            rule.arguments |= converters.keys()
        return parts

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Rule, "_compile_builder", builder)
        patched.setattr(Rule, "_parse_rule", parse)
        cache = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
        patched.setattr(Flask, "jinja_options", {"bytecode_cache": cache})
        yield


@pytest.fixture(scope="session", autouse=True)
def real_password_hash() -> Iterator[PasswordHash]:
    """Passwords cost tens of milliseconds by design, and hundreds of tests log in: they pay less.

    This is what is used outside of tests, for the test of the price.
    """
    real = passwords._hash
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hash", PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
        yield real


class Client(FlaskClient):
    """Reads every answer to its end at once, so that a file behind it is closed and not left to the collector."""

    def open(self, *args: Any, buffered: bool = True, follow_redirects: bool = False, **kwargs: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, follow_redirects=follow_redirects, **kwargs)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A URL of the test session's own server, whose database `migrated` has the newest schema and no rows."""
    with temporary_postgres() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
        migrate(_sqlalchemy_url(url, "migrated"))
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and no rows."""
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty, migrated SQLite store of this test alone."""
    path = tmp_path / "productfruits.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_pool(postgres_server: str) -> Iterator[DatabasePool]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        pool = DatabasePool(postgres_server, connection, template="migrated")
        yield pool
        pool.close()


@pytest.fixture
def postgres_url(postgres_pool: DatabasePool) -> Iterator[str]:
    """An empty, migrated Postgres database of this test alone."""
    with postgres_pool.database() as name:
        yield _sqlalchemy_url(postgres_pool.server, name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty, migrated store of this test alone; every test that asks for it runs on both databases."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module")
def module_postgres_url(postgres_pool: DatabasePool) -> Iterator[str]:
    """An empty, migrated Postgres database for all tests of a module."""
    with postgres_pool.database() as name:
        yield _sqlalchemy_url(postgres_pool.server, name)


@pytest.fixture(scope="module")
def module_sqlite_url(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty, migrated SQLite store for all tests of a module."""
    path = tmp_path_factory.mktemp("module") / "productfruits.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_database_url(request: pytest.FixtureRequest) -> str:
    """A store that the tests of a module share, each in a workspace of its own; on both databases."""
    url: str = request.getfixturevalue(f"module_{request.param}_url")
    return url


@pytest.fixture(scope="module")
def module_sessions(module_database_url: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(module_database_url)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """A session in its own transaction, rolled back at the end unless the test commits."""
    with sessions() as session:
        yield session


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Callable[..., Settings]:
    """Makes complete Settings on an empty SQLite store: settings(port=0, public_url="https://…")."""
    base = Settings(
        data_dir=tmp_path,
        database_url=sqlite_url,
        secret_key="only-for-tests-" + "k" * 32,
        encryption_keys=(Fernet.generate_key().decode(),),
    )

    def make(**changes: Any) -> Settings:
        return dataclasses.replace(base, **changes)

    return make


@pytest.fixture
def app(settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The wired application on SQLite, as WSGI servers get it."""
    app = productfruits.create_app(settings())
    app.test_client_class = Client
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """A real `productfruits serve` process on a free port with an empty store."""
    with serve(tmp_path / "served") as served:
        yield served


def _sqlalchemy_url(server: str, database: str) -> str:
    return "postgresql+psycopg" + server.removeprefix("postgresql").removesuffix("postgres") + database
