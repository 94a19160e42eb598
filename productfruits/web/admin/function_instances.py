"""Instances of a function: connected, filled in, switched, removed; what failed in them. And what they have stored."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.functions import errors
from productfruits.functions.definitions import InvalidValues
from productfruits.models import Function, FunctionInstance
from productfruits.services import function_errors, function_instances, functions, objects
from productfruits.services.function_instances import InvalidInstanceName, TooManyInstances
from productfruits.web import current_runtime
from productfruits.web.admin import forms, function_forms, gate
from productfruits.web.admin.gate import Place

F = "/w/<workspace>/functions/<function_key>/instances"
ONE = f"{F}/<int:instance_id>"


@gate.page(F, needs="viewer")
def index(place: Place, function_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        return _list(place, functions.by_key(store, place.workspace.id, function_key))


@gate.page(F, needs="owner", methods=("POST",))
def connect(place: Place, function_key: str) -> ResponseReturnValue:
    runtime = current_runtime()
    runtime.required_sandbox()
    name, texts = request.form.get("name", ""), function_forms.values()
    try:
        with runtime.writing() as store:
            function = functions.by_key(store, place.workspace.id, function_key)
            given = _without_none(function_forms.typed(function.latest.settings, texts))
            made = function_instances.connect(store, function, name, given, gate.now(), runtime.vault)
            gate.record(store, place, "function.connected", key=function_key, instance=made.id)
    except (InvalidValues, InvalidInstanceName, TooManyInstances) as err:
        with runtime.reading() as store:
            function = functions.by_key(store, place.workspace.id, function_key)
            return _list(place, function, name=name, texts=texts, error=str(err)), 400
    flash(f"“{made.name}” is connected.", "success")
    return _back(place, function_key, made.id)


@gate.page(ONE, needs="viewer")
def show(place: Place, function_key: str, instance_id: int) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        function = functions.by_key(store, place.workspace.id, function_key)
        return _page(store, place, functions.instance_of(function, instance_id))


@gate.page(ONE, needs="owner", methods=("POST",))
def change(place: Place, function_key: str, instance_id: int) -> ResponseReturnValue:
    runtime = current_runtime()
    try:
        with runtime.writing() as store:
            instance = functions.instance_of(functions.by_key(store, place.workspace.id, function_key), instance_id)
            values = function_forms.typed(instance.version.settings, function_forms.values())
            name = request.form.get("name", "")
            function_instances.change(store, instance, name=name, values=values, vault=runtime.vault)
            gate.record(store, place, "function.instance_changed", key=function_key, instance=instance_id)
    except (InvalidValues, InvalidInstanceName) as err:
        with runtime.reading() as store:
            instance = functions.instance_of(functions.by_key(store, place.workspace.id, function_key), instance_id)
            return _page(store, place, instance, error=str(err)), 400
    flash("Saved. The next run has these settings.", "success")
    return _back(place, function_key, instance_id)


@gate.page(f"{ONE}/switch", needs="owner", methods=("POST",))
def switch(place: Place, function_key: str, instance_id: int) -> ResponseReturnValue:
    on = forms.read(forms.Switch)["on"]
    with current_runtime().writing() as store:
        instance = functions.instance_of(functions.by_key(store, place.workspace.id, function_key), instance_id)
        function_instances.switch(store, instance, on)
        action = "function.instance_on" if on else "function.instance_off"
        gate.record(store, place, action, key=function_key, instance=instance_id)
    flash(f"“{instance.name}” is switched {'on' if on else 'off'}.", "success")
    return _back(place, function_key, instance_id)


@gate.page(f"{ONE}/remove", needs="owner", methods=("POST",))
def remove(place: Place, function_key: str, instance_id: int) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        instance = functions.instance_of(functions.by_key(store, place.workspace.id, function_key), instance_id)
        name = instance.name
        function_instances.disconnect(store, instance)
        gate.record(store, place, "function.disconnected", key=function_key, instance=instance_id)
    flash(f"“{name}” is removed.", "success")
    return redirect(
        url_for("admin.function_instances_index", workspace=place.workspace.key, function_key=function_key), 303
    )


@gate.page("/w/<workspace>/objects/<collection>", needs="viewer")
def collection(place: Place, collection: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        found = objects.page(store, place.workspace.id, collection, limit=50, cursor=request.args.get("after"))
    return render_template(
        "functions/objects.html", collection=collection, rows=found.rows, next_cursor=found.next_cursor
    )


@gate.page("/w/<workspace>/objects/<collection>/export", needs="editor", methods=("POST",))
def export(place: Place, collection: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.reading() as store:
        lines = "".join(objects.export(store, place.workspace.id, collection))
    with runtime.writing() as store:
        gate.record(store, place, "objects.exported", collection=collection[:100])
    name = "".join(character for character in collection if character.isascii() and character.isalnum()) or "objects"
    return Response(
        lines,
        mimetype="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}.jsonl"'},
    )


def _list(place: Place, function: Function, *, name: str = "", texts: Any = None, error: str | None = None) -> str:
    return render_template(
        "functions/instances.html",
        function=function,
        settings=function.latest.settings,
        name=name,
        texts=texts or {},
        error=error,
        on=current_runtime().sandbox is not None,
    )


def _page(store: Any, place: Place, instance: FunctionInstance, *, error: str | None = None) -> str:
    runtime = current_runtime()
    values = function_instances.values_of(instance, runtime.vault)
    settings = instance.version.settings
    return render_template(
        "functions/instance.html",
        function=instance.function,
        instance=instance,
        settings=settings,
        texts={
            setting["key"]: "" if setting["sensitive"] else function_forms.as_text(setting, values.get(setting["key"]))
            for setting in settings
        },
        kept=[setting["key"] for setting in settings if setting["sensitive"] and values.get(setting["key"])],
        failures=function_errors.newest(store, instance),
        titles=errors.TITLES,
        url=function_instances.url(runtime.settings.base_url, instance.token) if instance.token else None,
        error=error,
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _back(place: Place, function_key: str, instance_id: int) -> ResponseReturnValue:
    address = url_for(
        "admin.function_instances_show",
        workspace=place.workspace.key,
        function_key=function_key,
        instance_id=instance_id,
    )
    return redirect(address, 303)
