"""`productfruits function`: try a function from a file, save it, deploy it."""

from pathlib import Path
from typing import Any

import click
import marshmallow
import msgspec

from productfruits import config
from productfruits.cli import store
from productfruits.cli.output import fields, json_option, say, show, table
from productfruits.errors import ProductFruitsError
from productfruits.functions import definitions, errors
from productfruits.functions.definitions import FunctionShape
from productfruits.functions.runs import Call, Code, Run
from productfruits.functions.runtime import Sandbox
from productfruits.models import Function
from productfruits.outgoing.http import Egress
from productfruits.services import audit, function_runs, function_trials
from productfruits.services import function_instances as instances
from productfruits.services import functions as service
from productfruits.workers import function_sending


class UnusableFile(ProductFruitsError):
    """The file cannot be used."""


class RunFailed(ProductFruitsError):
    """The function threw."""


@click.group()
def function() -> None:
    """Run Segment's functions: try them out, save and deploy them."""


@function.command("list")
@store.workspace_option
@json_option
def list_(workspace_key: str | None, as_json: bool) -> None:
    """List the functions with their newest version and their instances."""
    with store.opened() as runtime:
        workspace = store.chosen(runtime, workspace_key)
        with runtime.reading() as session:
            found = [service.document(each) for each in service.of_workspace(session, workspace.id)]
    rows = [(each["key"], each["name"], each["kind"], each["version"], each["instances"]) for each in found]
    show({"functions": found}, as_json, table(("KEY", "NAME", "KIND", "VERSION", "INSTANCES"), rows))


@function.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--event", "event_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON of the event."
)
@click.option("--setting", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting's value; may come repeatedly.")
@json_option
def test(file: Path, event_file: Path | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Run the function in FILE once, in the sandbox, and print what it returned and logged.

    Takes an event (a message of Segment) for a destination function, or {"headers": {…}, "body": …} for one with
    onRequest. Without --event a sample is used. Needs no store and no server; exit code 1 if the function threw.
    """
    code = _code(file)
    sandbox = Sandbox(processes=1, ahead=False)
    try:
        handlers = sandbox.handlers(Code("", code, sends=True))
        kind = "source" if "onRequest" in handlers else "destination"
        service.check(sandbox, kind, code)
        run = _run(sandbox, kind, code, _given(event_file, kind), _settings(pairs))
    finally:
        sandbox.close()
    document = run_document(run)
    lines = [f"{line.level}: {line.text}" for line in run.log]
    calls = [f"Segment.{call['type']}: {msgspec.json.encode(call).decode()}" for call in document["calls"]]
    show(document, as_json, "\n".join([*lines, *calls, f"returned: {run.value or 'nothing'} ({run.took_ms} ms)"]))
    if run.failure is not None:
        title = errors.TITLES[run.failure.kind]
        raise RunFailed(f"{title}: {run.failure.stack or run.failure.name + ': ' + run.failure.message}")


@function.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@store.workspace_option
@click.option("--name", required=True, help="Name of the function; one with this name gets a new version.")
@click.option(
    "--instance", "chosen", type=int, multiple=True, help="Deploy to this instance only; may come repeatedly."
)
@click.option("--save-only", is_flag=True, help="Save a version and deploy it nowhere.")
@json_option
def deploy(
    file: Path, workspace_key: str | None, name: str, chosen: tuple[int, ...], save_only: bool, as_json: bool
) -> None:
    """Save the code in FILE as a new version and deploy it to the function's instances.

    A function that is not there yet is made, with the setting apiKey; connect it on its page.
    """
    code = _code(file)
    with store.opened() as runtime:
        sandbox = runtime.required_sandbox()
        workspace = store.chosen(runtime, workspace_key)
        handlers = sandbox.handlers(Code("", code, sends=True))
        kind = "source" if "onRequest" in handlers else "destination"
        taken = service.check(sandbox, kind, code)
        with runtime.writing() as session:
            now = store.now()
            found = next((f for f in service.of_workspace(session, workspace.id) if f.name == name), None)
            shape = _shape(name, kind, code, found)
            if found is None:
                found = service.create(session, workspace.id, shape, taken, "cli", now)
            else:
                service.save(session, found, shape, taken, "cli", now)
            wanted = chosen or [instance.id for instance in found.instances]
            count = 0 if save_only else service.deploy(session, found, found.latest, wanted)
            audit.record(
                session,
                workspace_id=workspace.id,
                actor="cli",
                action="function.saved" if save_only else "function.deployed",
                now=now,
                detail={"key": found.key, "version": found.latest.number, "instances": count},
            )
            made = {"function": found.key, "version": found.latest.number, "instances": count}
    show(made, as_json, fields(made.items()))
    if not count and not save_only:
        say("No instance runs it yet: connect one on the function's page.")


def run_document(run: Run) -> dict[str, Any]:
    """What came of a run, for programs."""
    failure = run.failure
    return {
        "ok": failure is None,
        "returned": None if run.value is None else msgspec.json.decode(run.value),
        "error": failure
        and {
            "kind": errors.TITLES[failure.kind],
            "name": failure.name,
            "message": failure.message,
            "stack": failure.stack,
        },
        "log": [{"level": line.level, "text": line.text} for line in run.log],
        "calls": [msgspec.json.decode(call) for call in run.calls],
        "requests": [msgspec.to_builtins(exchange) for exchange in run.exchanges],
        "took_ms": run.took_ms,
    }


def _run(sandbox: Sandbox, kind: str, code: str, given: dict[str, Any], settings: dict[str, str]) -> Run:
    values = [{**definitions.API_KEY, "key": key, "label": key} for key in settings]
    # Nothing of a workspace: a function that belongs to nobody, for this once.
    trial = instances.trial(Function(id=0, workspace_id=0, test_token=""), kind, code, values, settings)
    egress = Egress(config.load().egress_allow)
    if kind == "source":
        return function_runs.run(sandbox, egress, trial, Call("onRequest", (), given))
    handler = function_sending.HANDLERS.get(str(given.get("type", "track")))
    if handler is None:
        raise UnusableFile("The event's type must be identify, track, page, screen, group, alias or delete.")
    return function_runs.run(sandbox, egress, trial, Call(handler, (given,)))


def _code(file: Path) -> str:
    try:
        code = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UnusableFile(f"{file} cannot be read as text in UTF-8.") from err
    if not 1 <= len(code) <= definitions.CODE_CHARACTERS:
        raise UnusableFile(f"{file} is empty, or longer than {definitions.CODE_CHARACTERS:,} characters.")
    return code


def _given(file: Path | None, kind: str) -> dict[str, Any]:
    if file is None:
        if kind == "destination":
            return function_trials.sample("track", store.now())
        return function_trials.sample_request("https://localhost/functions/test")
    try:
        given = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise UnusableFile(f"{file} is not JSON.") from err
    if not isinstance(given, dict):
        raise UnusableFile(f"{file} must hold one JSON object.")
    return given if kind == "destination" else request_of(given)


def request_of(given: dict[str, Any]) -> dict[str, Any]:
    """A request from {"headers": {…}, "body": …, "url": …}; a body that is no text is sent as JSON."""
    headers, body = given.get("headers", {}), given.get("body", given if "headers" not in given else "")
    if not isinstance(headers, dict):
        raise UnusableFile("`headers` must be an object of names and values.")
    pairs = [[str(name), str(value)] for name, value in headers.items()] or [["Content-Type", "application/json"]]
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    url = str(given.get("url", "https://localhost/functions/test"))
    return {"method": "POST", "url": url, "headers": pairs, "body": text}


def _settings(pairs: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not definitions.KEY.fullmatch(key):
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE.", param_hint="--setting")
        settings[key] = value
    return settings


def _shape(name: str, kind: str, code: str, found: Function | None) -> dict[str, Any]:
    settings = found.latest.settings if found is not None else [dict(definitions.API_KEY)]
    try:
        shape: dict[str, Any] = FunctionShape().load({"name": name, "kind": kind, "code": code, "settings": settings})
    except marshmallow.ValidationError as err:
        raise UnusableFile(f"The function cannot be used: {err.messages_dict}") from err
    return shape
