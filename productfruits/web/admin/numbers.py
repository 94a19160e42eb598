"""What became of a tour or checklist, and how far one user is in all of them."""

import datetime as dt
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.services import content_states, contents, funnels, users, why
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place

CONTENT: Final = "/w/<workspace>/content/<content_key>"
USER: Final = "/w/<workspace>/users/<user_id>/content"
#: Ranges of time that the page offers: days, or 0 for all that is stored.
RANGES: Final = (7, 30, 90, 0)
URL_MAX: Final = 2_000


@gate.page(f"{CONTENT}/numbers", needs="viewer")
def show(place: Place, content_key: str) -> ResponseReturnValue:
    days = request.args.get("days", 30, type=int)
    days = days if days in RANGES else 30
    since = gate.now() - dt.timedelta(days=days) if days else None
    with current_runtime().reading() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        funnel = funnels.of_content(store, content, since=since)
        states = content_states.counts(store, content)
    return render_template(
        "content/numbers.html", content=content, funnel=funnel, states=states, days=days, ranges=RANGES
    )


@gate.page(f"{CONTENT}/reset", needs="editor", methods=("POST",))
def reset(place: Place, content_key: str) -> ResponseReturnValue:
    forms.read(forms.Reset)
    with current_runtime().writing() as store:
        content = contents.held(store, place.workspace.id, content_key)
        content_states.reset_everybody(store, content, gate.now())
        gate.record(store, place, "content.reset", content=content_key)
    flash("Everybody begins anew. The numbers stay: they count what happened.", "success")
    return redirect(url_for("admin.numbers_show", workspace=place.workspace.key, content_key=content_key), 303)


@gate.page(USER, needs="viewer")
def of_user(place: Place, user_id: str) -> ResponseReturnValue:
    """Every content, how far the user is in it, and gate by gate why it shows or not."""
    url = request.args.get("url", "").strip()[:URL_MAX] or None
    with current_runtime().reading() as store:
        known = users.show(store, place.workspace.id, user_id)
        followed = {one.content.id: one.state for one in content_states.of_user(store, place.workspace.id, user_id)}
        explained = why.explain(store, place.workspace.id, ("user", user_id), gate.now(), url=url)
    return render_template("users/content.html", user=known.user, explained=explained, states=followed, url=url)


@gate.page(f"{USER}/reset", needs="editor", methods=("POST",))
def reset_user(place: Place, user_id: str) -> ResponseReturnValue:
    content_key = forms.read(forms.ResetUser).get("content")
    with current_runtime().writing() as store:
        content = contents.by_key(store, place.workspace.id, content_key) if content_key else None
        content_id = content.id if content else None
        content_states.reset_user(store, place.workspace.id, user_id, gate.now(), content_id)
        gate.record(store, place, "content.reset_for_user", user=user_id, content=content_key)
    flash("The user begins anew.", "success")
    return redirect(url_for("admin.numbers_of_user", workspace=place.workspace.key, user_id=user_id), 303)
