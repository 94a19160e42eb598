"""Destinations over HTTP: made, changed, tried, sent again, removed; secrets shown once."""

import datetime as dt
import ipaddress
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

import productfruits
from productfruits.config import Settings
from productfruits.services import api_keys
from productfruits.workers.runtime import Runtime
from tests.receivers import PUBLIC, Receiver, answering, receiving
from tests.services import factories
from tests.services.senders import sent

Call = Callable[..., Any]


@pytest.fixture
def app(settings: Callable[..., Settings]) -> Iterator[Flask]:
    app = productfruits.create_app(settings(egress_allow=(ipaddress.ip_network(f"{PUBLIC}/32"),)))
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions["productfruits"]
    return runtime


@pytest.fixture
def call(app: Flask, runtime: Runtime) -> Call:
    """call(method, path, body, status) with the key of a workspace that has one event."""
    now = dt.datetime.now(dt.UTC)
    with runtime.writing() as session:
        owner = factories.workspace(session)
        ada = factories.user(session, owner, "ada", "ada@example.com")
        factories.event(session, owner, ada, name="Sold", received_at=now)
        key = api_keys.create(session, owner, "test", now).key
    client = app.test_client()

    def send(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer: TestResponse = client.open(
            f"/api/v1/destinations{path}", method=method, json=body, headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == status, answer.text
        return answer.json

    return send


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(answering("200 OK", b"fine, Bearer abcdefgh")) as receiver:
        yield receiver


def test_a_destination_from_the_first_to_the_last_day(call: Call, runtime: Runtime, receiver: Receiver) -> None:
    shape = {"name": "Sales floor", "url": receiver.url, "headers": {"Authorization": "Bearer abcdefgh"}}
    made = call("POST", "", shape)
    secret = made.pop("secret")
    assert made["key"] == "sales-floor" and made["headers"] == {"Authorization": None} and made["status"] == "on"
    assert call("GET", "")["destinations"] == [made] and call("GET", "/sales-floor") == made

    assert call("POST", "/sales-floor/send", {"what": "test"}) == {"deliveries": 1}
    start = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    assert call("POST", "/sales-floor/send", {"what": "range", "start": start}) == {"deliveries": 1}
    runtime.deliveries.run_once()
    headers, body = sent(receiver.requests[0])
    assert Webhook(secret).verify(receiver.requests[0].partition(b"\r\n\r\n")[2], headers) == body
    assert [sent(request)[1]["type"] for request in receiver.requests] == ["test", "event.stored"]
    log = call("GET", "/sales-floor/attempts")["attempts"]
    assert [(row["kind"], row["event"], row["outcome"], row["status"]) for row in log] == [
        ("event.stored", "Sold", "delivered", 200),
        ("test", None, "delivered", 200),
    ]
    assert log[0]["answer"] == "fine, •••"
    assert call("GET", "/sales-floor/attempts?failed_only=true")["attempts"] == []

    # What is left out stays, the hidden header as well.
    fields = [{"name": "what", "from": "event.event"}]
    changed = call(
        "PATCH", "/sales-floor", {"body": {"form": "fields", "fields": fields}, "filter": {"names": ["Sold"]}}
    )
    assert changed["body"] == {"form": "fields", "fields": fields} and changed["filter"]["names"] == ["Sold"]
    assert call("POST", "/sales-floor/send", {"what": "delivery", "delivery": log[0]["delivery_id"]})["deliveries"] == 1
    assert call("POST", "/sales-floor/send", {"what": "failed"}) == {"deliveries": 0}
    runtime.deliveries.run_once()
    again, what = sent(receiver.requests[2])
    assert what == {"what": "Sold"} and again["authorization"] == "Bearer abcdefgh"
    assert again["webhook-id"] == sent(receiver.requests[1])[0]["webhook-id"]

    rotated = call("POST", "/sales-floor/rotate", {})
    assert rotated["secret"] != secret and rotated["old_until"] is not None
    assert call("POST", "/sales-floor/rotate", {"overlap": False})["old_until"] is None
    off = call("PATCH", "/sales-floor", {"enabled": False})
    assert off["status"] == "off"
    assert call("POST", "/sales-floor/send", {"what": "test"}, 409)["code"] == "switched_off"
    assert call("DELETE", "/sales-floor") == {"done": True}
    assert call("GET", "/sales-floor", status=404)["code"] == "not_found"


def test_what_cannot_be_is_refused_with_the_reason(call: Call) -> None:
    url = {"name": "Hooks", "url": "https://hooks.example.com/x"}
    assert call("POST", "", {**url, "key": "one"})["key"] == "one"
    assert call("POST", "", {**url, "key": "one"}, 409)["code"] == "key_taken"
    assert "url" in call("POST", "", {"name": "Hooks", "url": "ftp://x"}, 400)["errors"]
    assert "body" in call("PATCH", "/one", {"body": {"form": "template", "template": "{{"}}, 400)["errors"]
    assert "filter" in call("PATCH", "/one", {"filter": {"events": "some"}}, 400)["errors"]
    assert call("PATCH", "/one", {"headers": {"X-New": None}}, 400)["code"] == "secret_needed"
    for method, path in (("POST", ""), ("PATCH", "/one")):
        unknown = {**(url if method == "POST" else {}), "filter": {"audiences": ["nobody"]}}
        assert call(method, path, unknown, 400)["code"] == "unknown_audience"
    assert call("PATCH", "/one", {"kind": "slack"}, 400)["code"] == "invalid_request"
    assert call("POST", "/one/send", {"what": "range"}, 400)["errors"] == {"start": ["Needed to send range."]}
    backwards = {"what": "range", "start": "2030-01-02T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
    assert call("POST", "/one/send", backwards, 400)["code"] == "invalid_range"
    assert call("POST", "/one/send", {"what": "delivery", "delivery": 2**80}, 404)["code"] == "not_found"
    assert call("GET", "/one/attempts?cursor=x", status=400)["code"] == "invalid_cursor"
    assert call("POST", "/import", {"file": "destinations: {a: {type: postgres}}"}, 400)["code"] == "unreadable_file"
    file = "destinations: {from_jitsu: {type: webhook, webhook: {url: return $.url}}}"
    [applied] = call("POST", "/import", {"file": file})["destinations"]
    assert applied["key"] == "from-jitsu" and applied["secret"].startswith("whsec_")
    assert call("POST", "/import", {"file": file})["destinations"] == [
        {"key": "from-jitsu", "made": False, "secret": None}
    ]
    shown = call("GET", "/from-jitsu")
    assert (shown["kind"], shown["url"], shown["method"]) == ("jitsu", "return $.url", "GET")
    assert call("PATCH", "/from-jitsu", {"enabled": False})["status"] == "off"
    for method, path in (("GET", "/two"), ("PATCH", "/two"), ("DELETE", "/two"), ("GET", "/two/attempts")):
        assert call(method, path, {} if method == "PATCH" else None, 404)["code"] == "not_found"


def test_no_secret_is_readable_in_the_store(call: Call, runtime: Runtime) -> None:
    canary = "canary-of-a-secret-path"
    made = call(
        "POST", "", {"name": "S", "url": f"https://hooks.example.com/{canary}", "headers": {"X-Key": "canary-of-a-key"}}
    )
    call("POST", "", {"name": "T", "kind": "segment", "write_key": "canary-of-a-write-key"})
    with runtime.reading() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        dump = json.dumps(list(connection.iterdump()))
    assert "hooks.example.com" in dump
    for secret in (canary, "canary-of-a-key", "canary-of-a-write-key", made["secret"], made["secret"][6:]):
        assert secret not in dump
