"""Destinations over HTTP."""

from typing import Any

import marshmallow

from productfruits.models import Destination
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import audit, delivery_log, destination_files, destinations, documents, redelivery
from productfruits.services.documents import Document
from productfruits.services.times import EPOCH
from productfruits.web import current_runtime
from productfruits.web.api import destination_schemas as schemas
from productfruits.web.api.endpoints import Caller, endpoint
from productfruits.web.api.refusals import BadRequest


@endpoint("GET", "/destinations", answer=schemas.DestinationList)
def list_destinations(caller: Caller) -> Document:
    """List destinations.

    By name. Header values and write keys are never shown.
    """
    runtime = current_runtime()
    with runtime.reading() as session:
        found = destinations.of_workspace(session, caller.workspace_id)
        return {"destinations": [_document(destination) for destination in found]}


@endpoint("POST", "/destinations", body=DestinationShape, answer=schemas.NewDestination, refusals=(400, 409, 413, 415))
def create_destination(caller: Caller, body: dict[str, Any]) -> Document:
    """Make a destination.

    The answer holds the secret that signs what is sent, this once.
    """
    runtime = current_runtime()
    with runtime.writing() as session:
        made = destinations.create(session, caller.workspace_id, body, caller.now, runtime.vault)
        _record(session, caller, "destination.created", made.destination)
        return {**_document(made.destination), "secret": made.secret}


@endpoint(
    "POST",
    "/destinations/import",
    body=schemas.DestinationFile,
    answer=schemas.AppliedFile,
    refusals=(400, 409, 413, 415),
)
def import_destinations(caller: Caller, body: dict[str, Any]) -> Document:
    """Apply a file of destinations.

    Makes those that are new, changes those whose keys are there, leaves others alone; all or none. Destinations of
    Jitsu (`type: webhook`) are taken as they are.
    """
    runtime = current_runtime()
    shapes = destination_files.read(body["file"].encode())
    with runtime.writing() as session:
        applied = destination_files.apply(session, caller.workspace_id, shapes, caller.now, runtime.vault)
        for each in applied:
            action = "destination.created" if each.made else "destination.changed"
            _record(session, caller, action, destinations.by_key(session, caller.workspace_id, each.key))
    return {"destinations": [{"key": each.key, "made": each.made, "secret": each.secret} for each in applied]}


@endpoint("GET", "/destinations/<destination>", answer=schemas.Destination, refusals=(404,))
def show_destination(caller: Caller, destination: str) -> Document:
    """Show one destination."""
    with current_runtime().reading() as session:
        return _document(destinations.by_key(session, caller.workspace_id, destination))


@endpoint(
    "PATCH",
    "/destinations/<destination>",
    body=schemas.DestinationChange,
    answer=schemas.Destination,
    refusals=(400, 404, 413, 415),
)
def change_destination(caller: Caller, destination: str, body: dict[str, Any]) -> Document:
    """Change one destination.

    What is left out stays. `filter`, `body` and `headers` are replaced as a whole; null for a header keeps its value.
    """
    runtime = current_runtime()
    with runtime.writing() as session:
        found = destinations.by_key(session, caller.workspace_id, destination)
        whole = {**destinations.definition(found, destinations.endpoint(found, runtime.vault)), **body}
        try:
            loaded = DestinationShape().load(whole)
        except marshmallow.ValidationError as err:
            raise BadRequest(err.messages_dict, "body") from err
        destinations.change(session, found, loaded, runtime.vault)
        _record(session, caller, "destination.changed", found, fields=sorted(body))
        return _document(found)


@endpoint("DELETE", "/destinations/<destination>", answer=schemas.Done, refusals=(404,))
def delete_destination(caller: Caller, destination: str) -> Document:
    """Delete one destination with its log and what waits for it."""
    with current_runtime().writing() as session:
        found = destinations.by_key(session, caller.workspace_id, destination)
        _record(session, caller, "destination.deleted", found)
        destinations.delete(session, found)
        return {"done": True}


@endpoint(
    "POST",
    "/destinations/<destination>/rotate",
    body=schemas.Rotation,
    answer=schemas.NewSecret,
    refusals=(400, 404, 409, 413, 415),
)
def rotate_destination_secret(caller: Caller, destination: str, body: dict[str, Any]) -> Document:
    """Make a new secret for a destination.

    The older ones sign as well for a day, so that the receiver can change over; without `overlap` they end at once.
    """
    runtime = current_runtime()
    with runtime.writing() as session:
        found = destinations.by_key(session, caller.workspace_id, destination)
        made = destinations.rotate(session, found, caller.now, runtime.vault, overlap=body["overlap"])
        _record(session, caller, "destination.secret_rotated", found, fingerprint=made.fingerprint)
        return {
            "secret": made.secret,
            "fingerprint": made.fingerprint,
            "old_until": documents.instant(made.old_until),
        }


@endpoint(
    "GET",
    "/destinations/<destination>/attempts",
    query=schemas.AttemptsQuery,
    answer=schemas.AttemptPage,
    refusals=(400, 404),
)
def list_attempts(caller: Caller, destination: str, query: dict[str, Any]) -> Document:
    """List what became of each attempt to send.

    Newest first, with status, duration and the first KiB of the answer.
    """
    with current_runtime().reading() as session:
        found = destinations.by_key(session, caller.workspace_id, destination)
        page = delivery_log.attempts(session, found, **query)
        return documents.page("attempts", page, delivery_log.document)


@endpoint(
    "POST",
    "/destinations/<destination>/send",
    body=schemas.Sending,
    answer=schemas.Sent,
    refusals=(400, 404, 409, 413, 415),
)
def send_again(caller: Caller, destination: str, body: dict[str, Any]) -> Document:
    """Send a test event, or send again.

    `test`: a made-up event. `delivery`: one delivery, whatever became of it. `failed`: everything given up since
    `start`. `range`: every stored event received from `start` until before `end` that the destination takes. Each event
    keeps its webhook-id, so that the receiver can leave out what it has.
    """
    what, start, end = body["what"], body.get("start"), body.get("end") or caller.now
    with current_runtime().writing() as session:
        found = destinations.by_key(session, caller.workspace_id, destination)
        _record(session, caller, "destination.sent_again", found, what=what)
        if what == "test":
            redelivery.test(session, found, caller.now)
            return {"deliveries": 1}
        if what == "delivery":
            delivery = redelivery.get(session, found, body["delivery"])
            redelivery.resend(session, found, delivery, caller.now)
            return {"deliveries": 1}
        if what == "failed":
            return {"deliveries": redelivery.recover(session, found, start or EPOCH, caller.now)}
    return {
        "deliveries": redelivery.replay_all(
            current_runtime().writing, caller.workspace_id, destination, start or end, end, caller.now
        )
    }


def _document(destination: Destination) -> Document:
    return destinations.document(destination, destinations.endpoint(destination, current_runtime().vault))


def _record(session: Any, caller: Caller, action: str, destination: Destination, **detail: Any) -> None:
    audit.record(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        action=action,
        now=caller.now,
        detail={"destination": destination.key, **detail},
    )
