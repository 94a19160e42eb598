"""The admin's own pages: where to begin, workspaces, password, sessions."""

from flask import flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Admin
from productfruits.services import admins, audit, passwords, workspaces
from productfruits.services.passwords import WeakPassword
from productfruits.services.workspaces import InvalidName
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate


@gate.page("/", needs=gate.LOGGED_IN)
def home(admin: Admin) -> ResponseReturnValue:
    """The only workspace, or the list of them."""
    with current_runtime().reading() as store:
        mine = admins.memberships(store, admin.id)
    if len(mine) == 1:
        return redirect(url_for("admin.overview_show", workspace=mine[0].workspace.key), 303)
    return redirect(url_for("admin.account_workspaces_index"), 303)


@gate.page("/workspaces", needs=gate.LOGGED_IN)
def workspaces_index(admin: Admin) -> ResponseReturnValue:
    return render_template("account/workspaces.html")


@gate.page("/workspaces/new", needs=gate.LOGGED_IN)
def new_workspace(admin: Admin) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        if not admins.owns_any(store, admin.id):
            return _only_owners()
    return render_template("account/new_workspace.html", name="", error=None)


@gate.page("/workspaces/new", needs=gate.LOGGED_IN, methods=("POST",))
def create_workspace(admin: Admin) -> ResponseReturnValue:
    name = forms.read(forms.Name)["name"]
    try:
        with current_runtime().writing() as store:
            if not admins.owns_any(store, admin.id):
                return _only_owners()
            workspace = workspaces.create(store, name, gate.now())
            admins.join(store, admins.required(store, admin.email), workspace.id, "owner")
            audit.record(
                store,
                workspace_id=workspace.id,
                actor=admin.email,
                action="workspace.created",
                now=gate.now(),
                address=gate.address(),
            )
    except InvalidName as err:
        return render_template("account/new_workspace.html", name=name, error=str(err)), 400
    return redirect(url_for("admin.overview_show", workspace=workspace.key), 303)


@gate.page("/account", needs=gate.LOGGED_IN)
def show(admin: Admin) -> ResponseReturnValue:
    return render_template("account/show.html", errors={})


@gate.page("/account/password", needs=gate.LOGGED_IN, methods=("POST",))
def password(admin: Admin) -> ResponseReturnValue:
    said = forms.read(forms.ChangePassword)
    if not passwords.matches(said["current"], admin.password_hash):
        return _again({"current": "This is not your current password. Check it and try again."})
    try:
        passwords.check(said["password"], email=admin.email)
    except WeakPassword as err:
        return _again({"password": str(err)})
    kept = passwords.hashed(said["password"])
    with current_runtime().writing() as store:
        mine = admins.required(store, admin.email)
        admins.set_password(store, mine, kept)
        admins.audited(store, mine, "admin.password_changed", gate.now(), gate.address())
    gate.log_in(mine)
    flash("Your password is changed. You are logged out everywhere else.", "success")
    return redirect(url_for("admin.account_show"), 303)


@gate.page("/account/sessions/end", needs=gate.LOGGED_IN, methods=("POST",))
def end_sessions(admin: Admin) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        admins.end_sessions(store, admins.required(store, admin.email))
    session.clear()
    flash("You are logged out everywhere.", "success")
    return redirect(url_for("admin.entry_login"), 303)


def _again(errors: dict[str, str]) -> ResponseReturnValue:
    return render_template("account/show.html", errors=errors), 400


def _only_owners() -> ResponseReturnValue:
    flash("Only somebody who owns a workspace already can make another one. Ask an owner.", "error")
    return redirect(url_for("admin.account_workspaces_index"), 303)
