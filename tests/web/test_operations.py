"""What operators see: probes, metrics, the log, static files, and whom a proxy speaks for."""

import gzip
import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask, Response, jsonify, request

import productfruits
from productfruits.config import Settings
from productfruits.web import assets
from productfruits.web.proxies import TrustedProxies
from tests.web.requesting import WsgiHttp, connect, encoded

MakeSettings = Callable[..., Settings]


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    app = productfruits.create_app(settings)
    yield app
    app.extensions["productfruits"].close()


def test_probes_tell_the_process_from_the_store(settings: MakeSettings) -> None:
    with running(settings()) as app:
        client = app.test_client()
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json == {"status": "ok"}
        runtime = app.extensions["productfruits"]
        with runtime.writing() as session:
            session.connection().exec_driver_sql("ALTER TABLE workspace RENAME TO elsewhere")
        not_ready = client.get("/readyz")
        assert not_ready.status_code == 503
        assert len(json.loads(not_ready.data)["problems"]) == 1
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("changes", "headers", "status"),
    [
        ({}, {}, 200),
        ({}, {"X-Forwarded-For": "203.0.113.9"}, 401),
        ({}, {"Forwarded": "for=203.0.113.9"}, 401),
        ({"host": "0.0.0.0"}, {}, 401),
        ({"host": "::1"}, {}, 200),
        ({"host": "localhost"}, {}, 200),
        ({"metrics_token": "sesame"}, {}, 401),
        ({"metrics_token": "sesame"}, {"Authorization": "Bearer wrong"}, 401),
        ({"metrics_token": "sesame"}, {"Authorization": "Bearer sesam\xe9"}, 401),
        ({"metrics_token": "sesame", "host": "0.0.0.0"}, {"Authorization": "Bearer sesame"}, 200),
    ],
)
def test_metrics_are_for_the_operator(
    settings: MakeSettings, changes: dict[str, str], headers: dict[str, str], status: int
) -> None:
    with running(settings(**changes)) as app:
        assert app.test_client().get("/metrics", headers=headers).status_code == status


def test_metrics_count_messages_and_name_no_path(settings: MakeSettings) -> None:
    with running(settings()) as app:
        connected, http = connect(app.extensions["productfruits"]), WsgiHttp(app)
        connected.post(http, [{"type": "track", "userId": "ann", "messageId": "m", "event": "Did"}] * 3)
        http.send("GET", "/nowhere/secret-path?token=secret")
        text = app.test_client().get("/metrics").text
        assert 'productfruits_messages_total{outcome="accepted"} 1.0' in text
        assert 'productfruits_messages_total{outcome="duplicates"} 2.0' in text
        assert 'route="/webhooks/segment/<token>"' in text
        assert connected.token not in text and "secret" not in text


def test_the_log_has_one_line_a_request_and_nothing_personal(
    settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(settings()) as app:
        connected, http = connect(app.extensions["productfruits"]), WsgiHttp(app)
        capsys.readouterr()
        message = {"type": "identify", "userId": "ann", "messageId": "m", "traits": {"email": "ann@example.com"}}
        reply = connected.post(http, message)
        http.send("POST", connected.path, [("X-Signature", "0" * 40)], encoded(message))
        http.send("GET", "/login?next=ann@example.com")
        http.send("GET", "/healthz")
        written = capsys.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["status"]) for line in requests] == [("POST", 200), ("POST", 401), ("GET", 303)]
    assert requests[0]["request_id"] == reply.headers["x-request-id"]
    assert all({"route", "ms", "timestamp", "level"} <= line.keys() for line in requests)
    for secret in ("ann", connected.token, connected.secret.decode(), "0" * 40):
        assert secret not in written


def test_built_files_are_kept_for_ever_under_the_name_of_their_content(app: Flask) -> None:
    client = app.test_client()
    with app.test_request_context():
        address = assets.asset("admin.css")
    for path, cached in ((address, "immutable"), ("/static/dist/admin.css", "no-cache"), (address + "0", "no-cache")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert cached in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304


@pytest.mark.parametrize("path", ["/static/dist/admin.css", "/static/dist/snippet-view.js", "/snippet.js"])
def test_built_texts_are_compressed_for_whoever_takes_that(app: Flask, path: str) -> None:
    client = app.test_client()
    takes = ("gzip;q=0", "br, gzip")
    plain, packed = (client.get(path, headers={"Accept-Encoding": encoding}) for encoding in takes)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
    for answer, encoding in zip((plain, packed), takes, strict=True):
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        again = client.get(path, headers={"If-None-Match": answer.headers["ETag"], "Accept-Encoding": encoding})
        assert (again.status_code, again.data) == (304, b"")


def test_what_is_compressed_already_is_sent_as_it_is(app: Flask) -> None:
    answer = app.test_client().get("/static/dist/inter.woff2", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    assert answer.data == (assets.DIST / "inter.woff2").read_bytes()


@pytest.mark.parametrize(
    "name", ["../package.json", "..%2fpackage.json", "%2e%2e/admin.css", "a%00.css", "nothing.css", "", "."]
)
def test_nothing_but_built_files_is_served(app: Flask, name: str) -> None:
    assert app.test_client().get(f"/static/dist/{name}").status_code == 404


def test_another_content_has_another_address(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "DIST", tmp_path)
    addresses = set()
    for content in ("one", "another one"):
        (tmp_path / "admin.css").write_text(content)
        with app.test_request_context():
            addresses.add(assets.asset("admin.css"))
    assert len(addresses) == 2


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, rubbish", "10.0.0.1"),
    ],
)
def test_a_client_is_who_the_trusted_proxies_say(peer: str, forwarded: str, address: str) -> None:
    answer = asked(peer, {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"})
    assert answer["address"] == address
    assert answer["scheme"] == ("https" if peer.endswith("10.0.0.1") else "http")


def test_a_host_is_believed_only_from_a_trusted_proxy() -> None:
    headers = {"X-Forwarded-Host": "public.example"}
    assert asked("10.0.0.1", headers)["host"] == "public.example"
    assert asked("203.0.113.5", headers)["host"] == "localhost"


def asked(peer: str, headers: dict[str, str]) -> dict[str, str]:
    """What a request from `peer` looks like behind the middleware that trusts 10.0.0.0/8."""
    app = Flask("asked")

    @app.get("/")
    def who() -> Response:
        return jsonify(address=request.remote_addr, scheme=request.scheme, host=request.host)

    app.wsgi_app = TrustedProxies(app.wsgi_app, (ipaddress.ip_network("10.0.0.0/8"),))  # type: ignore[method-assign]
    answer = app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": peer})
    content: dict[str, str] = json.loads(answer.data)
    return content


def test_a_bug_is_told_by_its_places_and_not_by_what_was_sent(
    settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(settings()) as app:

        @app.get("/bug/<secret>")
        def bug(secret: str) -> Response:
            raise ValueError(secret)

        capsys.readouterr()
        reply = WsgiHttp(app).send("GET", "/bug/sesame?token=sesame")
        written = capsys.readouterr().err
    assert reply.status == 500
    assert b"sesame" not in reply.body and "sesame" not in written
    told = next(line for line in map(json.loads, written.splitlines()) if line["event"] == "bug")
    assert told["error"] == "ValueError"
    assert any(place.startswith("test_operations.py:") for place in told["places"])
    assert told["request_id"] == reply.headers["x-request-id"]
