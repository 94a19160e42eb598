"""What the events of tours and checklists are called in Segment, and which of them go there at all."""

from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.adoption import vocabulary
from productfruits.services import adoption_settings
from productfruits.web import current_runtime
from productfruits.web.admin import gate
from productfruits.web.admin.gate import Place

HERE: Final = "/w/<workspace>/settings/segment/event-names"


@gate.page(HERE, needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        settings = adoption_settings.of(store, place.workspace.id)
    return render_template("segment/event_names.html", events=vocabulary.EVENTS.values(), names=settings.event_names)


@gate.page(HERE, needs="owner", methods=("POST",))
def save(place: Place) -> ResponseReturnValue:
    names: dict[str, str | None] = {}
    for raw, event in vocabulary.EVENTS.items():
        if request.form.get(f"{raw}.on") != "1":
            names[raw] = None
        elif (name := request.form.get(f"{raw}.name", "").strip()) and name != event.name:
            names[raw] = name
    with current_runtime().writing() as store:
        adoption_settings.change(store, place.workspace.id, event_names=names)
        gate.record(store, place, "event_names.changed", changed=sorted(names))
    flash("Saved. Pages use the names from their next question on.", "success")
    return redirect(url_for("admin.event_names_show", workspace=place.workspace.key), 303)
