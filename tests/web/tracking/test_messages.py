"""Segment's HTTP Tracking API: what SDKs are answered, the same as WSGI and through the front."""

import datetime as dt
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

import productfruits
from productfruits.config import Settings
from productfruits.models import User
from productfruits.services import connections
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, WsgiHttp, basic, connect, encoded
from tests.web.tracking.sdks import PAGE, TRACK, batch, counts, refusal, stored, told

SINGLES = {
    "identify": {"messageId": "m1", "userId": "u1", "traits": {"plan": "pro"}},
    "track": TRACK,
    "page": {"messageId": "m1", "userId": "u1", "name": "Home"},
    "screen": {"messageId": "m1", "userId": "u1", "name": "Home"},
    "group": {"messageId": "m1", "userId": "u1", "groupId": "g1"},
    "alias": {"messageId": "m1", "userId": "u1", "previousId": "u0"},
}


def test_every_path_says_the_type_with_and_without_a_slash(http: Http, runtime: Runtime) -> None:
    for kind, event in SINGLES.items():
        for path in (f"/v1/{kind}", f"/v1/{kind[0]}/"):
            acme = connect(runtime)
            assert counts(http.send("POST", path, [basic(acme.write_key)], encoded(event))) == (1, 0, 0, 0)
            [row] = stored(runtime, acme)
            assert (path, row.type, row.source, row.signed) == (path, kind, "tracking", False)


def test_batches_come_in_three_paths_and_count_each_message_once(http: Http, acme: Connected) -> None:
    events = [{**TRACK, "type": "track", "messageId": name} for name in ("a", "a", "b")]
    for path, expected in (("/v1/batch", (2, 1, 0, 0)), ("/v1/b", (0, 3, 0, 0)), ("/v1/import/", (0, 3, 0, 0))):
        assert counts(http.send("POST", path, [basic(acme.write_key)], batch(*events))) == expected


def test_good_elements_of_a_batch_are_kept_whatever_the_others_are(http: Http, acme: Connected) -> None:
    good = {**TRACK, "type": "track"}
    body = batch(7, good, {"type": 3}, {"type": "set"}, {"type": "track", "event": "Nobody"})
    assert counts(http.send("POST", "/v1/batch", [basic(acme.write_key)], body)) == (1, 0, 2, 2)
    spoilt = b'{"batch":[{"type":"track","userId":"u","event":"E","properties":{"n":1e400}},' + encoded(good)[:-1]
    body = spoilt.replace(b"m1", b"m2") + b"}]}"
    assert counts(http.send("POST", "/v1/batch", [basic(acme.write_key)], body)) == (1, 0, 0, 1)
    assert counts(http.send("POST", "/v1/batch", [basic(acme.write_key)], batch())) == (0, 0, 0, 0)


def test_the_key_may_stand_in_the_head_or_in_the_body(http: Http, runtime: Runtime) -> None:
    for places in (["head"], ["body"], ["head", "body"]):
        for path, body in (("/v1/t", TRACK), ("/v1/batch", {"batch": [{**TRACK, "type": "track"}]})):
            acme = connect(runtime)
            head = [basic(acme.write_key)] if "head" in places else []
            content = {**body, "writeKey": acme.write_key} if "body" in places else body
            assert counts(http.send("POST", path, head, encoded(content))) == (1, 0, 0, 0)
    acme = connect(runtime)
    oauth = [("Authorization", "Bearer something")]
    assert counts(http.send("POST", "/v1/t", oauth, encoded({**TRACK, "writeKey": acme.write_key}))) == (1, 0, 0, 0)


def test_an_unknown_key_is_401_with_a_code_and_readable_by_a_page(
    http: Http, acme: Connected, runtime: Runtime
) -> None:
    unknown = [("Origin", PAGE)]
    replies = [
        http.send("POST", "/v1/t", unknown, encoded(TRACK)),
        http.send("POST", "/v1/t", [*unknown, basic("key_of_nobody")], encoded(TRACK)),
        http.send("POST", "/v1/t", [*unknown, basic("é" * 90)], encoded(TRACK)),
        http.send("POST", "/v1/t", [*unknown, ("Authorization", "Basic !")], encoded(TRACK)),
        http.send("POST", "/v1/t", unknown, encoded({**TRACK, "writeKey": ["x"]})),
        http.send("POST", "/v1/t", [*unknown, basic(acme.token)], encoded(TRACK)),
        http.send("POST", "/v1/batch", unknown, batch(writeKey="key_of_nobody")),
    ]
    for reply in replies:
        assert refusal(reply) == (401, "invalid_write_key")
        assert reply.headers["access-control-allow-origin"] == PAGE
    with runtime.writing() as session:
        connections.deactivate(session, connections.required(session, acme.workspace_id))
    reply = http.send("POST", "/v1/t", [basic(acme.write_key)], encoded(TRACK))
    assert refusal(reply) == (401, "invalid_write_key")
    assert refusal(http.send("GET", f"/v1/projects/{acme.write_key}/settings")) == (404, "not_found")


def test_the_write_key_is_public_and_the_auth_token_a_server(http: Http, acme: Connected, runtime: Runtime) -> None:
    delete = {"type": "delete", "messageId": "d1", "userId": "u1"}
    identify = {"type": "identify", "messageId": "i1", "userId": "u1", "traits": {"email": "u1@example.com"}}
    http.send("POST", "/v1/batch", [basic(acme.write_key)], batch(identify))
    claim = {**identify, "messageId": "i2", "userId": "u2"}
    reply = http.send("POST", "/v1/batch", [basic(acme.write_key), ("Origin", PAGE)], batch(claim, delete))
    assert counts(reply) == (1, 0, 0, 1)
    assert told(runtime, acme) == [("tracking", "delete_not_allowed")]
    with runtime.reading() as session:
        users = session.scalars(select(User.username).where(User.workspace_id == acme.workspace_id)).all()
    assert sorted(map(str, users)) == ["u1", "u2"]
    for number, (head, more) in enumerate([([basic(acme.auth_token)], {}), ([], {"writeKey": acme.auth_token})]):
        event = {**TRACK, "type": "track", "messageId": f"t{number}", "userId": "somebody else"}
        body = batch(event, {**delete, "messageId": f"s{number}", "userId": f"u{number + 1}"}, **more)
        reply = http.send("POST", "/v1/batch", [*head, ("Origin", PAGE)], body)
        assert counts(reply) == (2, 0, 0, 0)
        assert not [name for name in reply.headers if name.startswith("access-control")]
    with runtime.reading() as session:
        emails = session.scalars(select(User.email).where(User.workspace_id == acme.workspace_id)).all()
    assert "u1@example.com" not in emails


def test_any_content_type_is_json_and_gzip_is_inflated(http: Http, runtime: Runtime) -> None:
    body = batch({**TRACK, "type": "track"})
    halves = gzip.compress(body[:20]) + gzip.compress(body[20:])
    for encoding, content in (
        ("identity", body),
        ("gzip", gzip.compress(body)),
        ("GZIP", gzip.compress(body)),
        ("x-gzip", halves),
    ):
        acme = connect(runtime)
        head = [basic(acme.write_key), ("Content-Type", "text/plain"), ("Content-Encoding", encoding)]
        assert counts(http.send("POST", "/v1/batch", head, content)) == (1, 0, 0, 0)


def test_what_cannot_be_read_is_refused_for_good(http: Http, acme: Connected, runtime: Runtime) -> None:
    def send(path: str, body: bytes, *head: tuple[str, str]) -> tuple[int, str]:
        return refusal(http.send("POST", path, [basic(acme.write_key), *head], body))

    zipped = ("Content-Encoding", "gzip")
    whole = gzip.compress(encoded(TRACK))
    assert send("/v1/t", b"{") == (400, "invalid_json")
    assert send("/v1/t", b"") == (400, "invalid_json")
    assert send("/v1/t", b"7") == (400, "not_object_or_array")
    assert send("/v1/t", b"[]") == (400, "not_one_event")
    assert send("/v1/t", b'{"userId":NaN}') == (400, "invalid_json")
    assert send("/v1/a", b'{"userId":"a","previousId":"b","userId":"c"}') == (400, "duplicate_key")
    for body in (b"{}", b'{"batch":{}}', b'{"batch":7}', b'"x"', b'{"type":"track","event":"E"}'):
        assert send("/v1/batch", body) == (400, "no_batch")
    for body in (b'{"batch":[}', b'{"batch":[{]}', b"{batch:[]}", b'{"batch":[NaN]}', b'{"batch":[]}x'):
        assert send("/v1/batch", body) == (400, "invalid_json")
    assert send("/v1/batch", batch(*range(4_001))) == (400, "batch_too_large")
    assert send("/v1/t", whole[:-9], zipped) == (400, "invalid_gzip")
    assert send("/v1/t", encoded(TRACK), zipped) == (400, "invalid_gzip")
    assert send("/v1/t", whole + b"x", zipped) == (400, "invalid_gzip")
    assert send("/v1/t", b"", zipped) == (400, "invalid_gzip")
    assert send("/v1/t", zlib.compress(b"{}"), ("Content-Encoding", "br")) == (415, "content_encoding")
    assert send("/v1/t", b" " * (1024 * 1024 + 1)) == (400, "body_too_large")
    assert send("/v1/batch", b" " * (4 * 1024 * 1024 + 1)) == (400, "body_too_large")
    http.send("POST", "/v1/t", [basic(acme.write_key)], encoded(TRACK))
    assert ("tracking", "invalid_gzip") in told(runtime, acme)
    assert {source for source, _ in told(runtime, acme)} == {"tracking"}


def test_a_bomb_is_not_inflated(http: Http, acme: Connected, shared: Flask) -> None:
    bomb = gzip.compress(b" " * 60_000_000, 1)
    head = [basic(acme.write_key), ("Content-Encoding", "gzip")]
    assert refusal(http.send("POST", "/v1/batch", head, bomb)) == (400, "body_too_large")
    assert shared.extensions["productfruits.door"].open_budget.used_bytes == 0


def test_bodies_of_strangers_have_room_of_their_own(http: Http, acme: Connected, shared: Flask) -> None:
    door = shared.extensions["productfruits.door"]
    everything = 32 * 1024 * 1024
    assert door.open_budget.take(everything)
    reply = http.send("POST", "/v1/t", [basic(acme.write_key)], encoded(TRACK))
    assert (refusal(reply), int(reply.headers["retry-after"]) > 0) == ((503, "busy"), True)
    assert reply.headers["access-control-expose-headers"] == "Retry-After"
    assert counts(http.send("POST", "/v1/t", [basic(acme.auth_token)], encoded(TRACK))) == (1, 0, 0, 0)
    door.open_budget.give_back(everything)


def test_other_methods_are_405_and_never_a_redirect(http: Http) -> None:
    for method, path in (
        ("GET", "/v1/t"),
        ("PUT", "/v1/batch"),
        ("POST", "/v1/projects/x/settings"),
        ("HEAD", "/v1/b"),
    ):
        reply = http.send(method, path)
        assert (path, reply.status) == (path, 405)
        assert reply.headers["allow"] in ("POST, OPTIONS", "GET, OPTIONS")


def test_the_batchs_context_lies_under_that_of_each_event(http: Http, acme: Connected, runtime: Runtime) -> None:
    events = [
        {**TRACK, "type": "track", "messageId": "a"},
        {**TRACK, "type": "track", "messageId": "b", "context": {"device": {"id": "7"}, "locale": "cs"}},
        {**TRACK, "type": "track", "messageId": "c", "context": None},
        {**TRACK, "type": "track", "messageId": "d", "context": {"device": "tablet"}},
    ]
    context = {"device": {"type": "phone", "id": "0"}, "locale": "en"}
    http.send("POST", "/v1/batch", [basic(acme.write_key)], batch(*events, context=context))
    assert [row.context for row in stored(runtime, acme)] == [
        context,
        {"device": {"type": "phone", "id": "7"}, "locale": "cs"},
        context,
        {"device": "tablet", "locale": "en"},
    ]


def test_times_are_moved_by_what_the_senders_clock_is_off(http: Http, acme: Connected, runtime: Runtime) -> None:
    """Spec: timestamp = receivedAt - (sentAt - originalTimestamp)."""
    event = {**TRACK, "type": "track", "timestamp": "2001-01-01T00:00:00Z"}
    sent = {"sentAt": "2001-01-01T00:01:00Z"}
    http.send("POST", "/v1/batch", [basic(acme.write_key)], batch({**event, "messageId": "a"}, **sent))
    http.send("POST", "/v1/t", [basic(acme.write_key)], encoded({**event, **sent, "messageId": "b"}))
    http.send("POST", "/v1/t", [basic(acme.write_key)], encoded({**event, "messageId": "c"}))
    http.send("POST", "/v1/t", [basic(acme.write_key)], encoded({**event, "sentAt": "soon", "messageId": "d"}))
    http.send("POST", "/v1/t", [basic(acme.write_key)], encoded({**event, "sentAt": "0001-01-01", "messageId": "e"}))
    untouched = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    moved, alone, unsaid, unread, far = stored(runtime, acme)
    for row in (moved, alone):
        assert row.received_at - row.timestamp == dt.timedelta(minutes=1)
    assert [unsaid.timestamp, unread.timestamp, far.timestamp.year > 4_000] == [untouched, untouched, True]


def test_the_same_message_counts_once_over_all_ways_in(http: Http, acme: Connected) -> None:
    event = {**TRACK, "type": "track"}
    assert acme.post(http, event).json["accepted"] == 1
    assert counts(http.send("POST", "/v1/t", [basic(acme.write_key)], encoded(event))) == (0, 1, 0, 0)


def test_it_says_come_again_while_the_store_is_away(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = productfruits.create_app(settings())
    runtime: Runtime = app.extensions["productfruits"]
    acme = connect(runtime)
    runtime.writer.stop(0)
    for path, body in (("/v1/t", encoded({**TRACK, "writeKey": acme.write_key})), ("/api/v1/segment", b"{}")):
        head = [("X-Auth-Token", acme.auth_token)] if "api" in path else []
        reply = WsgiHttp(app).send("POST", path, head, body)
        assert (reply.status, reply.json["code"], reply.headers["retry-after"]) == (503, "unavailable", "30")
    runtime.close()
