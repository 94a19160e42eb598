"""What browsers and mails ask for beside sending events: settings, the pixel, a place for their own metrics."""

import base64
import binascii
from urllib.parse import parse_qs

from productfruits.errors import ProductFruitsError
from productfruits.segment import settings, tracking
from productfruits.web.ingest import answers, cors, steps
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import IncomingBody
from productfruits.web.ingest.door import Door, Incoming, not_now
from productfruits.web.ingest.steps import Steps
from productfruits.web.ingest.tracking import METHOD_NOT_ALLOWED, METHODS, SDK, SINGLE, arrival
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored

GET = "GET, OPTIONS"
ONLY_GET = answers.refused(405, "method_not_allowed", "Ask with GET.", Allow=GET)
NO_SUCH_KEY = answers.refused(
    404,
    "not_found",
    "No active connection has this write key. Compare it with the one of the settings page.",
)
IGNORED = answers.said(200, {"success": True})
#: One transparent point, GIF89a.
POINT = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
PIXEL = Answer(200, "pixel", POINT, {"Cache-Control": "no-store"}, mimetype="image/gif")
SETTINGS_AGE_S = 60


def give_settings(door: Door, incoming: Incoming) -> Steps:
    """Tell an SDK with this write key where to send events."""
    if incoming.method == "OPTIONS":
        return cors.preflight(incoming, GET)
    answer = ONLY_GET
    if incoming.method in ("GET", "HEAD"):
        try:
            connection = yield from door.find("key", incoming.part)
        except (AlreadyServed, NotStored) as err:
            answer = not_now(err)
        else:
            is_live = connection is not None and connection.active and connection.trust == "public"
            answer = _settings(door, incoming.part) if is_live else NO_SUCH_KEY
    return cors.allow(answer, incoming)


def _settings(door: Door, write_key: str) -> Answer:
    found = answers.said(200, settings.document(write_key, door.runtime.settings.base_url))
    return Answer(found.status, found.code, found.body, {"Cache-Control": f"public, max-age={SETTINGS_AGE_S}"})


def give_pixel(door: Door, incoming: Incoming) -> Steps:
    """Take in the event that the address of an image carries. The image comes whatever becomes of the event."""
    if incoming.method == "OPTIONS":
        return cors.preflight(incoming, GET)
    if incoming.method != "GET":
        return cors.allow(ONLY_GET, incoming)
    kind = tracking.TYPES_BY_PATH.get(incoming.part)
    try:
        if kind is not None:
            data = _data(incoming.query)
            post = tracking.read_single(data, kind)
            connection = yield from door.find("key", post.write_key or "")
            if connection is not None and connection.active:
                door.admission.let_in(connection.workspace_id, connection.trust, SDK.source)
                yield from steps.store(arrival(connection, post, SDK.source), data)
    except ProductFruitsError:
        pass  # nobody is there to read a refusal
    return cors.allow(PIXEL, incoming)


def _data(query: str) -> bytes:
    """The JSON in `?data=`: base64 of either alphabet, with or without its end."""
    text = parse_qs(query).get("data", [""])[0].replace(" ", "+").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def ignore(door: Door, incoming: Incoming) -> Steps:
    """Answer what analytics.js measures about itself as Segment does, and keep nothing of it."""
    if incoming.method == "OPTIONS":
        return cors.preflight(incoming, METHODS)
    if incoming.method != "POST":
        return cors.allow(METHOD_NOT_ALLOWED, incoming)
    body = IncomingBody(door.open_budget, incoming.content_length, SINGLE)
    try:
        yield from steps.read(body)
    finally:
        body.close()
    return cors.allow(IGNORED, incoming)
