"""The ways in as Flask views: what a WSGI server runs, and what the front under granian does the same way."""

from collections.abc import Callable

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import ClientDisconnected

from productfruits.web.ingest import steps
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.door import HEADERS, Door, Incoming
from productfruits.web.ingest.ways import WAYS, Way

#: Every method reaches the view, whose table of answers says what a wrong one gets.
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

routes = Blueprint("ingest", __name__)


def _view(way: Way) -> Callable[..., Response]:
    def view(**parts: str) -> Response:
        door: Door = current_app.extensions["productfruits.door"]
        headers = {name.lower(): value for name, value in request.headers if name.lower() in HEADERS}
        incoming = Incoming(request.method, "".join(parts.values()), request.query_string.decode("latin-1"), headers)
        return _response(steps.run(way.take_in(door, incoming), door.writer, _read, door.body_within_s))

    return view


for _way in WAYS:
    _name = _way.route.strip("/").translate(str.maketrans("/<>.", "____"))
    routes.add_url_rule(
        _way.route,
        _name,
        _view(_way),
        methods=EVERY_METHOD,
        strict_slashes=False,
        provide_automatic_options=False,
    )


def _read(count: int) -> bytes:
    try:
        return request.stream.read(count)
    except ClientDisconnected as err:
        raise ConnectionResetError("the sender has gone away") from err


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), mimetype=answer.mimetype)
