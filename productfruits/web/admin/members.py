"""Admins of a workspace: invite, roles, links, remove."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import ROLES
from productfruits.services import admins, invitations
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place


@gate.page("/w/<workspace>/settings/admins", needs="owner")
def index(place: Place) -> ResponseReturnValue:
    return _page(place)


@gate.page("/w/<workspace>/settings/admins/invite", needs="owner", methods=("POST",))
def invite(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.Invite)
    try:
        with current_runtime().writing() as store:
            invited = invitations.invite(
                store,
                said["email"],
                inviter=place.admin,
                workspace_id=place.workspace.id,
                role=said["role"],
                base_url=current_runtime().settings.base_url,
                secret_key=gate.secret_key(),
                now=gate.now(),
            )
            gate.record(store, place, "admin.invited", admin=invited.admin.email, role=said["role"])
    except (admins.InvalidEmail, admins.AdminExists, invitations.NotYours) as err:
        return _page(place, email=said["email"], error=str(err), status=400)
    if invited.link is None:
        flash(f"{invited.admin.email} has a login here already and can open this workspace now.", "success")
        return _back(place)
    return _page(place, link=invited.link, link_for=invited.admin.email)


@gate.page("/w/<workspace>/settings/admins/<int:admin_id>/link", needs="owner", methods=("POST",))
def link(place: Place, admin_id: int) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        admin = admins.member(store, place.workspace.id, admin_id).admin
        made = invitations.new_link(
            store,
            admin,
            maker=place.admin,
            base_url=current_runtime().settings.base_url,
            secret_key=gate.secret_key(),
            now=gate.now(),
        )
        gate.record(store, place, "admin.link_created", admin=admin.email)
    return _page(place, link=made, link_for=admin.email)


@gate.page("/w/<workspace>/settings/admins/<int:admin_id>/role", needs="owner", methods=("POST",))
def role(place: Place, admin_id: int) -> ResponseReturnValue:
    wanted = forms.read(forms.Role)["role"]
    with current_runtime().writing() as store:
        membership = admins.member(store, place.workspace.id, admin_id)
        admin = membership.admin
        if membership.role != wanted:
            admins.change_role(store, membership, wanted)
            gate.record(store, place, "admin.role_changed", admin=admin.email, role=wanted)
    if admin_id == place.admin.id:
        gate.log_in(admin)  # the change ended this session as well
    flash(f"{admin.email} is {wanted} now.", "success")
    return _back(place)


@gate.page("/w/<workspace>/settings/admins/<int:admin_id>/remove", needs="owner", methods=("POST",))
def remove(place: Place, admin_id: int) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        membership = admins.member(store, place.workspace.id, admin_id)
        admin = membership.admin
        admins.remove(store, membership)
        gate.record(store, place, "admin.removed", admin=admin.email)
    flash(f"{admin.email} has no access to this workspace any more.", "success")
    if admin_id == place.admin.id:
        gate.log_in(admin)
        return redirect(url_for("admin.account_home"), 303)
    return _back(place)


def _page(
    place: Place,
    *,
    email: str = "",
    error: str | None = None,
    link: str | None = None,
    link_for: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        members = admins.members(store, place.workspace.id)
    page = render_template(
        "settings/members.html", members=members, roles=ROLES, email=email, error=error, link=link, link_for=link_for
    )
    return page, status


def _back(place: Place) -> ResponseReturnValue:
    # Whoever is no owner any more cannot see the list.
    return redirect(url_for("admin.members_index", workspace=place.workspace.key), 303)
