"""The editor of functions: it runs what stands in it, saves, deploys, and catches a request."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from productfruits.functions import examples
from productfruits.services import functions
from productfruits.workers.runtime import Runtime
from tests.web.admin_world import Person


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
