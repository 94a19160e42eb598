"""What an SDK in a page asks for besides: leave to send, settings, an image, a place for its measurements."""

import base64

from productfruits.workers.runtime import Runtime
from tests.web.requesting import Connected, Http, encoded
from tests.web.tracking.sdks import PAGE, TRACK, refusal, stored


def test_a_page_may_ask_before_it_sends(http: Http, acme: Connected) -> None:
    asking = [
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type,x-retry-count"),
    ]
    for path in ("/v1/t", "/v1/batch/", "/v1/m", "/v1/pixel/track", f"/v1/projects/{acme.write_key}/settings"):
        reply = http.send("OPTIONS", path, asking)
        assert (path, reply.status, reply.body) == (path, 204, b"")
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["access-control-allow-credentials"] == "true"
        allowed = reply.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "x-retry-count"} <= set(allowed)
        assert "x-auth-token" not in allowed
        assert int(reply.headers["access-control-max-age"]) > 0
    assert http.send("POST", "/v1/t").headers["access-control-allow-origin"] == "*"


def test_settings_say_where_to_send(http: Http, acme: Connected, runtime: Runtime) -> None:
    for slash in ("", "/"):
        reply = http.send("GET", f"/v1/projects/{acme.write_key}/settings{slash}", [("Origin", PAGE)])
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, PAGE)
        [(name, integration)] = reply.json["integrations"].items()
        assert (name, integration["apiKey"]) == ("Segment.io", acme.write_key)
        assert integration["apiHost"] == runtime.settings.base_url.split("://")[1] + "/v1"
    for key in ("nobody", acme.auth_token, acme.token):
        reply = http.send("GET", f"/v1/projects/{key}/settings", [("Origin", PAGE)])
        assert refusal(reply) == (404, "not_found")
        assert reply.headers["access-control-allow-origin"] == PAGE


def test_the_pixel_takes_an_event_and_is_always_an_image(http: Http, acme: Connected, runtime: Runtime) -> None:
    data = base64.b64encode(encoded({**TRACK, "writeKey": acme.write_key, "properties": {"a": "?>~"}})).decode()
    again = base64.urlsafe_b64encode(encoded({**TRACK, "messageId": "m2", "writeKey": acme.write_key})).decode()
    for query in (f"?data={data}", f"?data={again.rstrip('=')}", "?data=!", "", "?data=e30", "?data=e30&data=x"):
        reply = http.send("GET", f"/v1/pixel/track{query}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/gif")
        assert (reply.body[:6], len(reply.body)) == (b"GIF89a", 43)
    assert http.send("GET", f"/v1/pixel/nothing?data={data}").status == 200
    assert [row.message_id for row in stored(runtime, acme)] == ["m1", "m2"]


def test_what_the_browser_measures_about_itself_is_answered_and_ignored(http: Http) -> None:
    reply = http.send("POST", "/v1/m", [("Origin", PAGE)], b'{"series":[]}')
    assert (reply.status, reply.json) == (200, {"success": True})
    assert reply.headers["access-control-allow-origin"] == PAGE
