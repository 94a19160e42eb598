"""The HTTP API through the client, on both databases: shapes, refusals, and the walls between workspaces."""

import itertools
import sqlite3
from typing import Any

import marshmallow
import psycopg
import pytest
from flask import Flask
from sqlalchemy import event

from productfruits.services import api_keys
from productfruits.web.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from productfruits.web.ingest.ways import WAYS
from productfruits.workers.runtime import Runtime
from tests.services.factories import NOW
from tests.web.api.acme import Acme, assert_refusal, path_of


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
