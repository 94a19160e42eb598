"""Bearer keys of the HTTP API."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from productfruits.services import api_keys, workspaces
from productfruits.services.api_keys import InvalidKeyName
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place


@gate.page("/w/<workspace>/settings/api-keys", needs="owner")
def index(place: Place) -> ResponseReturnValue:
    return _page(place)


@gate.page("/w/<workspace>/settings/api-keys", needs="owner", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    name = forms.read(forms.Name)["name"]
    try:
        with current_runtime().writing() as store:
            workspace = workspaces.by_key(store, place.workspace.key)
            created = api_keys.create(store, workspace, name, gate.now())
            gate.record(store, place, "api_key.created", name=name)
    except InvalidKeyName as err:
        return _page(place, name=name, error=str(err), status=400)
    return _page(place, created=created.key)


@gate.page("/w/<workspace>/settings/api-keys/<int:key_id>/revoke", needs="owner", methods=("POST",))
def revoke(place: Place, key_id: int) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        revoked = api_keys.revoke(store, place.workspace.id, key_id, gate.now())
        gate.record(store, place, "api_key.revoked", name=revoked.name)
    flash(f"The key “{revoked.name}” is revoked.", "success")
    return redirect(url_for("admin.api_keys_index", workspace=place.workspace.key), 303)


def _page(
    place: Place, *, name: str = "", error: str | None = None, created: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        keys = api_keys.of_workspace(store, place.workspace.id)
    return render_template("settings/api_keys.html", keys=keys, name=name, error=error, created=created), status
