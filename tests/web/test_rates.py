"""A workspace that sends too much: told to come back on every way in, as WSGI and through the front; others go on."""

import base64
import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

import productfruits
from productfruits import config, models
from productfruits.config import InvalidSettings, Settings
from productfruits.models import Event, Rejection
from productfruits.services import api_keys
from productfruits.web.ingest.door import Door
from productfruits.workers.rates import PEAK_S, Rates, TooManyRequests
from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Headers, Http, Reply, basic, connect, encoded

PAGE = ("Origin", "https://shop.example")
EVENT = {"type": "track", "messageId": "m1", "userId": "u1", "event": "Clicked"}
BODY = encoded(EVENT)


class Clock:
    """Seconds that pass when the test says so."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(runtime: Runtime) -> Clock:
    """One request a second for each workspace, by this clock."""
    clock = Clock()
    runtime.rates = Rates(1, clock)
    return clock


def use_up(runtime: Runtime, connected: Connected) -> None:
    """All that the workspace may send at once, whatever with."""
    for _ in range(PEAK_S):
        runtime.rates.take(connected.workspace_id, "server")
        runtime.rates.take(connected.workspace_id, "public")


def by_webhook(_: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    return "POST", acme.path, acme.signed(BODY), BODY


def by_write_key(_: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    return "POST", "/v1/t", [PAGE, basic(acme.write_key)], BODY


def by_write_key_in_the_body(_: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    return "POST", "/v1/batch", [PAGE], encoded({"writeKey": acme.write_key, "batch": [EVENT]})


def by_auth_token(_: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    return "POST", "/v1/import", [basic(acme.auth_token)], encoded({"batch": [EVENT]})


def by_jitsus_post(_: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    return "POST", "/api/v1/segment", [("X-Auth-Token", acme.auth_token)], BODY


def by_snippet(runtime: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    said = {"type": "track", "event": "Clicked", "event_id": "m1"}
    with runtime.reading() as session:
        key = session.get_one(models.Workspace, acme.workspace_id).key
    return "POST", "/browser/v1/events", [PAGE], encoded({"workspace": key, "username": "u1", "messages": [said]})


def by_api(runtime: Runtime, acme: Connected) -> tuple[str, str, Headers, bytes]:
    with runtime.writing() as session:
        workspace = session.get_one(models.Workspace, acme.workspace_id)
        key = api_keys.create(session, workspace, "test", dt.datetime.now(dt.UTC)).key
    headers = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json")]
    return "POST", "/api/v1/events/track", headers, encoded({"event": "Clicked", "properties": {"username": "u1"}})


Way = Callable[[Runtime, Connected], tuple[str, str, Headers, bytes]]
WAYS: list[tuple[Way, str]] = [
    (by_webhook, "webhook"),
    (by_write_key, "tracking"),
    (by_write_key_in_the_body, "tracking"),
    (by_auth_token, "tracking"),
    (by_jitsus_post, "function"),
    (by_snippet, "snippet"),
    (by_api, "api"),
]


def events(runtime: Runtime, connected: Connected) -> int:
    with runtime.reading() as session:
        query = select(func.count()).select_from(Event).where(Event.workspace_id == connected.workspace_id)
        return session.scalar(query) or 0


def refused(runtime: Runtime, source: str) -> float:
    """What /metrics says of a way in."""
    return runtime.metrics.registry.get_sample_value("productfruits_rate_limited_total", {"source": source}) or 0


def is_told_to_come_back(reply: Reply, after_s: int = 1) -> bool:
    assert (reply.status, reply.json["code"]) == (429, "too_many_requests"), reply.body
    assert "send it again after the seconds of Retry-After" in reply.json["message"]
    assert reply.headers["content-type"] == "application/json"
    return reply.headers["retry-after"] == str(after_s)


def test_every_way_in_is_limited_and_open_again_a_little_later(http: Http, runtime: Runtime, clock: Clock) -> None:
    for way, source in WAYS:
        acme, before = connect(runtime, way.__name__), refused(runtime, source)
        request = way(runtime, acme)
        use_up(runtime, acme)
        assert is_told_to_come_back(http.send(*request)), way.__name__
        assert (events(runtime, acme), refused(runtime, source) - before) == (0, 1)
        clock.now += 1
        assert http.send(*request).status in (200, 202), way.__name__
        assert events(runtime, acme) == 1


def test_pages_can_read_the_answer_and_its_time(http: Http, runtime: Runtime, clock: Clock) -> None:
    for way, origin in ((by_write_key, PAGE[1]), (by_write_key_in_the_body, PAGE[1]), (by_snippet, "*")):
        acme = connect(runtime, way.__name__)
        use_up(runtime, acme)
        reply = http.send(*way(runtime, acme))
        assert is_told_to_come_back(reply)
        assert reply.headers["access-control-allow-origin"] == origin
        assert reply.headers["access-control-expose-headers"] == "Retry-After"
    acme = connect(runtime, "server")
    use_up(runtime, acme)
    reply = http.send(*by_auth_token(runtime, acme))
    assert is_told_to_come_back(reply) and "access-control-allow-origin" not in reply.headers


def test_it_is_decided_before_the_body(http: Http, app_on_both: Flask, runtime: Runtime, clock: Clock) -> None:
    acme = connect(runtime)
    use_up(runtime, acme)
    door: Door = app_on_both.extensions["productfruits.door"]
    # With room for bodies or without, and whoever signed what: nobody looked.
    assert door.budget.take(64 * 1024 * 1024) and door.open_budget.take(32 * 1024 * 1024)
    for after_s, (headers, body) in enumerate([(acme.signed(BODY), BODY), ([], b"{"), ([], b"x" * 300_000)], 1):
        assert is_told_to_come_back(http.send("POST", acme.path, headers, body), after_s)
        assert is_told_to_come_back(http.send("POST", "/v1/t", [basic(acme.write_key)], body), after_s)


def test_one_workspace_that_floods_stops_no_other(http: Http, runtime: Runtime, clock: Clock) -> None:
    loud, quiet = connect(runtime, "Loud"), connect(runtime, "Quiet")
    replies = [loud.post(http, {**EVENT, "messageId": f"m{n}"}) for n in range(4 * PEAK_S)]
    assert [reply.status for reply in replies] == [200] * PEAK_S + [429] * 3 * PEAK_S
    assert [int(reply.headers["retry-after"]) for reply in replies[PEAK_S:]] == list(range(1, 3 * PEAK_S + 1))
    for way, _ in WAYS:
        assert http.send(*way(runtime, quiet)).status in (200, 202)
    assert (events(runtime, loud), events(runtime, quiet)) == (PEAK_S, 2)


def test_a_flood_with_the_public_key_stops_no_sender_with_a_secret(http: Http, runtime: Runtime, clock: Clock) -> None:
    acme = connect(runtime)
    for n in range(2 * PEAK_S):
        _, path, headers, _ = by_write_key(runtime, acme)
        http.send("POST", path, headers, encoded({**EVENT, "messageId": f"m{n}"}))
    assert events(runtime, acme) == PEAK_S
    assert http.send(*by_snippet(runtime, acme)).status == 429
    for way in (by_webhook, by_auth_token, by_jitsus_post, by_api):
        assert http.send(*way(runtime, acme)).status == 200


def test_the_pixel_is_always_an_image_and_its_event_is_not_kept(http: Http, runtime: Runtime, clock: Clock) -> None:
    acme = connect(runtime)
    data = base64.urlsafe_b64encode(encoded({**EVENT, "writeKey": acme.write_key})).decode()
    use_up(runtime, acme)
    for expected in (0, 1):
        reply = http.send("GET", f"/v1/pixel/track?data={data}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/gif")
        assert events(runtime, acme) == expected
        clock.now += 1
    assert refused(runtime, "tracking") == 1


def test_the_settings_page_says_it_in_a_few_lines(http: Http, runtime: Runtime, clock: Clock) -> None:
    acme = connect(runtime)
    use_up(runtime, acme)
    for way in (by_webhook, by_snippet):
        for _ in range(30):
            assert http.send(*way(runtime, acme)).status == 429
    runtime.writer.stop(30)
    with runtime.reading() as session:
        rows = session.scalars(select(Rejection).where(Rejection.workspace_id == acme.workspace_id)).all()
    for source in ("webhook", "snippet"):
        mine = [row for row in rows if row.source == source]
        assert 1 <= len(mine) < 30
        assert {row.reason for row in mine} == {"too_many_requests"}
        assert "PRODUCTFRUITS_WORKSPACE_REQUESTS_PER_SECOND" in mine[0].detail


def test_questions_of_pages_and_reading_the_api_are_no_flood(http: Http, runtime: Runtime, clock: Clock) -> None:
    acme = connect(runtime)
    use_up(runtime, acme)
    with runtime.reading() as session:
        key = session.get_one(models.Workspace, acme.workspace_id).key
    _, _, headers, _ = by_api(runtime, acme)
    assert http.send("GET", f"/browser/v1/content?workspace={key}").status == 200
    assert http.send("GET", f"/v1/projects/{acme.write_key}/settings").status == 200
    assert http.send("GET", "/api/v1/users", headers[:1]).status == 200


def test_there_is_no_limit_unless_the_operator_sets_one(http: Http, connected: Connected) -> None:
    assert {connected.post(http, EVENT).status for _ in range(3 * PEAK_S)} == {200}


def test_the_operator_sets_it_in_the_environment(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "PRODUCTFRUITS_WORKSPACE_REQUESTS_PER_SECOND"
    monkeypatch.setenv(name, "250")
    assert config.load().workspace_requests_per_second == 250
    for value in ("-1", "0.5", "many", "1000001"):
        monkeypatch.setenv(name, value)
        with pytest.raises(InvalidSettings, match=name):
            config.load()
    app = productfruits.create_app(settings(workspace_requests_per_second=1))
    runtime: Runtime = app.extensions["productfruits"]
    with pytest.raises(TooManyRequests):
        for _ in range(100 * PEAK_S):
            runtime.rates.take(1, "server")
    runtime.close()
