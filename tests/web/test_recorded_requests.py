"""What SDKs and functions really sent, byte for byte, and the records of the fixtures that speak to these ways in."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from productfruits import models
from productfruits.services import api_keys, connections
from productfruits.workers.runtime import Runtime
from tests.web.holdings import Get, compare
from tests.web.requesting import AsgiHttp, Connected, Http, Reply, WsgiHttp, basic, connect, encoded

HERE = Path(__file__).parents[1] / "fixtures" / "segment"
#: Examples from public repositories, which are read where they lie beside the checkout and copied nowhere.
BESIDE = Path(__file__).parents[3] / "shared" / "fixtures" / "segment"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line] if path.exists() else []


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / name).read_text())
    return found


CAPTURED = records(HERE / "sdk_captured_requests.jsonl")
CAPTURED_EXPECTED = expected("sdk_captured_requests_expected.json")
SEQUENCES = [
    record
    for record in records(HERE / "sequences.jsonl")
    if any(request["via"] != "webhook" for request in record["requests"])
]
SEQUENCES_EXPECTED = expected("sequences_expected.json")
FUNCTION_POSTS = [
    record
    for path in (HERE / "edge_payloads.jsonl", *sorted(BESIDE.glob("jitsu_function_posts*.jsonl")))
    for record in records(path)
    if isinstance(record["payload"], dict) and "apiKey" in record["payload"]
]
BATCHES = [record for path in sorted(BESIDE.glob("analytics_go_batches*.jsonl")) for record in records(path)]


@pytest.fixture(params=[WsgiHttp, AsgiHttp])
def http(request: pytest.FixtureRequest, app: Flask) -> Iterator[Http]:
    http: Http = request.param(app)
    yield http
    if isinstance(http, AsgiHttp):
        http.close()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions["productfruits"]
    return runtime


def reader(http: Http, runtime: Runtime, acme: Connected) -> Get:
    """Asks the API about this workspace."""
    with runtime.writing() as session:
        workspace = session.get_one(models.Workspace, acme.workspace_id)
        key = api_keys.create(session, workspace, "test", workspace.created_at).key

    def get(path: str) -> Any:
        reply = http.send("GET", path, [("Authorization", f"Bearer {key}")])
        assert reply.status == 200, (path, reply)
        return reply.json

    return get


@pytest.mark.parametrize("name", CAPTURED_EXPECTED)
def test_what_the_released_sdks_sent_passes_byte_for_byte(http: Http, runtime: Runtime, name: str) -> None:
    acme = connect(runtime)
    with runtime.writing() as session:
        connections.required(session, acme.workspace_id).write_key = "WK_capture"
    requests = [record for record in CAPTURED if record["id"].startswith(name.removesuffix(" ALL in order"))]
    assert requests
    for record in requests:
        headers = [(name, value) for name, value in record["headers"] if name.lower() != "content-length"]
        reply = http.send(record["method"], record["path"], headers, base64.b64decode(record["body_b64"]))
        assert (record["id"], reply.status) == (record["id"], 200)
        if record["method"] == "POST":
            assert reply.json["success"] is True
    compare(reader(http, runtime, acme), CAPTURED_EXPECTED[name])


def test_short_stories_of_sdks_give_what_is_expected(http: Http, runtime: Runtime) -> None:
    assert {record["id"] for record in SEQUENCES} >= {"dev-tracking-batch", "dev-tracking-single-paths"}
    for record in SEQUENCES:
        acme = connect(runtime)
        for request in record["requests"]:
            assert (record["id"], _send(http, acme, request).status) == (record["id"], 200)
        compare(reader(http, runtime, acme), SEQUENCES_EXPECTED[record["id"]])


def test_what_functions_post_is_stored_without_their_settings(http: Http, runtime: Runtime) -> None:
    assert FUNCTION_POSTS
    for record in FUNCTION_POSTS:
        for path in ("/api/v1/segment", "/api/v1/segment/compat"):
            acme = connect(runtime)
            reply = http.send("POST", path, [("X-Auth-Token", acme.auth_token)], encoded(record["payload"]))
            is_event = "type" in record["payload"]
            assert (record["id"], reply.status) == (record["id"], 200 if is_event else 400)
            assert (reply.json.get("status"), reply.json.get("code")) == (
                ("ok", None) if is_event else (None, "no_type")
            )
            get = reader(http, runtime, acme)
            assert get("/api/v1/stats")["events"] == int(is_event)
            assert "sk_should_not_be_stored" not in json.dumps([get("/api/v1/events"), get("/api/v1/users")])
            if record["id"] == "function-settings-merged":
                compare(get, expected("edge_payloads_expected.json")[record["id"]])


def test_batches_of_go_are_taken(http: Http, runtime: Runtime) -> None:
    for record in BATCHES:
        acme = connect(runtime)
        reply = _send(http, acme, {"via": "tracking", "path": record["path"], "body": record["body"]})
        ids = {event["messageId"] for event in record["body"]["batch"]}
        assert (record["id"], reply.status, reply.json["accepted"]) == (record["id"], 200, len(ids))


def test_raw_bodies_for_these_ways_are_answered_as_the_table_says(http: Http, runtime: Runtime) -> None:
    for record in records(HERE / "raw_bodies.jsonl"):
        if record.get("via") == "tracking":
            acme = connect(runtime)
            body = base64.b64decode(record["body_b64"])
            reply = http.send("POST", record["path"], [basic(acme.write_key)], body)
            assert str(reply.status) in str(record["expect_status"]).split(",")[0]
            compare(reader(http, runtime, acme), record["expected"])


def _send(http: Http, acme: Connected, request: dict[str, Any]) -> Reply:
    if request["via"] == "webhook":
        return acme.post(http, request["body"])
    body = encoded(request["body"]).replace(b'"WK"', encoded(acme.write_key))
    head = basic(acme.write_key) if request["via"] == "tracking" else ("X-Auth-Token", acme.auth_token)
    return http.send("POST", request["path"], [head], body)
