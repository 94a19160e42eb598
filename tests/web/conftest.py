"""Fixtures of the web tests: an app on each database, reached as WSGI and through the ASGI front."""

from collections.abc import Callable, Iterator

import pytest
from cryptography.fernet import Fernet
from flask import Flask

import productfruits
from productfruits.config import Settings
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, connect, reached

#: One for the process: the order of tests may have an app of a module made twice, on the store of the first.
ENCRYPTION_KEY = Fernet.generate_key().decode()


@pytest.fixture
def app_on_both(settings: Callable[..., Settings], database_url: str) -> Iterator[Flask]:
    """The wired application; every test that asks for it runs on both databases."""
    app = productfruits.create_app(settings(database_url=database_url))
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture(scope="module")
def app_of_module(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Flask]:
    """An application for all tests of a module, on both databases."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("app"),
        database_url=module_database_url,
        secret_key="only-for-tests-" + "k" * 32,
        encryption_keys=(ENCRYPTION_KEY,),
    )
    app = productfruits.create_app(settings)
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture
def runtime(app_on_both: Flask) -> Runtime:
    runtime: Runtime = app_on_both.extensions["productfruits"]
    return runtime


@pytest.fixture(params=["wsgi", "asgi"])
def http(request: pytest.FixtureRequest, app_on_both: Flask) -> Iterator[Http]:
    """A way to reach `app_on_both`; every test that asks for it runs both ways."""
    with reached(app_on_both, request.param) as http:
        yield http


@pytest.fixture
def connected(runtime: Runtime) -> Connected:
    return connect(runtime)
