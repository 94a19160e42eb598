"""The released SDKs of Segment against the running service, told of it by changing a host, and nothing else."""

import gzip
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from segment.analytics.client import Client

from productfruits.config import Settings
from productfruits.workers.runtime import open_runtime
from tests.clients.segment_cdn import SegmentCdn, bundled, classic, segment_cdn
from tests.clients.workspaces import PATIENCE_S, Service, Workspace
from tests.served import serve

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("sdks")
    with serve(folder, LOG_LEVEL="warning") as served:
        runtime = open_runtime(Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'productfruits.db'}"))
        yield Service(served, runtime)
        runtime.close()


@pytest.fixture(scope="module")
def cdn() -> Iterator[SegmentCdn]:
    with segment_cdn() as cdn:
        yield cdn


@pytest.fixture
def acme(service: Service) -> Workspace:
    return service.workspace()


BROWSE = """
analytics.page("Docs", "Pricing");
analytics.track("Landed", {src: "ad"});
analytics.identify("br-1", {email: "Browser.User@Example.com", firstName: "Brö", plan: null});
analytics.group("acct-9", {name: "Initech"});
analytics.track("Signed Up", {plan: "Pro"});
analytics.alias("br-2");
"""


@pytest.mark.parametrize("style", ["classic", "bundled"])
def test_analytics_js_in_a_page(acme: Workspace, cdn: SegmentCdn, page: Page, style: str) -> None:
    """The classic snippet asks a CDN of the customer's for its settings, the bundled SDK asks us."""
    script = f"<script>{BROWSE}</script>"
    if style == "classic":
        html = classic(cdn.url, acme.write_key, f"{acme.host}/v1", body=script)
    else:
        html = bundled(acme.url, cdn.url, acme.write_key, f"{acme.host}/v1", body=script)
    cdn.pages["/shop"] = html
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    with page.expect_response(lambda answer: answer.url.endswith("/v1/a") and answer.request.method == "POST") as sent:
        page.goto(f"{cdn.url}/shop?utm_source=news&utm_campaign=autumn")
    assert (sent.value.status, sent.value.json()["success"]) == (200, True)
    # Every call is a request of its own, and they overtake each other.
    events = acme.events(6)
    assert sorted(event["type"] for event in events) == ["alias", "group", "identify", "page", "track", "track"]
    assert {event["source"] for event in events} == {"tracking"}
    user = acme.user("br-1")
    assert (user["email"], user["traits"]["firstName"]) == ("Browser.User@Example.com", "Brö")
    assert {event["user_id"] for event in events} == {user["id"]}
    assert acme.get("/api/v1/groups/acct-9")["members"] == ["br-1"]
    [form] = [f for f in acme.get("/api/v1/events?format=jitsu2")["events"] if f["event_type"] == "Signed Up"]
    assert (form["utm_source"], form["utm_campaign"], form["doc_path"]) == ("news", "autumn", "/shop")
    assert problems == []


def test_analytics_js_says_that_a_key_is_unknown(acme: Workspace, cdn: SegmentCdn, page: Page) -> None:
    failed = "<script>analytics.catch(function (error) { window.failed = String(error); });</script>"
    cdn.pages["/wrong"] = bundled(acme.url, cdn.url, "key_of_nobody", f"{acme.host}/v1", body=failed)
    page.goto(f"{cdn.url}/wrong")
    page.wait_for_function("window.failed")
    assert "404" in str(page.evaluate("window.failed")) or "settings" in str(page.evaluate("window.failed"))


def node(script: str, *arguments: str) -> Any:
    """What a script of this folder prints, which is JSON."""
    done = subprocess.run(
        ["node", HERE / script, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("key", ["write_key", "auth_token"])
def test_analytics_node(acme: Workspace, key: str) -> None:
    assert node("send.mjs", acme.url, getattr(acme, key)) == []
    events = acme.events(7)
    assert [event["type"] for event in events] == ["identify", "track", "track", "page", "screen", "group", "alias"]
    user = acme.user("node-1")
    assert (user["email"], user["traits"]["big"]) == ("Node.User@Example.com", 1e21)
    assert "\N{REPLACEMENT CHARACTER}" in events[1]["properties"]["text"]
    assert {event["user_id"] for event in events} == {user["id"]}


def test_the_function_that_jitsu_documents(acme: Workspace) -> None:
    assert node("function.mjs", acme.url, acme.auth_token) == [["ok", 1]] * 7
    events = acme.events(6)
    assert [event["type"] for event in events] == ["identify", "track", "group", "page", "screen", "alias"]
    assert {event["source"] for event in events} == {"function"}
    assert acme.user("fn-0")["email"] == "fn@example.com"


@pytest.mark.parametrize("zipped", [False, True])
def test_segment_analytics_python(acme: Workspace, zipped: bool) -> None:
    failures: list[object] = []
    client = Client(
        acme.write_key,
        host=acme.url,
        gzip=zipped,
        upload_interval=0.05,
        on_error=lambda error, _: failures.append(error),
    )
    client.identify("py-1", {"email": "Ada.Py@Example.com", "logins": 3, "plan": None})
    client.track("py-1", "Order Completed", {"total": 19.99, "big": 12345678901234567890})
    client.page("py-1", "Docs", "Intro")
    client.screen("py-1", "Main", "Home")
    client.group("py-1", 77, {"name": "Initech"})
    client.alias("py-0", "py-1")
    client.shutdown()
    assert failures == []
    events = acme.events(6)
    assert [event["type"] for event in events] == ["identify", "track", "page", "screen", "group", "alias"]
    assert events[1]["properties"]["big"] == 12345678901234567890
    assert acme.user("py-0")["username"] == "py-1"
    assert acme.get("/api/v1/groups/77")["members"] == ["py-1"]


def test_a_mobile_sdk_sends_gzip_in_chunks_and_no_length(acme: Workspace) -> None:
    """As Kotlin's does: the key only in the body, text/plain, compressed, Transfer-Encoding: chunked."""
    event = {"type": "track", "messageId": "k1", "userId": "kt-1", "event": "Opened", "writeKey": acme.write_key}
    body = gzip.compress(json.dumps({"batch": [event], "writeKey": acme.write_key}).encode())
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\n\r\n"
    head = (
        f"POST /v1/b HTTP/1.1\r\nHost: {acme.host}\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()
    host, _, port = acme.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as line:
        line.sendall(head + chunks)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [event["event"] for event in acme.events(1)] == ["Opened"]


def test_a_line_stays_open_after_what_has_no_body(acme: Workspace) -> None:
    line = http.client.HTTPConnection(acme.host, timeout=PATIENCE_S)
    for method, path in (
        ("OPTIONS", "/v1/t"),
        ("GET", f"/v1/projects/{acme.write_key}/settings"),
        ("GET", "/v1/pixel/page"),
    ):
        line.request(method, path)
        answer = line.getresponse()
        answer.read()
        assert (path, answer.status in (200, 204), answer.headers["connection"]) == (path, True, None)
    line.close()
