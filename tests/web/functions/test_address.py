"""The address of a source function: what its requests become, what is refused, and how each is answered."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

import productfruits
from productfruits.config import Settings
from productfruits.models import FunctionError, FunctionRequest
from productfruits.services import function_instances, workspaces
from productfruits.workers.rates import PEAK_S, Rates
from productfruits.workers.runtime import Runtime
from tests.web.admin_world import Person
from tests.web.requesting import AsgiHttp, Http, WsgiHttp, encoded

JSON = {"Content-Type": "application/json"}


def test_a_request_becomes_users_events_and_objects(app: Flask, address: str, api: Callable[..., Any]) -> None:
    body = {"id": "payer-1", "email": "payer@example.com"}
    answer = app.test_client().post(f"{address}?q=1", json=body, headers={"X-Probe": "probe"})
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"success": True, "accepted": 2, "duplicates": 0, "ignored": 0, "rejected": 0, "objects": 1},
    )
    (user,) = api("GET", "/users?username=payer-1")["users"]
    assert (user["email"], user["traits"]["ip"]) == ("payer@example.com", "probe")
    (event,) = [e for e in api("GET", f"/users/{user['id']}/events")["events"] if e["type"] == "track"]
    assert (event["event"], event["source"], event["properties"]) == ("Paid", "source_function", {"q": "1"})
    (kept,) = api("GET", "/objects?collection=invoices")["objects"]
    assert (kept["id"], kept["properties"]) == ("7", {"of": "payer-1"})
    form = app.test_client().post(address, data={"id": "payer-2", "email": "two@example.com"})
    assert form.get_json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"thrown": "Error"}, 400, "bad_request"),
        ({"thrown": "ValidationError"}, 400, "message_rejected"),
        ({"thrown": "InvalidEventPayload"}, 400, "message_rejected"),
        ({"thrown": "EventNotSupported"}, 400, "unsupported_event_type"),
        ({"thrown": "RetryError"}, 202, None),
        ({"thrown": "DropEvent"}, 200, None),
        ({"large": True}, 400, "message_too_large"),
        ({"bad": True}, 400, "message_rejected"),
    ],
)
def test_what_a_function_throws_is_answered_without_its_words(
    app: Flask, address: str, body: dict[str, Any], status: int, code: str | None
) -> None:
    answer = app.test_client().post(address, json=body)
    assert (answer.status_code, answer.get_json().get("code")) == (status, code)
    assert "told" not in answer.text and "sk-123456" not in answer.text


def test_the_errors_tab_holds_input_log_and_error_without_secrets(
    app: Flask, address: str, api: Callable[..., Any], runtime: Runtime, owner: Person, world: Any
) -> None:
    app.test_client().post(address, data="{", headers={**JSON, "Authorization": "Bearer let-me-in"})
    (instance,) = api("GET", "/functions/payments/instances")["instances"]
    shown = api("GET", f"/functions/payments/instances/{instance['id']}/errors")["errors"]
    assert shown[0]["kind"] == "Bad Request" and shown[0]["name"] == "SyntaxError"
    assert "let-me-in" not in json.dumps(shown) and "sk-123456" not in json.dumps(shown)
    assert "Retry" not in {error["kind"] for error in shown}
    with runtime.reading() as session:
        assert session.query(FunctionRequest).count() >= 0
        assert session.query(FunctionError).count() >= 1
    page = owner.get(f"/w/{world.acme.key}/functions/payments/instances/{instance['id']}").text
    assert "SyntaxError" in page and "let-me-in" not in page and "sk-123456" not in page


@pytest.mark.parametrize(
    ("method", "headers", "body", "status", "code"),
    [
        ("GET", {}, b"", 405, "method_not_allowed"),
        ("PUT", JSON, b"{}", 405, "method_not_allowed"),
        ("POST", {"Content-Type": "text/plain"}, b"{}", 415, "content_type"),
        ("POST", {}, b"{}", 415, "content_type"),
        ("POST", JSON, b"x" * (512 * 1024 + 1), 413, "body_too_large"),
    ],
)
def test_requests_that_are_refused(
    app: Flask, address: str, method: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = app.test_client().open(address, method=method, headers=headers, data=body)
    assert (answer.status_code, answer.get_json()["code"] if method != "HEAD" else code) == (status, code)
    if status == 405:
        assert answer.headers["Allow"] == "POST"


def test_the_front_hands_requests_on(app: Flask, address: str) -> None:
    front = AsgiHttp(app)
    try:
        sent = front.send("POST", address, [("content-type", "application/json")], b'{"id": "front-1"}')
        assert (sent.status, sent.json["accepted"]) == (200, 2)
        large = front.send("POST", address, [("content-type", "application/json")], b" " * (512 * 1024 + 1))
        assert (large.status, large.json["code"]) == (413, "body_too_large")
        assert front.send("GET", address).status == 405
    finally:
        front.close()


def test_its_requests_count_among_those_of_the_workspace(
    app: Flask, address: str, runtime: Runtime, world: Any, api: Callable[..., Any]
) -> None:
    with runtime.reading() as session:
        workspace_id = workspaces.by_key(session, world.acme.key).id
    front = AsgiHttp(app)
    runtime.rates = Rates(1, lambda: 0.0)
    try:
        for _ in range(PEAK_S):
            runtime.rates.take(workspace_id, "server")
        body, headers = encoded({"id": "flooding"}), [*JSON.items()]
        ways: list[Http] = [WsgiHttp(app), front]
        for after_s, http in enumerate(ways, 1):
            reply = http.send("POST", address, headers, body)
            assert (reply.status, reply.json["code"]) == (429, "too_many_requests")
            assert reply.headers["retry-after"] == str(after_s)
            assert http.send("POST", "/functions/nobody", headers, body).status == 404
    finally:
        runtime.rates = Rates(0)
        front.close()
    assert api("GET", "/users?username=flooding")["users"] == []


def test_512_kib_are_taken(app: Flask, address: str) -> None:
    body = json.dumps({"thrown": "DropEvent", "text": ""})
    body = body[:-2] + "x" * (512 * 1024 - len(body)) + body[-2:]
    assert app.test_client().post(address, data=body, headers=JSON).status_code == 200


def test_an_unknown_address_and_a_server_without_functions(app: Flask, settings: Callable[..., Settings]) -> None:
    assert app.test_client().post("/functions/nobody", json={}).status_code == 404
    off = productfruits.create_app(settings())
    try:
        answer = off.test_client().post("/functions/nobody", json={})
        assert (answer.status_code, answer.get_json()["code"]) == (503, "functions_off")
        assert "PRODUCTFRUITS_FUNCTIONS=on" in answer.get_json()["message"]
    finally:
        off.extensions["productfruits"].close()


def test_a_deleted_instance_answers_nobody(api: Callable[..., Any], app: Flask, runtime: Runtime, address: str) -> None:
    (instance,) = api("GET", "/functions/payments/instances")["instances"]
    api("PATCH", f"/functions/payments/instances/{instance['id']}", {"enabled": False})
    assert app.test_client().post(address, json={}).status_code == 404
    with runtime.reading() as session:
        assert function_instances.by_token(session, "no\0body") is None
