"""Functions over HTTP, and the objects that they set."""

from typing import Any

import marshmallow

from productfruits.functions.definitions import FunctionShape
from productfruits.models import Function, FunctionInstance
from productfruits.services import audit, documents, function_errors, function_instances, functions, objects
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import function_schemas as schemas
from productfruits.web.api.endpoints import Caller, endpoint
from productfruits.web.api.refusals import BadRequest


@endpoint("GET", "/functions", answer=schemas.Functions)
def list_functions(caller: Caller) -> Document:
    """List functions by name."""
    with current_runtime().reading() as session:
        return {"functions": [functions.document(f) for f in functions.of_workspace(session, caller.workspace_id)]}


@endpoint("POST", "/functions", body=FunctionShape, answer=schemas.Function, refusals=(400, 409, 413, 415))
def create_function(caller: Caller, body: dict[str, Any]) -> Document:
    """Make a function.

    The code is loaded once to see which handlers it defines; nothing is run but what stands outside of them.
    """
    runtime = current_runtime()
    handlers = functions.check(runtime.required_sandbox(), body["kind"], body["code"])
    with runtime.writing() as session:
        made = functions.create(session, caller.workspace_id, body, handlers, caller.actor, caller.now)
        _record(session, caller, "function.created", made)
        return functions.document(made)


@endpoint("GET", "/functions/<function>", answer=schemas.Function, refusals=(404,))
def show_function(caller: Caller, function: str) -> Document:
    """Show one function."""
    with current_runtime().reading() as session:
        return functions.document(functions.by_key(session, caller.workspace_id, function))


@endpoint(
    "PATCH",
    "/functions/<function>",
    body=schemas.FunctionChange,
    answer=schemas.Function,
    refusals=(400, 404, 409, 413, 415),
)
def change_function(caller: Caller, function: str, body: dict[str, Any]) -> Document:
    """Save a new version of a function.

    Instances go on with their version until another one is deployed.
    """
    runtime = current_runtime()
    sandbox = runtime.required_sandbox()
    with runtime.reading() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        kept = {"name": found.name, "kind": found.kind, "code": found.latest.code, "settings": found.latest.settings}
    try:
        shape = FunctionShape().load({**kept, **body})
    except marshmallow.ValidationError as err:
        raise BadRequest(err.messages_dict, "body") from err
    handlers = functions.check(sandbox, shape["kind"], shape["code"])
    with runtime.writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        functions.save(session, found, shape, handlers, caller.actor, caller.now)
        _record(session, caller, "function.saved", found, version=found.latest.number)
        return functions.document(found)


@endpoint("DELETE", "/functions/<function>", answer=schemas.FunctionDeleted, refusals=(404,))
def delete_function(caller: Caller, function: str) -> Document:
    """Delete a function with its instances."""
    with current_runtime().writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        _record(session, caller, "function.deleted", found)
        functions.delete(session, found)
    return {"deleted": True}


@endpoint(
    "POST",
    "/functions/<function>/deploy",
    body=schemas.Deployment,
    answer=schemas.Deployed,
    refusals=(400, 404, 409, 413, 415),
)
def deploy_function(caller: Caller, function: str, body: dict[str, Any]) -> Document:
    """Have instances run a version."""
    runtime = current_runtime()
    runtime.required_sandbox()
    with runtime.writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        version = functions.version(found, body.get("version"))
        chosen = body.get("instances", [instance.id for instance in found.instances])
        count = functions.deploy(session, found, version, chosen)
        _record(session, caller, "function.deployed", found, version=version.number, instances=count)
        return {"version": version.number, "instances": count}


@endpoint("GET", "/functions/<function>/instances", answer=schemas.Instances, refusals=(404,))
def list_instances(caller: Caller, function: str) -> Document:
    """List the instances of a function."""
    with current_runtime().reading() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        return {"instances": [_instance(instance) for instance in found.instances]}


@endpoint(
    "POST",
    "/functions/<function>/instances",
    body=schemas.InstanceShape,
    answer=schemas.Instance,
    refusals=(400, 404, 409, 413, 415),
)
def connect_instance(caller: Caller, function: str, body: dict[str, Any]) -> Document:
    """Connect an instance of a function; it runs the newest version."""
    runtime = current_runtime()
    runtime.required_sandbox()
    with runtime.writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        made = function_instances.connect(session, found, body["name"], body["settings"], caller.now, runtime.vault)
        _record(session, caller, "function.connected", found, instance=made.id)
        return _instance(made)


@endpoint(
    "PATCH",
    "/functions/<function>/instances/<int:instance_id>",
    body=schemas.InstanceChange,
    answer=schemas.Instance,
    refusals=(400, 404, 413, 415),
)
def change_instance(caller: Caller, function: str, instance_id: int, body: dict[str, Any]) -> Document:
    """Change an instance: name, values of settings, on or off."""
    runtime = current_runtime()
    with runtime.writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        instance = functions.instance_of(found, instance_id)
        if "name" in body or "settings" in body:
            function_instances.change(
                session,
                instance,
                name=body.get("name", instance.name),
                values=body.get("settings", {}),
                vault=runtime.vault,
            )
        if "enabled" in body:
            function_instances.switch(session, instance, body["enabled"])
        _record(session, caller, "function.instance_changed", found, instance=instance.id, fields=sorted(body))
        return _instance(instance)


@endpoint(
    "DELETE",
    "/functions/<function>/instances/<int:instance_id>",
    answer=schemas.FunctionDeleted,
    refusals=(404,),
)
def disconnect_instance(caller: Caller, function: str, instance_id: int) -> Document:
    """Remove an instance with what waits for it."""
    with current_runtime().writing() as session:
        found = functions.by_key(session, caller.workspace_id, function)
        function_instances.disconnect(session, functions.instance_of(found, instance_id))
        _record(session, caller, "function.disconnected", found, instance=instance_id)
    return {"deleted": True}


@endpoint(
    "GET",
    "/functions/<function>/instances/<int:instance_id>/errors",
    answer=schemas.FunctionErrors,
    refusals=(404,),
)
def list_function_errors(caller: Caller, function: str, instance_id: int) -> Document:
    """List the failures of an instance.

    The newest hundred of thirty days, with input, log and error; what is still retried is not among them.
    """
    with current_runtime().reading() as session:
        instance = functions.instance_of(functions.by_key(session, caller.workspace_id, function), instance_id)
        return {"errors": [function_errors.document(error) for error in function_errors.newest(session, instance)]}


@endpoint("GET", "/objects", query=schemas.ObjectsQuery, answer=schemas.ObjectPage, refusals=(400,))
def list_objects(caller: Caller, query: dict[str, Any]) -> Document:
    """List the objects that source functions have set, by id."""
    with current_runtime().reading() as session:
        page = objects.page(session, caller.workspace_id, **query)
        return documents.page("objects", page, objects.document)


def _instance(instance: FunctionInstance) -> Document:
    runtime = current_runtime()
    return function_instances.document(instance, runtime.settings.base_url, runtime.vault)


def _record(session: Any, caller: Caller, action: str, function: Function, **detail: Any) -> None:
    audit.record(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        action=action,
        now=caller.now,
        detail={"key": function.key, **detail},
    )
