"""Users as people see them: the list, and everything known about one."""

import msgspec
from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Event
from productfruits.services import content_states, erasure, events, same_person, user_export, users
from productfruits.services.times import instant
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place

LISTED = 50
TIMELINE = 40


@gate.page("/w/<workspace>/users", needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    q = request.args.get("q", "").strip()[:200]
    with current_runtime().reading() as store:
        found = users.search(store, place.workspace.id, q, limit=LISTED, cursor=request.args.get("after"))
    return render_template("users/index.html", found=found, q=q)


@gate.page("/w/<workspace>/users/<user_id>", needs="viewer")
def show(place: Place, user_id: str) -> ResponseReturnValue:
    workspace_id = place.workspace.id
    with current_runtime().reading() as store:
        known = users.show(store, workspace_id, user_id)
        timeline = events.of_user(store, workspace_id, user_id, limit=TIMELINE, cursor=request.args.get("after"))
        groups = users.groups_of(store, known.user)
        followed = content_states.of_user(store, workspace_id, user_id)
    times = known.user.trait_times
    return render_template(
        "users/show.html",
        user=known.user,
        aliases=known.aliases,
        groups=groups,
        followed=followed,
        timeline=timeline,
        traits=[
            (name, value, instant(times[name]) if name in times else None)
            for name, value in sorted(known.user.traits.items(), key=lambda trait: trait[0].casefold())
        ],
        raw=_raw,
    )


@gate.page("/w/<workspace>/users/<user_id>/unlink", needs="editor", methods=("POST",))
def unlink(place: Place, user_id: str) -> ResponseReturnValue:
    said = forms.read(forms.Alias)
    workspace_id = place.workspace.id
    with current_runtime().writing() as store:
        known = users.show(store, workspace_id, user_id)
        if (said["kind"], said["value"]) not in [(alias.kind, alias.value) for alias in known.aliases]:
            raise same_person.NoSuchAlias()
        parted = same_person.unlink(store, workspace_id, said["kind"], said["value"], gate.now())
        gate.record(store, place, "user.alias_unlinked", user=user_id, kind=said["kind"])
    flash("The id is unlinked." + (" It is a user of its own now." if parted else ""), "success")
    return redirect(url_for("admin.users_show", workspace=place.workspace.key, user_id=user_id), 303)


@gate.page("/w/<workspace>/users/<user_id>/export", needs="editor", methods=("POST",))
def export(place: Place, user_id: str) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        exported = user_export.export(store, place.workspace.id, user_id)
        gate.record(store, place, "export.made", user=user_id)
    return Response(
        msgspec.json.format(msgspec.json.encode(exported), indent=2),
        mimetype="application/json",
        headers={"Content-Disposition": f'attachment; filename="user-{user_id}.json"'},
    )


@gate.page("/w/<workspace>/users/<user_id>/erase", needs="editor", methods=("POST",))
def erase(place: Place, user_id: str) -> ResponseReturnValue:
    forms.read(forms.Erase)
    with current_runtime().writing() as store:
        erased = erasure.erase(store, place.workspace.id, user_id, "admin", gate.now())
        gate.record(store, place, "user.erased", events=erased.events)
    flash(f"The user is erased, with {erased.events:,} events.", "success")
    return redirect(url_for("admin.users_index", workspace=place.workspace.key), 303)


def _raw(event: Event) -> dict[str, object]:
    """What is stored of an event, as JSON shows it; empty parts are left out."""
    at = {"timestamp": event.timestamp.isoformat(), "received_at": event.received_at.isoformat()}
    ids = {
        "userId": event.sent_user_id,
        "anonymousId": event.anonymous_id,
        "previousId": event.previous_id,
        "groupId": event.group_id,
    }
    said = {
        "traits" if event.type in ("identify", "group") else "properties": event.properties,
        "context": event.context,
    }
    how = {"source": event.source, "signed": event.signed, "matched_by": event.matched_by}
    whole = {"type": event.type, "name": event.name, "messageId": event.message_id, **ids, **at, **said, **how}
    return {name: value for name, value in whole.items() if value not in (None, {})}
