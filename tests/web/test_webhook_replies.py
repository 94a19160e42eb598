"""The table of replies: what the webhook answers to whom, the same as WSGI and through the front, on both databases."""

import dataclasses
import datetime as dt
import json
from typing import Any

from sqlalchemy import func, select

from productfruits.models import Connection, ConnectionSecret, Event, Rejection, User
from productfruits.segment.signature import sign
from productfruits.services import connections
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, Reply, connect, encoded

TRACK = {"type": "track", "messageId": "m1", "userId": "u1", "event": "Clicked", "timestamp": "2026-01-01T00:00:00Z"}


def counts(reply: Reply) -> tuple[int, int, int, int]:
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["success"] is True
    answer = reply.json
    return answer["accepted"], answer["duplicates"], answer["ignored"], answer["rejected"]


def stored_events(runtime: Runtime) -> int:
    with runtime.reading() as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0


def rejections(runtime: Runtime) -> list[tuple[str, str]]:
    """Reasons and words, once the writer has come round to them."""
    runtime.writer.stop(30)
    with runtime.reading() as session:
        return [(row.reason, row.detail) for row in session.scalars(select(Rejection).order_by(Rejection.id))]


ACCEPTED: list[tuple[str, Any, tuple[int, int, int, int]]] = [
    ("a single event", TRACK, (1, 0, 0, 0)),
    ("an array of one", [TRACK], (1, 0, 0, 0)),
    ("an array with a repetition", [TRACK, {**TRACK, "event": "Other"}, {**TRACK, "messageId": "m2"}], (2, 1, 0, 0)),
    ("an empty array", [], (0, 0, 0, 0)),
    ("an unknown type", {**TRACK, "type": "set"}, (0, 0, 1, 0)),
    ("a type in capitals", {**TRACK, "type": "Track"}, (1, 0, 0, 0)),
    ("no usable id", {"type": "track", "event": "Clicked", "messageId": "m1", "userId": None}, (0, 0, 1, 0)),
    ("an array with rubbish in it", [TRACK, 7, {"type": 3}, None], (1, 0, 0, 3)),
    ("a delete of nobody", {"type": "delete", "messageId": "d1", "userId": "stranger"}, (1, 0, 0, 0)),
    ("a delete behind another event", [TRACK, {"type": "delete", "messageId": "d1", "userId": "u1"}], (1, 0, 0, 1)),
    (
        "an alias of one with itself",
        {"type": "alias", "messageId": "a1", "userId": "u", "previousId": "u"},
        (1, 0, 0, 0),
    ),
]


def test_it_answers_200_with_counts(http: Http, runtime: Runtime) -> None:
    for name, message, expected in ACCEPTED:
        assert (name, counts(connect(runtime, name).post(http, message))) == (name, expected)


def test_it_answers_only_after_the_commit(http: Http, connected: Connected, runtime: Runtime) -> None:
    connected.post(http, TRACK)
    assert stored_events(runtime) == 1


def test_it_counts_a_repetition_and_stores_nothing(http: Http, connected: Connected, runtime: Runtime) -> None:
    assert counts(connected.post(http, TRACK)) == (1, 0, 0, 0)
    assert counts(connected.post(http, TRACK)) == (0, 1, 0, 0)
    assert stored_events(runtime) == 1


def test_it_takes_every_method_that_segment_offers_with_and_without_a_slash(http: Http, runtime: Runtime) -> None:
    body = encoded(TRACK)
    for method in ("POST", "PUT", "PATCH"):
        for slash in ("", "/"):
            connected = connect(runtime)
            reply = http.send(method, connected.path + slash, connected.signed(body), body)
            assert (method, slash, counts(reply)) == (method, slash, (1, 0, 0, 0))


def test_it_answers_405_to_other_methods(http: Http, connected: Connected) -> None:
    for method in ("GET", "DELETE", "OPTIONS", "HEAD"):
        reply = http.send(method, connected.path)
        assert (method, reply.status, reply.headers["allow"]) == (method, 405, "POST, PUT, PATCH")


def test_a_signature_in_the_other_header_covers_the_whole_array(http: Http, connected: Connected) -> None:
    body = encoded([TRACK, {**TRACK, "messageId": "m2"}])
    headers = [("X-Segment-Signature", sign(body, connected.secret))]
    assert counts(http.send("POST", connected.path, headers, body)) == (2, 0, 0, 0)


BODY = encoded(TRACK)
GARBAGE = [
    "",
    " ",
    "0",
    "0" * 39,
    "0" * 40,
    "0" * 41,
    "g" * 40,
    "sha1=" + "0" * 40,
    "ä" * 40,
    "\xff\xfe",
    "null",
    "undefined",
    "0" * 8_000,
    sign(BODY, b"another secret"),
    sign(BODY, b"")[:39] + "z",
    sign(BODY, b""),
    sign(BODY + b" ", b"x"),
    "{}",
    '"' * 40,
    "%00" * 13,
]


def test_it_answers_401_to_garbage_signatures(http: Http, connected: Connected) -> None:
    for header in ("X-Signature", "X-Segment-Signature"):
        for value in GARBAGE:
            reply = http.send("POST", connected.path, [(header, value)], BODY)
            assert (value, reply.status, reply.json["code"]) == (value, 401, "invalid_signature")


def test_every_401_has_the_same_body(http: Http, connected: Connected, runtime: Runtime) -> None:
    stranger, asleep = connect(runtime, "Stranger"), connect(runtime, "Asleep")
    with runtime.writing() as session:
        connection = connections.required(session, asleep.workspace_id)
        connections.deactivate(session, connection)
    right = connected.signed(BODY)
    replies = [
        http.send("POST", connected.path, [], BODY),
        http.send("POST", connected.path, [*right, *right], BODY),
        http.send("POST", connected.path, [("X-Signature", sign(BODY, stranger.secret))], BODY),
        http.send("POST", connected.path, right, BODY + b" "),
        http.send("POST", "/webhooks/segment/nobody", right, BODY),
        http.send("POST", "/webhooks/segment/" + "x" * 500, right, BODY),
        http.send("POST", "/webhooks/segment/%F0%9F%8E%89", right, BODY),
        http.send("POST", asleep.path, asleep.signed(BODY), BODY),
    ]
    assert {reply.status for reply in replies} == {401}
    assert len({reply.body for reply in replies}) == 1
    assert stored_events(runtime) == 0


REFUSED: list[tuple[str, bytes, int, str]] = [
    ("half an object", b'{"type":"track",', 400, "invalid_json"),
    ("nothing", b"", 400, "invalid_json"),
    ("a string", b'"hello"', 400, "not_object_or_array"),
    ("null", b"null", 400, "not_object_or_array"),
    ("not a number", b'{"type":"track","userId":"u","properties":{"v":NaN}}', 400, "invalid_json"),
    (
        "great depth",
        b'{"type":"track","userId":"u","properties":' + b'{"a":' * 100 + b"1" + b"}" * 101,
        400,
        "too_deep",
    ),
    ("a hundred thousand brackets", b"[" * 100_000, 400, "invalid_json"),
    ("no type", b'{"userId":"u","messageId":"m"}', 400, "no_type"),
    ("a delete with two users", b'{"type":"delete","userId":"a","userId":"b"}', 400, "duplicate_key"),
    ("more than 1 MiB", b'{"type":"track","userId":"u","event":"' + b"x" * 1_048_576 + b'"}', 413, "body_too_large"),
    ("4,001 events", b"[" + b",".join([b"{}"] * 4_001) + b"]", 413, "batch_too_large"),
]


def test_it_refuses_what_nobody_can_read_and_says_why_on_the_settings_page(http: Http, runtime: Runtime) -> None:
    for name, body, status, code in REFUSED:
        connected = connect(runtime, name)
        reply = http.send("POST", connected.path, connected.signed(body), body)
        assert (name, reply.status, reply.json["code"]) == (name, status, code)
        assert reply.json["message"]
    assert stored_events(runtime) == 0
    assert [reason for reason, _ in rejections(runtime)] == [code for _, _, _, code in REFUSED]


def test_it_takes_a_large_array_but_not_one_over_32_mib(http: Http, connected: Connected) -> None:
    large = [{**TRACK, "messageId": f"m{n}", "properties": {"text": "x" * 200_000}} for n in range(8)]
    assert counts(connected.post(http, large)) == (8, 0, 0, 0)
    too_large = b"[" + b" " * 33_554_432 + b"]"
    assert http.send("POST", connected.path, connected.signed(too_large), too_large).status == 413


def test_it_answers_415_to_a_compressed_body(http: Http, connected: Connected) -> None:
    reply = http.send("POST", connected.path, [*connected.signed(BODY), ("Content-Encoding", "gzip")], BODY)
    assert (reply.status, reply.json["code"]) == (415, "content_encoding")
    reply = http.send("POST", connected.path, [*connected.signed(BODY), ("Content-Encoding", "identity")], BODY)
    assert reply.status == 200


def test_it_refuses_arrays_where_they_are_switched_off(http: Http, connected: Connected, runtime: Runtime) -> None:
    with runtime.writing() as session:
        connection = connections.required(session, connected.workspace_id)
        connections.set_accepts_batches(session, connection, False)
    reply = connected.post(http, [TRACK])
    assert (reply.status, reply.json["code"]) == (400, "batch_not_enabled")
    assert counts(connected.post(http, TRACK)) == (1, 0, 0, 0)


def test_it_says_come_again_while_stopping(http: Http, connected: Connected, runtime: Runtime) -> None:
    runtime.writer.stop(10)
    reply = connected.post(http, TRACK)
    assert reply.status == 503
    assert reply.headers["retry-after"].isdigit()
    assert http.send("GET", "/readyz").status == 503
    assert http.send("GET", "/healthz").status == 200


def test_it_tells_the_settings_page_why_a_request_was_refused(
    http: Http, connected: Connected, runtime: Runtime
) -> None:
    body = encoded({**TRACK, "properties": {"password": "hunter2"}})
    wrong = sign(body, b"another secret")
    http.send("POST", connected.path, [("X-Signature", wrong)], body)
    http.send("POST", connected.path, [], body)
    written = rejections(runtime)
    assert [reason for reason, _ in written] == ["invalid_signature", "missing_signature"]
    assert "is the secret of this page the one in Segment?" in written[0][1]
    for _, words in written:
        assert "hunter2" not in words and wrong not in words and connected.secret.decode() not in words


def test_a_flood_of_bad_signatures_writes_a_few_lines_only(http: Http, connected: Connected, runtime: Runtime) -> None:
    for _ in range(100):
        assert http.send("POST", connected.path, [("X-Signature", "0" * 40)], BODY).status == 401
    assert 1 <= len(rejections(runtime)) <= 10


def test_it_counts_for_the_connection_and_its_secret(http: Http, connected: Connected, runtime: Runtime) -> None:
    before = dt.datetime.now(dt.UTC)
    connected.post(http, [TRACK, TRACK, {**TRACK, "type": "set"}, 7])
    with runtime.reading() as session:
        row = session.get_one(Connection, connected.connection_id)
        assert (row.accepted, row.duplicates, row.ignored, row.rejected) == (1, 1, 1, 1)
        assert row.last_received_at is not None and row.last_received_at >= before
        assert row.secrets[0].last_used_at is not None and row.secrets[0].last_used_at >= before


def test_a_rotated_secret_goes_on_and_a_revoked_one_stops(http: Http, connected: Connected, runtime: Runtime) -> None:
    now = dt.datetime.now(dt.UTC)
    assert connected.post(http, TRACK).status == 200
    with runtime.writing() as session:
        connection = connections.required(session, connected.workspace_id)
        old = connection.secrets[0].id
        new = connections.rotate(session, connection, now, runtime.vault)
    renewed = dataclasses.replace(connected, secret=new.webhook_secret.encode())
    while renewed.post(http, {**TRACK, "messageId": "r1"}).status == 401:
        assert dt.datetime.now(dt.UTC) - now < dt.timedelta(minutes=1)
    assert connected.post(http, {**TRACK, "messageId": "r2"}).status == 200
    with runtime.writing() as session:
        connections.revoke(session, connections.required(session, connected.workspace_id), old, now)
    while connected.post(http, {**TRACK, "messageId": "r3"}).status == 200:
        assert dt.datetime.now(dt.UTC) - now < dt.timedelta(minutes=1)
    assert renewed.post(http, {**TRACK, "messageId": "r4"}).status == 200


def test_workspaces_stay_apart(http: Http, connected: Connected, runtime: Runtime) -> None:
    other = connect(runtime, "Other")
    identify = {"type": "identify", "messageId": "i1", "userId": "ann", "traits": {"email": "ann@example.com"}}
    assert counts(connected.post(http, identify)) == (1, 0, 0, 0)
    assert counts(other.post(http, identify)) == (1, 0, 0, 0)
    with runtime.reading() as session:
        owners = session.scalars(select(User.workspace_id).order_by(User.workspace_id)).all()
    assert owners == sorted([connected.workspace_id, other.workspace_id])


def test_it_never_answers_with_a_redirect(http: Http, connected: Connected) -> None:
    for path in (
        connected.path + "//",
        "//webhooks/segment/x",
        "/webhooks//segment/x",
        "/webhooks/segment",
        "/webhooks",
    ):
        reply = http.send("POST", path, connected.signed(BODY), BODY)
        assert reply.status in (401, 404, 405), (path, reply.status)


def test_the_answer_is_json_whatever_happens(http: Http, connected: Connected) -> None:
    for headers, body in (([], b""), (connected.signed(b"{"), b"{"), (connected.signed(BODY), BODY)):
        reply = http.send("POST", connected.path, headers, body)
        assert reply.headers["content-type"] == "application/json"
        json.loads(reply.body)


def test_a_secret_that_cannot_be_read_is_503_and_never_401(http: Http, connected: Connected, runtime: Runtime) -> None:
    with runtime.writing() as session:
        for secret in session.scalars(select(ConnectionSecret)):
            secret.ciphertext = secret.ciphertext[:-8] + b"AAAAAAA="
    reply = connected.post(http, TRACK)
    assert (reply.status, reply.json["code"]) == (503, "unavailable")


def test_a_store_that_cannot_be_asked_is_503_and_never_401(http: Http, connected: Connected, runtime: Runtime) -> None:
    with runtime.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE connection_secret RENAME TO elsewhere")
    assert connected.post(http, TRACK).status == 503
