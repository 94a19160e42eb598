"""The browser API as Flask views: what a WSGI server runs, and what the front under granian does the same way."""

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import ClientDisconnected

from productfruits.web import assets
from productfruits.web.browser import answers, content, events
from productfruits.web.browser.bodies import PageBody
from productfruits.web.browser.door import BrowserDoor
from productfruits.web.ingest.answers import Answer, refused

#: Every method reaches the view, whose table of answers says what a wrong one gets.
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
CHUNK_BYTES = 64 * 1024
#: New snippets reach pages within minutes, and a page that is opened twice asks once.
SNIPPET_FOR = "public, max-age=300, stale-while-revalidate=86400"
SNIPPET = "snippet.js"
NOT_BUILT = answers.opened(
    refused(404, "not_built", "The snippet is not built in this checkout. Build it with: make assets")
)

routes = Blueprint("browser", __name__)


@routes.route(content.PATH, methods=EVERY_METHOD, strict_slashes=False, provide_automatic_options=False)
def browser_content() -> Response:
    door = _door()
    match request.method:
        case "OPTIONS":
            return _response(answers.PREFLIGHT)
        case "GET" | "HEAD":
            said = content.from_query(request.query_string.decode("latin-1"))
            return _response(content.answer(door, said, request.headers.get("If-None-Match")))
        case "POST":
            body = _body(door, content.BODY_BYTES)
            said = body if isinstance(body, Answer) else content.from_body(body)
            return _response(content.answer(door, said, None))
        case _:
            return _response(answers.METHOD_NOT_ALLOWED)


@routes.route(events.PATH, methods=EVERY_METHOD, strict_slashes=False, provide_automatic_options=False)
def browser_events() -> Response:
    door = _door()
    if request.method == "OPTIONS":
        return _response(answers.PREFLIGHT)
    if request.method != "POST":
        return _response(answers.POST_ONLY)
    body = _body(door, events.BODY_BYTES)
    return _response(body if isinstance(body, Answer) else events.take(door, body))


@routes.get("/snippet.js")
def snippet() -> Response:
    """The snippet itself, under an address that pages can keep for ever."""
    path = assets.built(SNIPPET)
    return _response(NOT_BUILT) if path is None else assets.sent(path, SNIPPET_FOR)


def _door() -> BrowserDoor:
    door: BrowserDoor = current_app.extensions["productfruits.browser_door"]
    return door


def _body(door: BrowserDoor, limit_bytes: int) -> bytes | Answer:
    body = PageBody(door.budget, limit_bytes)
    try:
        while chunk := request.stream.read(CHUNK_BYTES):
            if (refusal := body.add(chunk)) is not None:
                return refusal
        return body.whole()
    except (ClientDisconnected, OSError):
        return answers.INCOMPLETE
    finally:
        body.close()


def _response(answer: Answer) -> Response:
    mimetype = "application/json" if answer.body else None
    response = Response(answer.body, answer.status, dict(answer.headers), mimetype=mimetype)
    if not answer.body:
        del response.headers["Content-Type"]
    return response
