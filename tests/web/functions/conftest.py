"""An app with functions switched on for all tests of a module, who asks it, and a function that is connected."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

import productfruits
from productfruits.config import Settings
from productfruits.services import api_keys, workspaces
from productfruits.workers.runtime import Runtime
from tests.conftest import Client
from tests.services.factories import NOW
from tests.web.admin_world import Person, build

SOURCE = """
async function onRequest(request, settings) {
  const body = request.json()
  if (body.thrown) throw new global[body.thrown](`told ${settings.apiKey}`)
  if (body.large) Segment.track({ userId: 'u', event: 'x', properties: { text: 'x'.repeat(33000) } })
  if (body.bad) Segment.set({ collection: 'Upper', id: 1, properties: {} })
  Segment.identify({ userId: body.id, traits: { email: body.email, ip: request.headers.get('X-Probe') } })
  Segment.track({ userId: body.id, event: 'Paid', properties: { q: request.url.searchParams.get('q') } })
  Segment.set({ collection: 'invoices', id: 7, properties: { of: body.id } })
}
"""


@pytest.fixture(scope="module")
def app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One app with functions switched on, for all tests of a module: its processes stay warm."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "productfruits.db").write_bytes(sqlite_template.read_bytes())
    app = productfruits.create_app(
        Settings(
            data_dir=folder,
            database_url=f"sqlite:///{folder / 'productfruits.db'}",
            secret_key="only-for-tests-" + "k" * 32,
            encryption_keys=(Fernet.generate_key().decode(),),
            functions=True,
        )
    )
    app.test_client_class = Client
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture(scope="module")
def runtime(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions["productfruits"]
    return runtime


@pytest.fixture(scope="module")
def world(app: Flask) -> Any:
    return build(app)


@pytest.fixture(scope="module")
def owner(world: Any) -> Person:
    person: Person = world.person(world.acme.admins["owner"])
    return person


@pytest.fixture(scope="module")
def api(app: Flask, runtime: Runtime, world: Any) -> Callable[..., Any]:
    """Calls the API as acme: api("GET", "/functions")."""
    with runtime.writing() as session:
        key = api_keys.create(session, workspaces.by_key(session, world.acme.key), "tests", NOW).key

    def call(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = app.test_client().open(
            f"/api/v1{path}", method=method, json=body, headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == status, answer.text
        return answer.get_json()

    return call


@pytest.fixture(scope="module")
def address(api: Callable[..., Any]) -> str:
    """The path of a connected source function."""
    shape = {
        "name": "Payments",
        "kind": "source",
        "code": SOURCE,
        "settings": [{"label": "API Key", "sensitive": True}],
    }
    made = api("POST", "/functions", shape)
    assert (made["key"], made["version"], made["handlers"]) == ("payments", 1, ["onRequest"])
    given = {"name": "Stripe", "settings": {"apiKey": "sk-123456"}}
    instance = api("POST", "/functions/payments/instances", given)
    assert instance["settings"] == {"apiKey": None}
    return str(instance["url"]).removeprefix("http://127.0.0.1:8000")
