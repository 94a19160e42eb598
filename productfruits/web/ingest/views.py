"""The ingest routes as Flask views: what a WSGI server runs, and what the front under granian does the same way."""

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import ClientDisconnected

from productfruits.web.ingest import webhook
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.webhook import Door, Incoming

#: Every method reaches the view, whose table of answers says what a wrong one gets.
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

routes = Blueprint("ingest", __name__)


@routes.route("/webhooks/segment/<token>", methods=EVERY_METHOD, strict_slashes=False, provide_automatic_options=False)
def segment_webhook(token: str) -> Response:
    door: Door = current_app.extensions["productfruits.door"]
    headers = request.headers
    incoming = Incoming(
        method=request.method,
        token=token,
        content_length=headers.get("Content-Length"),
        content_encoding=headers.get("Content-Encoding"),
        x_signature=headers.get("X-Signature"),
        x_segment_signature=headers.get("X-Segment-Signature"),
    )
    return _response(webhook.ingest(door, incoming, _read))


def _read(count: int) -> bytes:
    try:
        return request.stream.read(count)
    except ClientDisconnected as err:
        raise ConnectionResetError("the sender has gone away") from err


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), mimetype="application/json")
