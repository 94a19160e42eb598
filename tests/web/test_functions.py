"""Functions from outside: the address of a source function, the editor, the API and the commands."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

import productfruits
from productfruits.config import Settings
from productfruits.functions import examples
from productfruits.models import Delivery, Event, FunctionError, FunctionRequest
from productfruits.outgoing import chains
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import api_keys, destinations, function_instances, functions, workspaces
from productfruits.workers.rates import PEAK_S, Rates
from productfruits.workers.runtime import Runtime
from tests.conftest import Client
from tests.services.factories import NOW
from tests.web.admin_world import Person, build
from tests.web.requesting import AsgiHttp, Http, WsgiHttp, basic, connect, encoded

JSON = {"Content-Type": "application/json"}
SENSITIVE = {"label": "API Key", "sensitive": True}
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
    """One app with functions switched on, for all tests of this file: its processes stay warm."""
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


def nowhere(session: Session, workspace_id: int, runtime: Runtime) -> None:
    """A destination that takes everything, and that nothing is sent to: its address is not allowed."""
    shape = DestinationShape().load({"name": "Nowhere", "url": "http://127.0.0.1:9999/x"})
    destinations.create(session, workspace_id, shape, NOW, runtime.vault)


def test_a_circle_of_servers_ends_at_every_way_in(app: Flask, address: str, runtime: Runtime) -> None:
    """Each way in reads how many destinations a request has come through, and what has come through three is cut."""
    acme = connect(runtime)
    with runtime.writing() as session:
        nowhere(session, acme.workspace_id, runtime)
    http = AsgiHttp(app)

    def post(path: str, number: int, depth: str, *headers: tuple[str, str]) -> Any:
        body = encoded({"type": "track", "messageId": f"m-{number}", "userId": "u", "event": "Did"})
        more = acme.signed(body) if path == acme.path else [("Content-Type", "application/json"), *headers]
        answer = http.send("POST", path, [*more, (chains.HEADER, depth)], body).json
        return answer["accepted"], answer["duplicates"]

    token = ("X-Auth-Token", acme.auth_token)
    ways: list[tuple[str, tuple[tuple[str, str], ...]]]
    ways = [(acme.path, ()), ("/v1/track", (basic(acme.write_key),)), ("/api/v1/segment", (token,))]
    try:
        for number, (path, headers) in enumerate(ways):
            assert post(path, number, "3", *headers) == (1, 0)
        # What was stored once is known by its id, whichever way it comes back.
        for path, headers in ways:
            assert [post(path, number, "0", *headers) for number in range(3)] == [(0, 1)] * 3
    finally:
        http.close()
    with runtime.reading() as session:
        mine = select(Delivery.depth).where(Delivery.workspace_id == acme.workspace_id)
        assert session.scalars(mine).all() == [3, 3, 3]
    app.test_client().post(address, json={"id": "looped"}, headers={chains.HEADER: "2"})
    with runtime.reading() as session:
        contexts = select(Event.context).where(Event.sent_user_id == "looped")
        assert session.scalars(contexts).all() == [{"productfruits": {"depth": 2}}] * 2


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


def test_the_api_saves_versions_and_deploys_them(api: Callable[..., Any]) -> None:
    shape = {"name": "Mirror", "kind": "destination", "code": "function onTrack() { return 1 }"}
    key = api("POST", "/functions", shape)["key"]
    first = api("POST", f"/functions/{key}/instances", {"name": "One"})
    changed = api("PATCH", f"/functions/{key}", {"code": "function onPage() { return 2 }"})
    assert (changed["version"], changed["handlers"]) == (2, ["onPage"])
    (instance,) = api("GET", f"/functions/{key}/instances")["instances"]
    assert instance["version"] == 1
    assert api("POST", f"/functions/{key}/deploy", {}) == {"version": 2, "instances": 1}
    path = f"/functions/{key}/instances/{first['id']}"
    assert api("PATCH", path, {"enabled": False, "name": "Two"})["enabled"] is False
    assert api("DELETE", path) == {"deleted": True}
    api("DELETE", f"/functions/{key}")
    api("GET", f"/functions/{key}", status=404)
    assert key not in {each["key"] for each in api("GET", "/functions")["functions"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "function onTrack( {"}, "invalid_code"),
        ({"code": "1"}, "no_handler"),
        ({"code": ""}, "invalid_request"),
        ({"kind": "other"}, "invalid_request"),
        ({"settings": [{"label": "A"}, {"label": "a"}]}, "invalid_request"),
        ({"more": 1}, "invalid_request"),
    ],
)
def test_what_the_api_refuses(api: Callable[..., Any], body: dict[str, Any], code: str) -> None:
    shape = {"name": "X", "kind": "destination", "code": "function onTrack() {}", **body}
    assert api("POST", "/functions", shape, status=400)["code"] == code


def test_a_missing_value_and_a_foreign_one_are_refused(api: Callable[..., Any], address: str, world: Any) -> None:
    wrong = {"name": "Y", "settings": {"other": "x"}}
    assert api("POST", "/functions/payments/instances", wrong, status=400)["code"] == "invalid_settings"
    foreign = world.other.ids
    api("GET", f"/functions/{foreign['function_key']}", status=404)
    path = f"/functions/payments/instances/{foreign['instance_id']}"
    api("DELETE", path, status=404)


def test_a_source_function_that_names_its_own_address_is_not_saved(api: Callable[..., Any], address: str) -> None:
    code = f"function onRequest() {{ return fetch('https://x.example{address}') }}"
    assert api("PATCH", "/functions/payments", {"code": code}, status=400)["code"] == "own_address"


def editor(draft: dict[str, str], **more: str) -> dict[str, str]:
    row = {"setting-0-label": "API Key", "setting-0-key": "apiKey", "setting-0-type": "text"}
    return {"name": "Edited", "given": "", **row, "value-apiKey": "sk-trial-1", **draft, **more}


def test_the_editor_runs_what_stands_in_it(owner: Person, world: Any) -> None:
    made = owner.post(f"/w/{world.acme.key}/functions/new", {"name": "Tried", "example": "post"})
    path = made.headers["Location"]
    code = "async function onTrack(event, settings) { console.log('saw', event.event); return settings.apiKey.length }"
    form = editor({"code": code, "given": '{"type": "track", "event": "Paid"}'})
    page = owner.post(path, {**form, "do": "run"})
    assert page.status_code == 200
    assert "saw Paid" in page.text and '<pre class="json">10</pre>' in page.text
    every = owner.post(path, {**form, "do": "run:all"}).text
    assert every.count("Unsupported Event Type") == 6 and every.count("pill-success") == 1
    thrown = owner.post(path, {**form, "code": "function onTrack() { throw new RetryError('<b>later') }", "do": "run"})
    assert "&lt;b&gt;later" in thrown.text and "Retry" in thrown.text
    for wrong in ("{", '{"type": "other"}', "[]"):
        assert owner.post(path, {**form, "given": wrong, "do": "run"}).status_code == 400
    assert "u-mine" not in owner.post(path, {**form, "do": "fill:chosen", "chosen": "sample:page"}).text


def test_the_editor_saves_and_deploys_to_the_chosen(owner: Person, world: Any, api: Callable[..., Any]) -> None:
    base = f"/w/{world.acme.key}/functions"
    path = owner.post(f"{base}/new", {"name": "Deployed", "example": "post"}).headers["Location"]
    key = path.rpartition("/")[2]
    for name in ("One", "Two"):
        values = {"name": name, "value-url": "https://x.example", "value-apiKey": "sk-123456"}
        assert owner.post(f"{path}/instances", values).status_code == 303
    one, _ = api("GET", f"/functions/{key}/instances")["instances"]
    form = editor({"code": "function onTrack() {}"})
    assert owner.post(path, {**form, "do": "save"}).status_code == 303
    again = {**form, "code": "function onPage() {}", "do": "deploy", "deploy-to": str(one["id"])}
    assert owner.post(path, again).status_code == 303
    versions = {each["name"]: each["version"] for each in api("GET", f"/functions/{key}/instances")["instances"]}
    assert versions == {"One": 3, "Two": 1}
    refused = owner.post(path, {**form, "code": "function (", "do": "save"})
    assert refused.status_code == 400 and "SyntaxError" in refused.text
    assert owner.post(path, {**form, "do": "delete"}).status_code == 303
    assert owner.get(path).status_code == 404


def test_a_request_to_the_test_address_fills_the_editor(app: Flask, owner: Person, world: Any) -> None:
    path = owner.post(f"/w/{world.acme.key}/functions/new", {"name": "Caught", "example": "webhook"}).headers[
        "Location"
    ]
    page = owner.get(path).text
    test_path = page.split('id="test-url" value="')[1].split('"')[0].removeprefix("http://127.0.0.1:8000")
    assert app.test_client().post(test_path, json={"a": "early"}).status_code == 404
    owner.post(path, {**editor({"code": "x"}), "do": "wait"})
    assert app.test_client().post(test_path, json={"a": "caught it"}).get_json() == {"success": True, "caught": True}
    assert "caught it" in owner.get(path).text
    given = {"given": '{"id": "x"}', "headers": "Content-Type: application/json\nX-A: b"}
    call = "Segment.track({ userId: request.json().id, event: request.headers.get('x-a') })"
    code = f"function onRequest(request) {{ {call} }}"
    ran = owner.post(path, {**editor({"code": code, **given}), "do": "run"}).text
    assert "&#34;event&#34;:&#34;b&#34;" in ran


def test_every_example_is_a_function_that_loads(runtime: Runtime) -> None:
    for example in examples.EXAMPLES.values():
        assert functions.check(runtime.required_sandbox(), example.kind, example.code) == example.handlers


def test_a_deleted_instance_answers_nobody(api: Callable[..., Any], app: Flask, runtime: Runtime, address: str) -> None:
    (instance,) = api("GET", "/functions/payments/instances")["instances"]
    api("PATCH", f"/functions/payments/instances/{instance['id']}", {"enabled": False})
    assert app.test_client().post(address, json={}).status_code == 404
    with runtime.reading() as session:
        assert function_instances.by_token(session, "no\0body") is None


def test_our_own_event_that_comes_back_is_known_by_its_event_id(app: Flask, runtime: Runtime) -> None:
    """Segment gives it another messageId; by whichever sender it returns, it is stored and sent once."""
    acme = connect(runtime)
    with runtime.writing() as session:
        nowhere(session, acme.workspace_id, runtime)
    own = {
        "id": 1,
        "content_type": "tour",
        "raw_name": "tour_started",
        "event_id": "0b0c1f5e-9d5b-4a52-8f0e-6a1c8f6f2b1d",
        "source": "productfruits",
        "is_preview": False,
    }
    http = AsgiHttp(app)

    def post(path: str, *headers: tuple[str, str]) -> Any:
        message = {"type": "track", "messageId": path, "userId": "u", "event": "Tour Started", "properties": own}
        body = encoded(message)
        more = acme.signed(body) if path == acme.path else [("Content-Type", "application/json"), *headers]
        answer = http.send("POST", path, more, body).json
        return answer["accepted"], answer["duplicates"]

    try:
        assert post("/v1/track", basic(acme.write_key)) == (1, 0)
        assert post(acme.path) == (0, 1)
        assert post("/api/v1/segment", ("X-Auth-Token", acme.auth_token)) == (0, 1)
    finally:
        http.close()
    with runtime.reading() as session:
        mine = select(Delivery.id).where(Delivery.workspace_id == acme.workspace_id)
        assert len(session.scalars(mine).all()) == 1
