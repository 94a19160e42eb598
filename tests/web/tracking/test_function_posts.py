"""What functions of Segment post: their settings merged over events, their workspace found by four places."""

import datetime as dt
import json

from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, basic, connect, encoded
from tests.web.tracking.sdks import TRACK, batch, counts, refusal, stored

FUNCTION_PATHS = [f"/api/v1/segment{compat}{batch}" for compat in ("", "/compat") for batch in ("", "/v1/batch")]


def test_functions_post_one_event_or_many_with_their_settings_merged_over_it(
    http: Http, acme: Connected, runtime: Runtime
) -> None:
    settings = {"apiKey": "sk_secret", "region": "eu", "batch": [], "name": "of a setting"}
    event = {**TRACK, "type": "track", "originalTimestamp": "2001-01-01", "sentAt": "2001-01-01", **settings}
    many = [{**event, "messageId": "m2"}, {"type": "delete", "messageId": "d1", "userId": "u1"}]
    for body, expected in ((encoded(event), (1, 0, 0, 0)), (encoded(many), (2, 0, 0, 0))):
        reply = http.send("POST", "/api/v1/segment", [("X-Auth-Token", acme.auth_token)], body)
        assert (counts(reply), reply.json["status"]) == (expected, "ok")
    assert stored(runtime, acme) == []
    reply = http.send(
        "POST", "/api/v1/segment", [("X-Auth-Token", acme.auth_token)], encoded({**event, "messageId": 3})
    )
    assert counts(reply) == (0, 0, 1, 0)  # older than the delete
    late = {**event, "messageId": "m4", "timestamp": dt.datetime.now(dt.UTC).isoformat()}
    http.send("POST", "/api/v1/segment", [("X-Auth-Token", acme.auth_token)], encoded(late))
    [row] = stored(runtime, acme)
    assert (row.source, row.name, row.timestamp.isoformat()) == ("function", "Clicked", late["timestamp"])
    assert "sk_secret" not in json.dumps([row.properties, row.context])


def test_functions_find_their_workspace_by_four_places(http: Http, runtime: Runtime) -> None:
    for path in FUNCTION_PATHS:
        body = batch({**TRACK, "type": "track"}) if path.endswith("batch") else encoded({**TRACK, "type": "track"})
        acme = connect(runtime)
        token = acme.auth_token
        for number, (query, head) in enumerate(
            [
                ("", [("X-Auth-Token", token)]),
                (f"?token={token}", []),
                ("", [("api_key", token)]),
                ("", [basic(token)]),
                (f"/?token={token}", [("X-Auth-Token", "wrong")]),
            ]
        ):
            reply = http.send("POST", path + query, head, body)
            assert (counts(reply), reply.json["status"]) == ((int(not number), int(bool(number)), 0, 0), "ok")
        for query, head in [("", []), ("", [("X-Auth-Token", "wrong")]), ("?token=", [basic("wrong")])]:
            assert refusal(http.send("POST", path + query, head, body)) == (401, "invalid_token")


def test_what_functions_post_wrongly_is_refused(http: Http, acme: Connected) -> None:
    head = [("X-Auth-Token", acme.auth_token)]
    for body, code in (
        (b"{", "invalid_json"),
        (b'{"event_type":"page","user":{}}', "no_type"),
        (b'{"event_type":"page","batch":7}', "no_type"),
        (b'{"type":"delete","userId":"a","userId":"b"}', "duplicate_key"),
    ):
        assert refusal(http.send("POST", "/api/v1/segment", head, body)) == (400, code)
    assert counts(http.send("POST", "/api/v1/segment", head, batch({**TRACK, "type": "track"}, 7))) == (1, 0, 0, 1)
