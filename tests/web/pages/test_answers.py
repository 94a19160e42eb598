"""Every answer to a page, by both ways in: in words, and readable from every origin."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.services.contents import tour
from tests.web.pages.world import Pages
from tests.web.requesting import AsgiHttp, WsgiHttp

EVENTS, CONTENT = "/browser/v1/events", "/browser/v1/content"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", f"{CONTENT}?workspace=nobody-1", b"", 404, id="unknown"),
        pytest.param("GET", f"{CONTENT}?workspace=%00%ff%ed%a0%80", b"", 404, id="nonsense"),
        pytest.param("GET", CONTENT, b"", 404, id="no-workspace"),
        pytest.param("GET", f"{CONTENT}?{'a=1&' * 40}", b"", 400, id="many-parameters"),
        pytest.param("POST", CONTENT, b"{", 400, id="half-json"),
        pytest.param("POST", CONTENT, b"[]", 400, id="array"),
        pytest.param("POST", CONTENT, b'[{"workspace": "KEY"}]', 400, id="array-of-one"),
        pytest.param("POST", CONTENT, b'{"workspace": ["KEY"]}', 404, id="no-text"),
        pytest.param("POST", CONTENT, b" " * 70_000, 413, id="long-question"),
        pytest.param("PUT", CONTENT, b"", 405, id="put"),
        pytest.param("GET", EVENTS, b"", 405, id="get-events"),
        pytest.param("POST", EVENTS, b"", 400, id="empty"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY"}', 400, id="no-messages"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": {}}', 400, id="no-list"),
        pytest.param(
            "POST", EVENTS, b'{"workspace": "KEY", "messages": [' + b"1," * 500 + b"1]}", 413, id="many-messages"
        ),
        pytest.param("POST", EVENTS, b" " * 600_000, 413, id="long-report"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": [], "username": 1e400}', 400, id="huge"),
        pytest.param("GET", f"{CONTENT}?workspace=KEY&username=%00&hash=%00&language=%00", b"", 200, id="nul"),
        pytest.param("GET", f"{CONTENT}?workspace=KEY&username={'u' * 5_000}", b"", 200, id="long-username"),
        pytest.param(
            "POST", CONTENT, b'{"workspace": "KEY", "username": {}, "hash": [], "debug": true}', 200, id="types"
        ),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": []}', 202, id="nothing"),
        pytest.param("OPTIONS", EVENTS, b"", 204, id="preflight"),
        pytest.param("HEAD", f"{CONTENT}?workspace=KEY", b"", 200, id="head"),
    ],
)
@pytest.mark.parametrize("way", ["wsgi", "asgi"])
def test_every_answer_is_in_words_and_readable_by_every_page(
    pages_by: Callable[[str], Pages], way: str, method: str, path: str, body: bytes, status: int
) -> None:
    pages = pages_by(way)
    key = pages.key
    reply = pages.http.send(method, path.replace("KEY", key), [], body.replace(b"KEY", key.encode()))
    assert reply.status == status, reply.body
    assert reply.headers["access-control-allow-origin"] == "*"
    if status >= 400:
        assert set(reply.json) == {"code", "message"}
    if method == "HEAD":
        assert reply.body == b""


@pytest.fixture(scope="module")
def pages_by(app_of_module: Flask) -> Iterator[Callable[[str], Pages]]:
    """One workspace for all who only ask amiss, by both ways in."""
    asgi = AsgiHttp(app_of_module)
    pages = {"wsgi": Pages(app_of_module, WsgiHttp(app_of_module)), "asgi": Pages(app_of_module, asgi)}
    yield lambda way: pages[way]
    asgi.close()


def test_both_ways_in_answer_alike(pages_by: Callable[[str], Pages]) -> None:
    wsgi, asgi = pages_by("wsgi"), pages_by("asgi")
    asgi = Pages(wsgi.app, asgi.http)
    asgi.key, asgi.workspace_id = wsgi.key, wsgi.workspace_id
    wsgi.publish("tour", tour("welcome"), "both")
    replies = [each.get(username="ada") for each in (wsgi, asgi)]
    assert replies[0].json == replies[1].json
    assert replies[0].headers["etag"] == replies[1].headers["etag"]
    assert asgi.get(username="ada", tag=replies[0].headers["etag"]).status == 304
    reported = asgi.report({"type": "track", "event_id": "e-1", "event": "Did"}, username="ada")
    assert (reported.status, reported.json["accepted"]) == (202, 1)


def test_the_snippet_is_served_to_every_origin(pages: Pages) -> None:
    reply = pages.http.send("GET", "/snippet.js")
    assert "max-age=300" in reply.headers["cache-control"]
    assert reply.headers["content-type"].startswith("text/javascript")
    assert pages.http.send("GET", "/snippet.js", [("If-None-Match", reply.headers["etag"])]).status == 304
