"""One attempt: write the body, sign it, send it, and say in words what became of it. Knows no store."""

import datetime as dt
import re
import time
from base64 import b64encode
from collections.abc import Iterable

from productfruits.outgoing import bodies, chains, jitsu, retry, signature
from productfruits.outgoing.bodies import BodyTooLarge, Document
from productfruits.outgoing.http import BadRequest, Headers, Line, Request, Response, TimedOut, Unreachable
from productfruits.outgoing.jitsu import CannotEvaluate, Evaluate, NeedsFunctions
from productfruits.outgoing.template import BadTemplate
from productfruits.segment.jitsu import jitsu2
from productfruits.services.deliveries import Attempt, Batch
from productfruits.services.parcels import Parcel

#: So much of an answer is kept, as text.
ANSWER_CHARACTERS = 1_024
HIDDEN = "•••"
#: Shorter texts than this would be hidden in places where they are no secret.
SHORTEST_SECRET = 6
LOOP = (
    f"Not sent: this event has come through {chains.MAX_DEPTH} destinations of servers like this one, so these "
    "destinations probably send to each other in a circle. Take one of them out."
)
FAULT = (
    "Not sent because of a fault of this server, which is in its log. It is not tried again by itself; resend it after "
    "an update."
)
AGAIN = "It is not tried again by itself; resend it when this is corrected."
NOTHING_LEFT = "Not sent: the event or user is not stored any more."


def attempt(line: Line, batch: Batch, parcel: Parcel, evaluate: Evaluate | None = None) -> Attempt:
    """Send the parcel to the batch's destination once. Raises nothing that a receiver or an admin could cause.

    `evaluate` runs the JavaScript of destinations in Jitsu's form; without it those that have some are not sent to.
    """
    at, began = dt.datetime.now(dt.UTC), time.monotonic()

    def became(outcome: str, detail: str | None = None, response: Response | None = None) -> Attempt:
        return Attempt(
            delivery_id=parcel.delivery_id,
            destination_id=batch.destination_id,
            at=at,
            took_ms=int((time.monotonic() - began) * 1_000),
            outcome=outcome,
            status=response.status if response else None,
            detail=detail,
            answer=_shown(response, batch) if response else None,
            wish=retry.read_wish(response.status, _by_name(response.headers), at) if response else None,
        )

    if parcel.depth >= chains.MAX_DEPTH:
        return became("loop", LOOP)
    if parcel.obstacle is not None:
        return became("not_sendable", f"{parcel.obstacle} {AGAIN}")
    if parcel.is_left_out:
        return became("left_out")
    if parcel.document is None:
        return became("nothing_left", NOTHING_LEFT)
    try:
        request = _request(batch, parcel, at, evaluate)
        if request is None:
            return became("left_out")
        response = line.send(request)
    except (BadTemplate, BodyTooLarge, BadRequest, NeedsFunctions, CannotEvaluate) as err:
        return became("not_sendable", f"{err} {AGAIN}")
    except TimedOut as err:
        return became("timed_out", str(err))
    except Unreachable as err:
        return became("unreachable", str(err))
    verdict = retry.judge(response.status)
    detail = None
    if verdict == "gone":
        detail = "The receiver says that this address is gone for good, so the destination is switched off."
    elif 300 <= response.status < 400:
        detail = "The receiver points elsewhere. Redirects are not followed: put the final address into the URL."
    return became(verdict, detail, response)


def failed(batch: Batch, parcel: Parcel) -> Attempt:
    """The attempt at a parcel for which `attempt` has raised something nobody foresaw."""
    return Attempt(parcel.delivery_id, batch.destination_id, dt.datetime.now(dt.UTC), 0, "not_sendable", detail=FAULT)


def _request(batch: Batch, parcel: Parcel, at: dt.datetime, evaluate: Evaluate | None) -> Request | None:
    """The request, or None where the destination's own filter leaves the event out."""
    document = parcel.document or {}
    url, body = batch.endpoint.url, None
    if batch.kind == "jitsu":
        key = f"destination {batch.destination_id}"
        written = jitsu.write(key, url, batch.method, batch.body.jitsu, jitsu_event(document), evaluate)
        if written is None:
            return None
        url, body = written.url, written.body
    else:
        body = bodies.write(batch.kind, batch.body, document)
    headers = [("Content-Type", "application/json")] if body is not None else []
    if batch.kind == "segment":
        url = f"{url}/{document['message']['type']}"
        key = b64encode(f"{batch.endpoint.write_key}:".encode()).decode()
        headers.append(("Authorization", f"Basic {key}"))
    own = {name.lower() for name in batch.endpoint.headers}
    headers = [(name, value) for name, value in headers if name.lower() not in own]
    return Request(
        method=batch.method,
        url=url,
        headers=(
            *headers,
            *batch.endpoint.headers.items(),
            *signature.headers(parcel.webhook_id, body or b"", at, batch.secrets),
            (chains.HEADER, str(parcel.depth + 1)),
        ),
        body=body,
    )


def jitsu_event(document: Document) -> Document:
    """What `$`, `_` and `event` are: the event in Jitsu's 2.0 form. The `event_type` of a change is its kind."""
    user = document.get("user") or {}
    own = {"id": user.get("username") or user.get("id"), "email": user.get("email")}
    known = {**user.get("traits", {}), **{name: value for name, value in own.items() if value is not None}}
    message = document.get("message")
    if message is not None:
        return jitsu2(message, known)
    conflict = {"conflict": document["conflict"]} if document.get("conflict") else {}
    return {**jitsu2({"type": document["type"], "timestamp": document["timestamp"]}, known), **conflict}


def _shown(response: Response, batch: Batch) -> str:
    """The beginning of the answer as text, without what it may repeat of our secrets."""
    text = response.body.decode("utf-8", "replace")
    for secret in _secrets(batch):
        text = text.replace(secret, HIDDEN)
    text = "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
    return text[:ANSWER_CHARACTERS]


def _secrets(batch: Batch) -> Iterable[str]:
    """What of the request may let somebody in: of a URL all but the host, since chats put their key into the path."""
    path = re.sub(r"^https?://[^/?]*/?", "", batch.endpoint.url)
    words = [word for value in batch.endpoint.headers.values() for word in (value, *value.split())]
    known = {path, *re.split(r"[/?&=]", path), *words, *batch.secrets, batch.endpoint.write_key or ""}
    return sorted((word for word in known if len(word) >= SHORTEST_SECRET), key=len, reverse=True)


def _by_name(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
