"""Name and rules of a workspace."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from productfruits.services import workspaces
from productfruits.services.workspaces import InvalidName
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.gate import Place


@gate.page("/w/<workspace>/settings/workspace", needs="owner")
def show(place: Place) -> ResponseReturnValue:
    return render_template("settings/workspace.html", name=place.workspace.name, error=None)


@gate.page("/w/<workspace>/settings/workspace", needs="owner", methods=("POST",))
def rename(place: Place) -> ResponseReturnValue:
    name = forms.read(forms.Name)["name"]
    try:
        with current_runtime().writing() as store:
            workspaces.rename(store, workspaces.by_key(store, place.workspace.key), name)
            gate.record(store, place, "workspace.renamed", name=name)
    except InvalidName as err:
        return render_template("settings/workspace.html", name=name, error=str(err)), 400
    flash("The name is saved.", "success")
    return redirect(url_for("admin.workspace_show", workspace=place.workspace.key), 303)


@gate.page("/w/<workspace>/settings/workspace/erased", needs="owner", methods=("POST",))
def suppression(place: Place) -> ResponseReturnValue:
    on = forms.read(forms.Switch)["on"]
    with current_runtime().writing() as store:
        workspaces.set_suppression(store, workspaces.by_key(store, place.workspace.key), on)
        gate.record(store, place, "workspace.suppression_on" if on else "workspace.suppression_off")
    flash("Erased users stay out for good." if on else "Erased users may come back with a new message.", "success")
    return redirect(url_for("admin.workspace_show", workspace=place.workspace.key), 303)
