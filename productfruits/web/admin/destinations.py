"""Pages of destinations: made and changed by form, tried, watched, and told to send again."""

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Destination
from productfruits.outgoing import bodies, filters, schemas
from productfruits.services import audiences, delivery_log, destination_files, destinations, redelivery
from productfruits.services.times import EPOCH
from productfruits.web import current_runtime
from productfruits.web.admin import destination_forms, forms, gate
from productfruits.web.admin.destination_forms import Filled
from productfruits.web.admin.gate import Place

#: So long the button for a test event waits to say at once what became of it.
OUTCOME_WITHIN_S = 3.0
LOOK_AGAIN_S = 0.1
#: What keeps a file from being applied.
IMPOSSIBLE = (
    destination_files.UnreadableFile,
    destinations.SecretNeeded,
    destinations.TooManyDestinations,
    destinations.UnknownAudience,
)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A secret in clear, for the one page that shows it."""

    text: str
    secret: str


@gate.page("/w/<workspace>/destinations", needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        found = destinations.of_workspace(store, place.workspace.id)
    return render_template("destinations/index.html", destinations=found, status=destinations.status)


@gate.page("/w/<workspace>/destinations/new", needs="owner")
def new(place: Place) -> ResponseReturnValue:
    kind = request.args.get("kind")
    if kind is None:
        return render_template("destinations/choose.html")
    return _form(place, destination_forms.empty(_known(kind)))


@gate.page("/w/<workspace>/destinations", needs="owner", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    kind = _known(request.form.get("kind", ""))
    filled, shape = destination_forms.sent(kind, enabled=kind != "segment", has_write_key=False)
    if shape is None:
        return _form(place, filled, status=400)
    runtime = current_runtime()
    try:
        with runtime.writing() as store:
            made = destinations.create(store, place.workspace.id, shape, gate.now(), runtime.vault)
            gate.record(store, place, "destination.created", destination=made.destination.key)
            key = made.destination.key
    except destinations.SecretNeeded as err:
        return _form(place, destination_forms.with_errors(filled, {"headers": [str(err)]}), status=400)
    except destinations.UnknownAudience as err:
        return _form(place, destination_forms.with_errors(filled, {"filter": [str(err)]}), status=400)
    text = "What is sent is signed with this secret. Whoever receives it checks the signature with it."
    return _page(place, key, Revealed(text, made.secret))


@gate.page("/w/<workspace>/destinations/import", needs="owner")
def import_form(place: Place) -> ResponseReturnValue:
    return render_template("destinations/import.html", file="", error=None, applied=None)


@gate.page("/w/<workspace>/destinations/import", needs="owner", methods=("POST",))
def import_file(place: Place) -> ResponseReturnValue:
    """Apply a pasted file, in our own form or Jitsu's; the secrets of new destinations are on the page that answers."""
    file = request.form.get("file", "")
    runtime = current_runtime()
    try:
        shapes = destination_files.read(file.encode())
        with runtime.writing() as store:
            applied = destination_files.apply(store, place.workspace.id, shapes, gate.now(), runtime.vault)
            for each in applied:
                action = "destination.created" if each.made else "destination.changed"
                gate.record(store, place, action, destination=each.key)
    except IMPOSSIBLE as err:
        return render_template("destinations/import.html", file=file, error=str(err), applied=None), 400
    return render_template("destinations/import.html", file="", error=None, applied=applied)


@gate.page("/w/<workspace>/destinations/<destination>", needs="viewer")
def show(place: Place, destination: str) -> ResponseReturnValue:
    return _page(place, destination)


@gate.page("/w/<workspace>/destinations/<destination>/edit", needs="owner")
def edit(place: Place, destination: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.reading() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        defined = destinations.definition(found, destinations.endpoint(found, runtime.vault))
    return _form(place, destination_forms.of(defined), found)


@gate.page("/w/<workspace>/destinations/<destination>/edit", needs="owner", methods=("POST",))
def change(place: Place, destination: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.reading() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
    filled, shape = destination_forms.sent(found.kind, enabled=found.enabled, has_write_key=found.kind == "segment")
    if shape is None:
        return _form(place, filled, found, status=400)
    try:
        with runtime.writing() as store:
            row = destinations.by_key(store, place.workspace.id, destination)
            destinations.change(store, row, {**shape, "enabled": row.enabled}, runtime.vault)
            gate.record(store, place, "destination.changed", destination=destination)
    except destinations.SecretNeeded as err:
        return _form(place, destination_forms.with_errors(filled, {"headers": [str(err)]}), found, status=400)
    except destinations.UnknownAudience as err:
        return _form(place, destination_forms.with_errors(filled, {"filter": [str(err)]}), found, status=400)
    flash("The destination is changed. A test event shows whether it works.", "success")
    return _back(place, destination)


@gate.page("/w/<workspace>/destinations/<destination>/switch", needs="owner", methods=("POST",))
def switch(place: Place, destination: str) -> ResponseReturnValue:
    on = forms.read(forms.Switch)["on"]
    with current_runtime().writing() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        destinations.switch(store, found, on)
        gate.record(
            store, place, "destination.switched_on" if on else "destination.switched_off", destination=destination
        )
    flash("What waits is sent now." if on else "Nothing is sent any more. What waits goes on waiting.", "success")
    return _back(place, destination)


@gate.page("/w/<workspace>/destinations/<destination>/rotate", needs="owner", methods=("POST",))
def rotate(place: Place, destination: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.writing() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        made = destinations.rotate(store, found, gate.now(), runtime.vault)
        gate.record(store, place, "destination.secret_rotated", destination=destination, fingerprint=made.fingerprint)
    text = (
        "For a day each request is signed with the old secret as well, so the receiver may change over when it likes."
    )
    return _page(place, destination, Revealed(text, made.secret))


@gate.page("/w/<workspace>/destinations/<destination>/delete", needs="owner", methods=("POST",))
def delete(place: Place, destination: str) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        gate.record(store, place, "destination.deleted", destination=destination)
        destinations.delete(store, found)
    flash(f"“{found.name}” is deleted.", "success")
    return redirect(url_for("admin.destinations_index", workspace=place.workspace.key), 303)


@gate.page("/w/<workspace>/destinations/<destination>/try", needs="editor", methods=("POST",))
def send_test(place: Place, destination: str) -> ResponseReturnValue:
    """Have a test event sent the way of every other, and say what became of it if that is known in a moment."""
    with current_runtime().writing() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        delivery_id = redelivery.test(store, found, gate.now()).id
        gate.record(store, place, "destination.tested", destination=destination)
    logged = _outcome(found, delivery_id)
    if logged is None:
        flash("The test event is on its way. Reload this page to see what became of it.", "info")
    elif logged.attempt.outcome == "delivered":
        flash(f"Delivered: answered {logged.attempt.status} in {logged.attempt.took_ms} ms.", "success")
    else:
        said = logged.attempt.detail or f"The receiver answered {logged.attempt.status}."
        flash(f"Not delivered. {said}", "error")
    return _back(place, destination)


@gate.page("/w/<workspace>/destinations/<destination>/resend", needs="editor", methods=("POST",))
def resend(place: Place, destination: str) -> ResponseReturnValue:
    """One delivery, everything given up since, or a stretch of time."""
    said = forms.read(forms.Resend)
    what, start = said["what"], said["start"]
    with current_runtime().writing() as store:
        found = destinations.by_key(store, place.workspace.id, destination)
        gate.record(store, place, "destination.sent_again", destination=destination, what=what)
        if what == "delivery":
            redelivery.resend(store, found, redelivery.get(store, found, said["delivery"]), gate.now())
            count = 1
        elif what == "failed":
            count = redelivery.recover(store, found, start or EPOCH, gate.now())
    if what == "range":
        end = said["end"] or gate.now()
        writing = current_runtime().writing
        count = redelivery.replay_all(writing, place.workspace.id, destination, start or EPOCH, end, gate.now())
    many = "1 delivery is" if count == 1 else f"{count:,} deliveries are"
    flash(f"{many} on the way again." if count else "There was nothing to send again.", "success")
    return _back(place, destination)


def _outcome(destination: Destination, delivery_id: int) -> delivery_log.Logged | None:
    runtime = current_runtime()
    until = time.monotonic() + (OUTCOME_WITHIN_S if runtime.is_started else 0)
    while True:
        with runtime.reading() as store:
            page = delivery_log.attempts(store, destination, limit=10)
        logged = next((row for row in page.rows if row.delivery.id == delivery_id), None)
        if logged is not None or time.monotonic() > until:
            return logged
        time.sleep(LOOK_AGAIN_S)


def _form(place: Place, filled: Filled, found: Destination | None = None, status: int = 200) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        offered = audiences.every(store, place.workspace.id)
    page = render_template(
        "destinations/form.html",
        filled=filled,
        found=found,
        choices=bodies.FORMS[filled.kind],
        methods=schemas.JITSU_METHODS if filled.kind == "jitsu" else schemas.METHODS,
        types=filters.TYPES,
        changes=filters.CHANGES,
        audiences=offered,
    )
    return page, status


def _page(place: Place, key: str, revealed: Revealed | None = None) -> ResponseReturnValue:
    failed_only = request.args.get("show") == "failed"
    with current_runtime().reading() as store:
        found = destinations.by_key(store, place.workspace.id, key)
        log = delivery_log.attempts(
            store, found, failed_only=failed_only, limit=25, cursor=request.args.get("after") or None
        )
        shown: dict[str, Any] = {
            "destination": found,
            "status": destinations.status(found),
            "secrets": destinations.live_secrets(found, gate.now()),
            "numbers": delivery_log.numbers(store, found),
        }
    month_ago = gate.now() - dt.timedelta(days=30)
    return render_template(
        "destinations/show.html", log=log, failed_only=failed_only, revealed=revealed, month_ago=month_ago, **shown
    )


def _known(kind: str) -> str:
    if kind not in bodies.KINDS or kind == "jitsu":  # Jitsu's come from a file
        abort(404)
    return kind


def _back(place: Place, key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.destinations_show", workspace=place.workspace.key, destination=key), 303)
