"""The settings page of the Segment connection: activate, paste, wait for green, rotate, revoke, switch."""

import datetime as dt
import hashlib
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Connection, ConnectionSecret, Rejection
from productfruits.services import adoption_settings, connections, reachability, rejections, users, workspaces
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place
from productfruits.workers import own_webhook

REFUSED_SHOWN = 5
#: The user that test events speak of: always the same one, so that trying twice leaves one row behind.
TEST_USER_ID = "productfruits-test-user"
TEST_EMAIL = "test-user@productfruits.example"


@dataclass(frozen=True, slots=True)
class State:
    """How the connection stands: not activated, switched off, nothing received so far, working."""

    code: Literal["off", "deactivated", "waiting", "receiving"]


@dataclass(frozen=True, slots=True)
class Live:
    """What changes by itself. `version` is another one whenever something visible has changed."""

    connection: Connection
    state: State
    secrets: Sequence[ConnectionSecret]
    rejections: Sequence[Rejection]
    version: str


@dataclass(frozen=True, slots=True)
class Revealed:
    """What is in clear on the one page that shows it."""

    title: str
    text: str
    secret: str | None = None
    auth_token: str | None = None


def state_of(connection: Connection | None) -> State:
    """The state in one word, for this page and the overview."""
    if connection is None:
        return State("off")
    if not connection.active:
        return State("deactivated")
    return State("receiving" if connection.last_received_at else "waiting")


@gate.page("/w/<workspace>/settings/segment", needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    return _page(place)


@gate.page("/w/<workspace>/settings/segment/live", needs="viewer", background=True)
def live(place: Place) -> ResponseReturnValue:
    """The part of the page that changes, or 204 where nothing has since the version that the page shows."""
    found = _live(place.workspace.id)
    if found is None or found.version == request.args.get("seen"):
        return "", 204
    return render_template("segment/live.html", live=found)


@gate.page("/w/<workspace>/settings/segment/activate", needs="owner", methods=("POST",))
def activate(place: Place) -> ResponseReturnValue:
    runtime = current_runtime()
    try:
        with runtime.writing() as store:
            workspace = workspaces.by_key(store, place.workspace.key)
            made = connections.activate(store, workspace, gate.now(), runtime.vault)
            gate.record(store, place, "connection.activated", fingerprint=made.connection.secrets[0].fingerprint)
    except connections.AlreadyActive:
        flash("Segment is activated already, and its secret was shown then. For a new one, rotate it.", "warning")
        return _back(place)
    text = "Two values go into Segment; where exactly is described below."
    return _page(place, Revealed("Segment is activated", text, made.webhook_secret, made.auth_token))


@gate.page("/w/<workspace>/settings/segment/rotate", needs="owner", methods=("POST",))
def rotate(place: Place) -> ResponseReturnValue:
    overlap = dt.timedelta(hours=forms.read(forms.Rotate)["overlap_hours"])
    runtime = current_runtime()
    with runtime.writing() as store:
        connection = connections.required(store, place.workspace.id)
        made = connections.rotate(store, connection, gate.now(), runtime.vault, overlap)
        gate.record(
            store,
            place,
            "secret.rotated",
            fingerprint=made.fingerprint,
            overlap_hours=int(overlap.total_seconds()) // 3600,
        )
    text = (
        "Paste the new secret into Segment. The old one goes on working until the time in the list below."
        if made.old_until
        else "Paste the new secret into Segment now: what is still signed with the old one is refused already."
    )
    return _page(place, Revealed("The new secret", text, made.webhook_secret))


@gate.page("/w/<workspace>/settings/segment/auth-token", needs="owner", methods=("POST",))
def renew_auth_token(place: Place) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        token = connections.renew_auth_token(store, connections.required(store, place.workspace.id))
        gate.record(store, place, "connection.token_renewed")
    text = "Give it to your servers and functions now: what still comes with the old one is refused already."
    return _page(place, Revealed("The new auth token", text, auth_token=token))


@gate.page("/w/<workspace>/settings/segment/revoke", needs="owner", methods=("POST",))
def revoke(place: Place) -> ResponseReturnValue:
    secret_id = forms.read(forms.Secret)["secret"]
    with current_runtime().writing() as store:
        connection = connections.required(store, place.workspace.id)
        revoked = connections.revoke(store, connection, secret_id, gate.now())
        gate.record(store, place, "secret.revoked", fingerprint=revoked.fingerprint)
    flash(f"The secret {revoked.fingerprint} is revoked: it stops working everywhere within two seconds.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/segment/deactivate", needs="owner", methods=("POST",))
def deactivate(place: Place) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        connections.deactivate(store, connections.required(store, place.workspace.id))
        gate.record(store, place, "connection.deactivated")
    flash("Segment is deactivated.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/segment/reactivate", needs="owner", methods=("POST",))
def reactivate(place: Place) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        connections.reactivate(store, connections.required(store, place.workspace.id), gate.now())
        gate.record(store, place, "connection.reactivated")
    flash("Segment is active again.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/segment/batches", needs="owner", methods=("POST",))
def batches(place: Place) -> ResponseReturnValue:
    on = forms.read(forms.Switch)["on"]
    with current_runtime().writing() as store:
        connections.set_accepts_batches(store, connections.required(store, place.workspace.id), on)
        gate.record(store, place, "connection.batches_on" if on else "connection.batches_off")
    flash("Batches are accepted." if on else "Batches are refused: set the batch size to 0 in Segment.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/segment/events", needs="owner", methods=("POST",))
def events(place: Place) -> ResponseReturnValue:
    on = forms.read(forms.Switch)["on"]
    with current_runtime().writing() as store:
        connections.set_sends_events(store, connections.required(store, place.workspace.id), on)
        gate.record(store, place, "connection.events_on" if on else "connection.events_off")
    flash(f"Sending adoption events to Segment is switched {'on' if on else 'off'}.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/segment/test", needs="editor", methods=("POST",))
def test(place: Place) -> ResponseReturnValue:
    """Sign a message, send it to our own webhook over HTTP as Segment would, and say what became of it."""
    runtime = current_runtime()
    with runtime.reading() as store:
        token = connections.required(store, place.workspace.id).token
        connection = connections.by_token(store, token, gate.now(), runtime.vault)
    if connection is None or not connection.secrets:
        flash("There is no live secret to sign with. Rotate to make one.", "error")
        return _back(place)
    # No transaction is open while we wait: the webhook writes to the same store.
    try:
        reply = own_webhook.send(runtime.settings, token, connection.secrets[-1].key, _test_message(gate.now()))
    except own_webhook.NotListening as err:
        flash(str(err), "error")
        return _back(place)
    with runtime.writing() as store:
        gate.record(store, place, "connection.tested", status=reply.status)
        tested = users.find(store, place.workspace.id, username=TEST_USER_ID)
    if reply.status == 200 and reply.content.get("accepted") == 1 and tested is not None:
        flash("The test event was signed, sent to our own webhook, verified and stored as “Test User”.", "success")
    elif reply.status == 200:
        flash(
            "The test event was received, and not stored: its user was erased here and this workspace keeps erased "
            "users out.",
            "warning",
        )
    else:
        said = reply.content.get("message", "No reason was given: look into the log of the server.")
        flash(f"The webhook refused the test event ({reply.status}). {said}", "error")
    return _back(place)


def _test_message(now: dt.datetime) -> bytes:
    message = {
        "type": "identify",
        "messageId": f"productfruits-test-{random.token_hex(12)}",
        "userId": TEST_USER_ID,
        "traits": {"name": "Test User", "email": TEST_EMAIL},
        "context": {"library": {"name": "productfruits test event"}},
        "timestamp": now.isoformat().replace("+00:00", "Z"),
    }
    return msgspec.json.encode(message)


def _live(workspace_id: int) -> Live | None:
    with current_runtime().reading() as store:
        connection = connections.of_workspace(store, workspace_id)
        if connection is None:
            return None
        secrets = connections.live_secrets(connection, gate.now())
        refused = rejections.page(store, workspace_id, limit=REFUSED_SHOWN).rows
    counted = (connection.accepted, connection.duplicates, connection.ignored, connection.rejected)
    seen = (connection.active, *counted, connection.last_received_at, *(row.id for row in refused))
    version = hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
    return Live(connection, state_of(connection), secrets, refused, version)


def _page(place: Place, revealed: Revealed | None = None) -> ResponseReturnValue:
    runtime = current_runtime()
    base_url = runtime.settings.base_url
    found = _live(place.workspace.id)
    with runtime.reading() as store:
        last_reported_at = adoption_settings.of(store, place.workspace.id).last_reported_at
    return render_template(
        "segment/show.html",
        connection=found.connection if found else None,
        live=found,
        secrets=found.secrets if found else [],
        revealed=revealed,
        webhook_url=connections.webhook_url(base_url, found.connection.token) if found else None,
        last_reported_at=last_reported_at,
        obstacle=reachability.obstacle(base_url),
        address=urlsplit(base_url),
    )


def _back(place: Place) -> ResponseReturnValue:
    return redirect(url_for("admin.segment_show", workspace=place.workspace.key), 303)
