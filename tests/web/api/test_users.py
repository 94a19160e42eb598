"""Users changed and erased over HTTP: what is taken, what is refused and changes nothing."""

import json
from typing import Any

import pytest

from tests.web.api.acme import Acme, assert_refusal


def nested(depth: int) -> bytes:
    """A body whose traits are this deep."""
    return b'{"traits":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


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
    theirs = acme.call("GET", "/users", acme.stranger)
    assert len(json.loads(theirs.data)["users"]) == 2
