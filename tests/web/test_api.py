"""The HTTP API through the client, on both databases: shapes, refusals, and the walls between workspaces."""

import itertools
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import marshmallow
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from productfruits.adoption import documents
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import (
    api_keys,
    audiences,
    contents,
    destinations,
    publishing,
    redelivery,
    rejections,
    themes,
)
from productfruits.services.rejections import Refused
from productfruits.web.api import openapi, schemas
from productfruits.web.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from productfruits.web.ingest.ways import WAYS
from productfruits.workers.runtime import Runtime
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored
from tests.web import admin_world


def nested(depth: int) -> bytes:
    """A body whose traits are this deep."""
    return b'{"traits":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


OF_ONE_USER = [endpoint for endpoint in ENDPOINTS if "<user_id>" in endpoint.path]


@dataclass(frozen=True, slots=True)
class Acme:
    """A workspace with something of everything, its key, and the same of a stranger."""

    client: FlaskClient
    key: str
    stranger: str
    ann: str
    function: str
    instance: int
    group: str = "crew/1"

    def call(self, method: str, path: str, key: str | None = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return self.client.open(PREFIX + path, method=method, headers=headers, **more)

    def get(self, path: str, **query: str) -> Any:
        response = self.call("GET", path, query_string=query)
        assert response.status_code == 200, response.text
        return response.json


@pytest.fixture
def acme(app_on_both: Flask) -> Acme:
    """For tests that change something, or make the store fail."""
    return filled(app_on_both)


@pytest.fixture(scope="module")
def shared(app_of_module: Flask) -> Acme:
    """For tests that only read or are refused: filling a store takes longer than most of them."""
    return filled(app_of_module)


def filled(app: Flask) -> Acme:
    runtime: Runtime = app.extensions["productfruits"]
    made = {}
    with runtime.writing() as session:
        for name in ("Stranger", "Acme"):
            owner = factories.workspace(session, name)
            ann = factories.user(session, owner, "ann", "Ann@Example.com", traits={"plan": "pro", "n": 2**70})
            bob = factories.user(session, owner, None, "bob@example.com")
            factories.alias(session, ann, "ann-2")
            factories.alias(session, ann, "anon-1", kind="anonymous_id")
            factories.event(session, owner, ann, properties={"a": [1, None]}, message_id=f"{name}-1")
            factories.event(session, owner, None, anonymous_id="v", type="page", message_id=f"{name}-2")
            factories.member(session, ann, "crew/1", plan="team")
            factories.member(session, bob, "crew/1")
            factories.conflict(session, ann, bob, email="ann@example.com", username="x", message_id="m")
            for kind, document in (("tour", authored.tour("one")), ("checklist", authored.checklist("list"))):
                content = contents.create(session, owner.id, kind, documents.load(kind, document), NOW)
                publishing.publish(session, content, name, NOW)
            themes.create(session, owner.id, documents.load("theme", authored.theme("one")), NOW)
            pros = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
            audiences.create(session, owner.id, "one", "One", pros, NOW)
            sending = DestinationShape().load({"name": "Hooks", "url": "https://hooks.example.com/secret-path"})
            hooks = destinations.create(session, owner.id, sending, NOW, runtime.vault).destination
            redelivery.test(session, hooks, NOW)
            rejections.record(session, owner.id, [Refused(NOW, "webhook", "invalid_signature", name)])
            function = admin_world.with_function(session, runtime, owner, NOW)
            made[name] = (api_keys.create(session, owner, "test", NOW).key, ann.id, function)
    key, ann_id, ids = made["Acme"]
    return Acme(app.test_client(), key, made["Stranger"][0], ann_id, str(ids["function_key"]), int(ids["instance_id"]))


def path_of(endpoint: Endpoint, acme: Acme) -> str:
    path = endpoint.path.replace("<user_id>", acme.ann).replace("<path:group_id>", acme.group)
    path = path.replace("<path:username>", "ann").replace("<destination>", "hooks")
    path = path.replace("<function>", acme.function).replace("<int:instance_id>", str(acme.instance))
    return path.replace("<key>", "list" if path.startswith("/checklists") else "one").replace("<int:number>", "1")


def assert_refusal(response: TestResponse, status: int, code: str) -> str:
    """Every refusal has one shape, whoever refuses."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    document = response.json
    assert document is not None
    assert marshmallow.Schema.validate(schemas.Refusal(unknown=marshmallow.RAISE), document) == {}
    assert document["code"] == code
    message: str = document["message"]
    assert message.endswith(".") or message.endswith("create")
    return message


def test_a_user_has_exactly_the_keys_of_the_contract(shared: Acme) -> None:
    page = shared.get("/users", username="ann-2")
    assert page == {
        "users": [
            {
                "id": shared.ann,
                "username": "ann",
                "email": "Ann@Example.com",
                "traits": {"plan": "pro", "n": 2**70},
                "aliases": [
                    {"kind": "anonymous_id", "value": "anon-1"},
                    {"kind": "user_id", "value": "ann-2"},
                ],
                "first_seen_at": "2030-05-06T07:08:09.000Z",
                "last_seen_at": "2030-05-06T07:08:09.000Z",
                "created_at": "2030-05-06T07:08:09.000Z",
            }
        ],
        "next_cursor": None,
    }
    assert shared.get(f"/users/{shared.ann}") == page["users"][0]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 2),
        ({"email": "ANN@example.com"}, 1),
        ({"email": "bob@example.com", "username": "ann"}, 0),
        ({"anonymous_id": "anon-1"}, 1),
        ({"username": "\0"}, 0),
        ({"limit": "1"}, 1),
        ({"limit": "500"}, 2),
    ],
)
def test_users_are_found_by_their_keys(shared: Acme, query: dict[str, str], count: int) -> None:
    assert len(shared.get("/users", **query)["users"]) == count


def test_events_have_exactly_the_keys_of_the_contract(shared: Acme) -> None:
    event = {
        "message_id": "Acme-1",
        "type": "track",
        "event": "Did",
        "timestamp": "2030-05-06T07:08:09.000Z",
        "received_at": "2030-05-06T07:08:09.000Z",
        "properties": {"a": [1, None]},
        "source": "webhook",
        "matched_by": "username",
    }
    assert shared.get(f"/users/{shared.ann}/events") == {"events": [event], "next_cursor": None}
    stream = shared.get("/events")
    assert [row["message_id"] for row in stream["events"]] == ["Acme-2", "Acme-1"]
    assert stream["events"][1] == {**event, "user_id": shared.ann}


def test_the_rest_has_exactly_the_keys_of_the_contract(shared: Acme) -> None:
    assert shared.get("/stats") == {
        "users": 2,
        "anonymous": 1,
        "events": 2,
        "events_by_type": {"page": 1, "track": 1},
    }
    group = shared.get("/groups/crew/1")
    bob = shared.get("/users", email="bob@example.com")["users"][0]
    assert group == {"group_id": "crew/1", "traits": {"plan": "team"}, "members": ["ann", f"id:{bob['id']}"]}
    (conflict,) = shared.get("/conflicts")["conflicts"]
    assert {name: conflict[name] for name in conflict if name != "id"} == {
        "kind": "email_and_id",
        "user_ids": [shared.ann, bob["id"]],
        "email": "ann@example.com",
        "username": "x",
        "message_id": "m",
        "created_at": "2030-05-06T07:08:09.000Z",
        "resolved_at": None,
    }
    (rejection,) = shared.get("/rejections")["rejections"]
    assert {name: rejection[name] for name in rejection if name != "id"} == {
        "received_at": "2030-05-06T07:08:09.000Z",
        "source": "webhook",
        "reason": "invalid_signature",
        "detail": "Acme",
    }


def test_every_answer_is_as_documented(shared: Acme) -> None:
    for endpoint in (endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"):
        answer = shared.get(
            path_of(endpoint, shared), **({"collection": "products"} if endpoint.path == "/objects" else {})
        )
        strict = endpoint.answer(unknown=marshmallow.RAISE)
        assert strict.validate(answer) == {}, endpoint.path


def test_no_endpoint_answers_without_a_live_key(shared: Acme) -> None:
    wrong = (None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic abc", f"Token {shared.key}", "Bearer \xff")
    for endpoint, header in itertools.product(ENDPOINTS, wrong):
        headers = {} if header is None else {"Authorization": header}
        response = shared.client.open(PREFIX + path_of(endpoint, shared), method=endpoint.method, headers=headers)
        assert "api-key create" in assert_refusal(response, 401, "unauthorized"), endpoint.path
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_opens_nothing(acme: Acme, runtime: Runtime) -> None:
    with runtime.writing() as session:
        found = api_keys.verify(session, acme.key, NOW)
        assert found is not None
        api_keys.revoke(session, found.workspace_id, found.id, NOW)
    assert_refusal(acme.call("GET", "/stats"), 401, "unauthorized")


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if "user_id" in e.path], ids=lambda e: f"{e.method} {e.path}"
)
def test_a_user_of_another_workspace_is_404_everywhere(shared: Acme, endpoint: Endpoint) -> None:
    said: dict[str, Any] = {"traits": {}} if endpoint.method == "PATCH" else {}
    body: dict[str, Any] = {"json": said} if endpoint.body else {}
    foreign = shared.call(endpoint.method, path_of(endpoint, shared), shared.stranger, **body)
    unknown = shared.call(endpoint.method, endpoint.path.replace("<user_id>", "nobody"), **body)
    assert assert_refusal(foreign, 404, "not_found") == assert_refusal(unknown, 404, "not_found")
    assert shared.get(f"/users/{shared.ann}")["traits"]["plan"] == "pro"


def test_no_list_shows_anything_of_another_workspace(shared: Acme) -> None:
    for path in ("/users", "/events", "/conflicts", "/rejections", "/groups/crew/1", "/stats"):
        mine, theirs = shared.call("GET", path).text, shared.call("GET", path, shared.stranger).text
        assert "Stranger" not in mine and shared.ann in shared.call("GET", "/users").text
        assert shared.ann not in theirs and "Acme" not in theirs


def test_every_route_under_the_prefix_is_in_the_table(app_on_both: Flask) -> None:
    routed = {
        (method, rule.rule)
        for rule in app_on_both.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule not in {way.route for way in WAYS}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(endpoint.method, PREFIX + endpoint.path) for endpoint in ENDPOINTS}
    assert routed == documented | {
        ("GET", f"{PREFIX}/openapi.json"),
        ("GET", f"{PREFIX}/content-schema.json"),
        ("GET", "/api/docs"),
    }


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/users", {"limit": "0"}, {"limit"}),
        ("/users", {"limit": "501"}, {"limit"}),
        ("/events", {"limit": "ten"}, {"limit"}),
        ("/events", {"limit": "1e2"}, {"limit"}),
        ("/users", {"mail": "x"}, {"mail"}),
        ("/stats", {"limit": "1"}, {"limit"}),
        ("/users", {"limit": ["1", "2"]}, {"limit"}),
    ],
)
def test_a_wrong_query_is_refused_by_name(shared: Acme, path: str, query: dict[str, Any], names: set[str]) -> None:
    response = shared.call("GET", path, query_string=query)
    message = assert_refusal(response, 400, "invalid_request")
    assert response.json is not None and set(response.json["errors"]) == names
    assert all(name in message for name in names)


@pytest.mark.parametrize("path", ["/users", "/events", "/conflicts", "/rejections", "/users/{ann}/events"])
def test_a_wrong_cursor_is_refused_in_words(shared: Acme, path: str) -> None:
    for cursor in ("nonsense", "", "\0", "WyJ1c2VycyIsMV0"):
        response = shared.call("GET", path.replace("{ann}", shared.ann), query_string={"cursor": cursor})
        assert "next_cursor" in assert_refusal(response, 400, "invalid_cursor")


def test_pages_follow_each_other(acme: Acme) -> None:
    first = acme.get("/users", limit="1")
    second = acme.get("/users", limit="1", cursor=first["next_cursor"])
    assert [user["email"] for user in first["users"] + second["users"]] == ["Ann@Example.com", "bob@example.com"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api", 404, "not_found"),
        ("GET", "/api/", 404, "not_found"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/users/", 404, "not_found"),
        ("GET", "/api/v2/users", 404, "not_found"),
        ("POST", "/api/v1/users", 405, "method_not_allowed"),
        ("PUT", "/api/docs", 405, "method_not_allowed"),
    ],
)
def test_addresses_that_do_not_exist_are_refused_in_the_same_shape(
    shared: Acme, method: str, path: str, status: int, code: str
) -> None:
    response = shared.client.open(path, method=method)
    assert_refusal(response, status, code)
    assert (status == 405) == ("Allow" in response.headers)


def test_a_user_is_changed(acme: Acme) -> None:
    path = f"/users/{acme.ann}"
    body = {
        "traits": {"plan": None, "seats": 5, "odd\0key": "a\ud800b"},
        "email": " New@Example.com ",
        "username": "ann-2",
    }
    response = acme.call("PATCH", path, data=json.dumps(body), content_type="application/json; charset=utf-8")
    assert response.status_code == 200, response.text
    changed = acme.get(path)
    assert response.json == changed
    assert changed["traits"] == {"n": 2**70, "seats": 5, "odd\ufffdkey": "a\ufffdb"}
    assert (changed["email"], changed["username"]) == ("New@Example.com", "ann-2")
    assert {"kind": "user_id", "value": "ann"} in changed["aliases"]
    assert len(acme.get("/users", username="ann")["users"]) == 1
    assert acme.get("/users", email="ann@example.com")["users"] == []
    assert acme.call("PATCH", path, json={"email": None}).json == {**changed, "email": None}
    assert acme.call("PATCH", path, json={}).json == {**changed, "email": None}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "BOB@example.com"}, 409, "email_taken"),
        ({"email": "no mail"}, 400, "invalid_email"),
        ({"username": ""}, 400, "invalid_username"),
        ({"username": "null"}, 400, "invalid_username"),
        ({"username": None}, 400, "invalid_request"),
        ({"username": 5}, 400, "invalid_request"),
        ({"traits": []}, 400, "invalid_request"),
        ({"traits": {"Email": "x@y"}}, 400, "invalid_request"),
        ({"id": "x"}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
        ("text", 400, "not_object_or_array"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    shared: Acme, body: Any, status: int, code: str
) -> None:
    before = shared.get(f"/users/{shared.ann}")
    response = shared.call("PATCH", f"/users/{shared.ann}", json=body)
    assert_refusal(response, status, code)
    assert shared.get(f"/users/{shared.ann}") == before


def test_a_username_of_somebody_else_is_refused(acme: Acme) -> None:
    bob = acme.get("/users", email="bob@example.com")["users"][0]["id"]
    for taken in ("ann", "ann-2"):
        assert_refusal(acme.call("PATCH", f"/users/{bob}", json={"username": taken}), 409, "username_taken")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"data": b"{}", "content_type": "text/plain"}, 415, "not_json"),
        ({"data": b"{}"}, 415, "not_json"),
        ({"data": b"{", "content_type": "application/json"}, 400, "invalid_json"),
        ({"data": b"", "content_type": "application/json"}, 400, "invalid_json"),
        ({"data": b'{"traits":{"a":NaN}}', "content_type": "application/json"}, 400, "invalid_json"),
        ({"data": b"[" * 100_000, "content_type": "application/json"}, 400, "invalid_json"),
        ({"data": nested(100), "content_type": "application/json"}, 400, "too_deep"),
        ({"data": nested(100_000), "content_type": "application/json"}, 400, "too_deep"),
        ({"data": b" " * (1024 * 1024 + 1), "content_type": "application/json"}, 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(shared: Acme, more: dict[str, Any], status: int, code: str) -> None:
    assert_refusal(shared.call("PATCH", f"/users/{shared.ann}", **more), status, code)


def test_an_erased_user_is_gone(acme: Acme) -> None:
    response = acme.call("DELETE", f"/users/{acme.ann}")
    assert response.status_code == 200
    assert response.json == {
        "erased": {"users": 1, "aliases": 2, "events": 1, "memberships": 1, "conflicts": 1, "dead_letters": 0}
    }
    assert_refusal(acme.call("GET", f"/users/{acme.ann}"), 404, "not_found")
    assert_refusal(acme.call("DELETE", f"/users/{acme.ann}"), 404, "not_found")
    assert acme.get("/stats")["users"] == 1
    assert len(acme.call("GET", "/users", acme.stranger).json["users"]) == 2  # type: ignore[index]


@pytest.mark.parametrize(("method", "path"), [("GET", "/users"), ("PATCH", "/users/x")])
def test_a_store_that_is_away_is_come_again(acme: Acme, runtime: Runtime, method: str, path: str) -> None:
    away: Exception = psycopg.OperationalError("connection refused")
    if runtime.settings.is_sqlite:
        away = sqlite3.OperationalError("unable to open database file")
        away.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN

    def refuse(*_: Any) -> None:
        raise away

    runtime.engine.dispose()
    event.listen(runtime.engine, "do_connect", refuse)
    try:
        response = acme.call(method, path, json={} if method == "PATCH" else None)
    finally:
        event.remove(runtime.engine, "do_connect", refuse)
    assert_refusal(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0


def test_a_bug_says_nothing_of_what_it_met(acme: Acme, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    with runtime.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE groups RENAME TO hidden")
    try:
        response = acme.call("GET", "/groups/crew/1")
        message = assert_refusal(response, 500, "internal_error")
        assert "groups" not in message and "X-Request-Id" in message and response.headers["X-Request-Id"]
        assert "crew/1" not in capsys.readouterr().err
    finally:
        with runtime.writing() as session:
            session.connection().exec_driver_sql("ALTER TABLE hidden RENAME TO groups")


def test_the_openapi_document_describes_every_endpoint(shared: Acme) -> None:
    response = shared.client.get(f"{PREFIX}/openapi.json")
    assert response.status_code == 200
    described = response.json
    assert described is not None and described["openapi"] == "3.1.1"
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {
        (endpoint.method, PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", endpoint.path)) for endpoint in ENDPOINTS
    }
    known = set(described["components"]["schemas"])
    used = {text.rpartition("/")[2] for text in _references(described)}
    assert used <= known
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"] and "200" in operation["responses"] and "401" in operation["responses"]
    assert described["components"]["schemas"]["User"]["required"] == sorted(
        ["id", "username", "email", "traits", "aliases", "first_seen_at", "last_seen_at", "created_at"]
    )


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_page_shows_every_endpoint_and_loads_nothing_from_elsewhere(shared: Acme) -> None:
    response = shared.client.get("/api/docs")
    assert response.status_code == 200 and response.mimetype == "text/html"
    for endpoint in ENDPOINTS:
        assert endpoint.summary in response.text
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    base = openapi.document("http://127.0.0.1:8000")["servers"][0]["url"]
    assert all(part.startswith((base, "/")) for part in response.text.replace("'", '"').split('src="')[1:])
    for forbidden in ("<style", "style=", "onclick", "<script>"):
        assert forbidden not in response.text
