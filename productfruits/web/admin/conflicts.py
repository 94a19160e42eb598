"""Conflicts: the admin decides whether two users are one person."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Conflict
from productfruits.services import conflicts, users
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place


@gate.page("/w/<workspace>/conflicts", needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    show = "all" if request.args.get("show") == "all" else None
    with current_runtime().reading() as store:
        page = conflicts.page(
            store, place.workspace.id, open_only=show is None, limit=25, cursor=request.args.get("after")
        )
        ids = [user_id for row in page.rows for user_id in (row.user_id, row.other_user_id)]
        people = users.by_ids(store, place.workspace.id, ids)
    return render_template(
        "conflicts/index.html",
        show=show,
        rows=[(row, people.get(row.user_id), people.get(row.other_user_id)) for row in page.rows],
        next_cursor=page.next_cursor,
        say=_say,
    )


@gate.page("/w/<workspace>/conflicts/<int:conflict_id>/merge", needs="editor", methods=("POST",))
def merge(place: Place, conflict_id: int) -> ResponseReturnValue:
    keep = forms.read(forms.Keep)["keep"]
    with current_runtime().writing() as store:
        kept = conflicts.merge(store, place.workspace.id, conflict_id, keep, gate.now())
        gate.record(store, place, "conflict.merged", conflict=conflict_id, kept=kept.id)
    flash("The two are one user now.", "success")
    return redirect(url_for("admin.users_show", workspace=place.workspace.key, user_id=kept.id), 303)


@gate.page("/w/<workspace>/conflicts/<int:conflict_id>/dismiss", needs="editor", methods=("POST",))
def dismiss(place: Place, conflict_id: int) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        conflicts.dismiss(store, place.workspace.id, conflict_id, gate.now())
        gate.record(store, place, "conflict.dismissed", conflict=conflict_id)
    flash("Dismissed: both users stay as they are.", "success")
    return redirect(url_for("admin.conflicts_index", workspace=place.workspace.key), 303)


def _say(conflict: Conflict) -> str:
    """What the message said that does not fit together."""
    email, username = conflict.email or "an e-mail", conflict.username or "an id"
    return {
        "email_and_id": f"A message carried {email} of one user and the id {username} of another.",
        "email_taken": f"A message for the user {username} gave the e-mail {email}, which another user has.",
        "alias": f"An alias call for {username} names two users whose e-mails differ.",
    }.get(conflict.kind, "A message speaks of two users.")
