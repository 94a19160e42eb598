"""One app for all tests of a module, reached both ways; each test makes a workspace of its own."""

from collections.abc import Iterator

import pytest
from flask import Flask

import productfruits
from productfruits.config import Settings
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, connect, reached


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One app for all tests; each makes a workspace of its own."""
    folder = tmp_path_factory.mktemp("tracking")
    settings = Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'productfruits.db'}")
    app = productfruits.create_app(settings)
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def http(request: pytest.FixtureRequest, shared: Flask) -> Iterator[Http]:
    with reached(shared, request.param) as http:
        yield http


@pytest.fixture
def runtime(shared: Flask) -> Runtime:
    runtime: Runtime = shared.extensions["productfruits"]
    return runtime


@pytest.fixture
def acme(runtime: Runtime) -> Connected:
    return connect(runtime)
