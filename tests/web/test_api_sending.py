"""Users and events that a customer's own server sends to the API, and events read back in Jitsu's forms."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import productfruits
from productfruits import models
from productfruits.config import Settings
from productfruits.services import api_keys
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, connect

ADA = {
    "username": "ada",
    "email": "Ada@Example.com",
    "firstname": "Ada",
    "signUpAt": "2026-01-01T00:00:00Z",
    "props": {"plan": "pro", "firstname": "hidden", "seats": [1, 2]},
    "group": {"groupId": "acme", "props": {"tier": "gold"}},
    "hmac": {"hash": "00"},
}
STORED = {"success": True, "accepted": 1, "duplicates": 0, "ignored": 0, "rejected": 0}


@dataclass(frozen=True, slots=True)
class Acme:
    """A workspace with an API key."""

    client: FlaskClient
    runtime: Runtime
    connected: Connected
    key: str

    def call(self, method: str, path: str, content: Any = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {} if content is None else {"json": content}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **body, **more)

    def send(self, path: str, content: Any) -> Any:
        reply = self.call("POST", path, content)
        assert reply.status_code == 200, reply.text
        return reply.json

    def get(self, path: str) -> Any:
        return self.call("GET", path).json


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("sending")
    app = productfruits.create_app(
        Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'productfruits.db'}", log_level="warning")
    )
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture
def acme(shared: Flask) -> Acme:
    return make(shared)


def make(app: Flask) -> Acme:
    runtime: Runtime = app.extensions["productfruits"]
    connected = connect(runtime)
    with runtime.writing() as session:
        workspace = session.get_one(models.Workspace, connected.workspace_id)
        key = api_keys.create(session, workspace, "test", workspace.created_at).key
    return Acme(app.test_client(), runtime, connected, key)


def test_identify_makes_and_updates_a_user(acme: Acme) -> None:
    assert acme.send("/identify", {"user": ADA}) == {**STORED, "accepted": 2}
    more = {"username": "ada", "firstname": None, "props": {"plan": "team"}}
    assert acme.send("/identify", {"user": more}) == STORED
    [user] = acme.get("/users")["users"]
    assert (user["username"], user["email"]) == ("ada", "Ada@Example.com")
    traits = {key: value for key, value in user["traits"].items() if value is not None}
    assert traits == {"plan": "team", "seats": [1, 2], "signUpAt": "2026-01-01T00:00:00Z"}
    assert acme.get("/groups/acme") == {"group_id": "acme", "traits": {"tier": "gold"}, "members": ["ada"]}


def test_track_stores_what_a_user_did(acme: Acme) -> None:
    call = {
        "event": "Report Exported",
        "properties": {"username": "ada", "pages": 3},
        "timestamp": "2026-01-01T00:00:00+01:00",
        "message_id": "mine-1",
    }
    assert acme.send("/events/track", call) == STORED
    assert acme.send("/events/track", call) == {**STORED, "accepted": 0, "duplicates": 1}
    [event] = acme.get("/events")["events"]
    [user] = acme.get("/users?username=ada")["users"]
    assert (event["event"], event["properties"], event["source"]) == ("Report Exported", {"pages": 3}, "api")
    assert (event["timestamp"], event["user_id"]) == ("2025-12-31T23:00:00.000Z", user["id"])


@pytest.mark.parametrize(
    ("path", "content", "field"),
    [
        ("/identify", {}, "user"),
        ("/identify", {"user": {}}, "user"),
        ("/identify", {"user": {"username": "null"}}, "user"),
        ("/identify", {"user": {"username": 7}}, "user"),
        ("/identify", {"user": {"username": "x" * 513}}, "user"),
        ("/identify", {"user": {"username": "a", "email": "nobody"}}, "user"),
        ("/identify", {"user": {"username": "a", "plan": "pro"}}, "user"),
        ("/identify", {"user": {"username": "a", "group": {}}}, "user"),
        ("/identify", {"user": {"username": "a"}, "message_id": ""}, "message_id"),
        ("/events/track", {"event": "E"}, "properties"),
        ("/events/track", {"event": "E", "properties": {}}, "properties"),
        ("/events/track", {"event": "E", "properties": {"username": 7}}, "properties"),
        ("/events/track", {"event": "E", "properties": {"username": " "}}, "properties"),
        ("/events/track", {"event": "", "properties": {"username": "a"}}, "event"),
        ("/events/track", {"event": "E", "properties": {"username": "a"}, "timestamp": "soon"}, "timestamp"),
        ("/events/track", {"event": "é" * 500, "properties": {"username": "a"}}, ""),
    ],
)
def test_what_means_nobody_or_nothing_is_refused(acme: Acme, path: str, content: Any, field: str) -> None:
    reply = acme.call("POST", path, content)
    assert reply.status_code == 400
    document = reply.json
    assert document is not None
    assert (document["code"], {name.partition(".")[0] for name in document["errors"]}) == ("invalid_request", {field})


def test_a_user_is_erased_by_the_customers_own_id(acme: Acme) -> None:
    acme.send("/identify", {"user": {"username": "a/b c"}})
    erased = acme.call("DELETE", "/users/by-username/a/b%20c")
    assert (erased.status_code, (erased.json or {})["erased"]["events"]) == (200, 1)
    assert acme.get("/users")["users"] == []
    gone = acme.call("DELETE", "/users/by-username/a/b%20c")
    assert (gone.status_code, (gone.json or {})["code"]) == (404, "not_found")


def test_events_are_read_in_the_forms_of_jitsu(acme: Acme) -> None:
    acme.send("/identify", {"user": {"username": "ada", "email": "ada@example.com", "props": {"plan": "pro"}}})
    acme.send("/events/track", {"event": "conversion", "properties": {"username": "ada", "conversion": {"id": 7}}})
    track, identify = acme.get("/events?format=jitsu2")["events"]
    assert (track["event_type"], track["conversion"]) == ("conversion", {"id": 7})
    assert track["user"] == {"id": "ada", "email": "ada@example.com", "plan": "pro"}
    assert (identify["event_type"], identify["user"]["email"]) == ("identify", "ada@example.com")
    old = acme.get("/events?format=jitsu1&limit=1")
    assert (old["events"][0]["eventn_ctx"]["user"]["id"], old["next_cursor"] is None) == ("ada", False)
    assert acme.call("GET", "/events?format=jitsu3").status_code == 400


def test_it_says_come_again_while_the_store_takes_nothing(settings: Callable[..., Settings]) -> None:
    app = productfruits.create_app(settings())
    acme = make(app)
    acme.runtime.writer.stop(0)
    reply = acme.call("POST", "/identify", {"user": {"username": "a"}})
    assert (reply.status_code, (reply.json or {})["code"], reply.headers["Retry-After"]) == (503, "unavailable", "5")
    acme.runtime.close()
