"""Functions: the list, the editor, trials. A form holds all of the editor; which button was pressed says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from productfruits.errors import ProductFruitsError
from productfruits.functions import definitions, errors, examples
from productfruits.functions.errors import Busy, DoesNotStart, InvalidCode
from productfruits.functions.runs import Call, Run
from productfruits.models import Event, Function
from productfruits.services import function_instances, function_runs, function_trials, functions, objects
from productfruits.services.function_instances import Runnable
from productfruits.services.functions import NoHandler, OwnAddress
from productfruits.web import current_runtime
from productfruits.web.admin import forms, function_forms, gate, words
from productfruits.web.admin.function_forms import Draft
from productfruits.web.admin.gate import Place
from productfruits.workers.function_sending import HANDLERS


@dataclass(frozen=True, slots=True)
class Trial:
    """A run in the editor. `type`: of the event it was given."""

    type: str
    run: Run
    #: Why it did not even run.
    refused: str | None = None


@gate.page("/w/<workspace>/functions", needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.reading() as store:
        found = functions.of_workspace(store, place.workspace.id)
        return render_template(
            "functions/index.html",
            functions=found,
            collections=objects.collections(store, place.workspace.id),
            on=runtime.sandbox is not None,
        )


@gate.page("/w/<workspace>/functions/new", needs="owner")
def new(place: Place) -> ResponseReturnValue:
    return render_template(
        "functions/new.html", examples=examples.EXAMPLES, on=current_runtime().sandbox is not None, name=""
    )


@gate.page("/w/<workspace>/functions/new", needs="owner", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.NewFunction)
    example = examples.EXAMPLES[said["example"]]
    runtime = current_runtime()
    runtime.required_sandbox()
    name = said["name"].strip() or example.title
    with runtime.writing() as store:
        made = functions.create(
            store, place.workspace.id, examples.shape(name, example), example.handlers, place.admin.email, gate.now()
        )
        gate.record(store, place, "function.created", key=made.key)
    return redirect(url_for("admin.functions_show", workspace=place.workspace.key, function_key=made.key), 303)


@gate.page("/w/<workspace>/functions/<function_key>", needs="viewer")
def show(place: Place, function_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        function = functions.by_key(store, place.workspace.id, function_key)
        version = functions.version(function, request.args.get("version", type=int))
        draft = Draft(function.name, function.kind, version.code, [dict(s) for s in version.settings], "")
        _fill(draft, function, f"{'caught' if function.caught else 'sample'}:track")
        return _page(place, function, draft, shown=version.number)


@gate.page("/w/<workspace>/functions/<function_key>", needs="owner", methods=("POST",))
def edit(place: Place, function_key: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.reading() as store:
        function = functions.by_key(store, place.workspace.id, function_key)
        draft = function_forms.read(function.kind)
        action, _, argument = request.form.get("do", "").partition(":")
        match action:
            case "save" | "deploy":
                return _save(place, function, draft, deploys=action == "deploy")
            case "run":
                return _try(place, function, draft)
            case "fill":
                return _filled(place, function, draft, argument)
            case "wait":
                return _wait(place, function)
            case "delete":
                return _delete(place, function)
            case _:
                abort(400)


def _save(place: Place, function: Function, draft: Draft, *, deploys: bool) -> ResponseReturnValue:
    runtime = current_runtime()
    try:
        shape = draft.shape()
        handlers = functions.check(runtime.required_sandbox(), function.kind, draft.code)
        with runtime.writing() as store:
            found = functions.by_key(store, place.workspace.id, function.key)
            version = functions.save(store, found, shape, handlers, place.admin.email, gate.now())
            count = functions.deploy(store, found, version, function_forms.chosen_instances()) if deploys else 0
            action = "function.deployed" if deploys else "function.saved"
            gate.record(store, place, action, key=found.key, version=version.number, instances=count)
    except ValidationError as err:
        return _page(place, function, draft, error=function_forms.words(err), status=400)
    except (InvalidCode, NoHandler, OwnAddress, DoesNotStart, Busy) as err:
        return _page(place, function, draft, error=str(err), status=400)
    told = f"Version {version.number} is saved"
    flash(
        f"{told} and runs in {count} of the instances." if deploys else f"{told}. No instance was changed.", "success"
    )
    return _back(place, function.key)


def _try(place: Place, function: Function, draft: Draft) -> ResponseReturnValue:
    """Run the draft as it stands, in an isolate that nobody else has."""
    runtime = current_runtime()
    runtime.required_sandbox()
    try:
        draft.shape()
    except ValidationError as err:
        return _page(place, function, draft, error=function_forms.words(err), status=400)
    every = request.form.get("do") == "run:all"
    runnable = _trial(function, draft)
    if function.kind == "source":
        call = Call("onRequest", (), draft.request(_test_url(function)))
        return _page(place, function, draft, trials=[_run(runnable, "request", call)])
    if every:
        trials = []
        for kind in function_trials.TYPES:
            given = function_trials.sample(kind, gate.now())
            trials.append(_run(runnable, kind, Call(HANDLERS[kind], (given,))))
        return _page(place, function, draft, trials=trials, every=True)
    event = function_forms.event(draft.given)
    kind = str(event.get("type", "")).lower() if event else ""
    if event is None or kind not in HANDLERS:
        told = "The event must be a JSON object whose `type` is identify, track, page, screen, group, alias or delete."
        return _page(place, function, draft, error=told, status=400)
    return _page(place, function, draft, trials=[_run(runnable, kind, Call(HANDLERS[kind], (event,)))])


def _trial(function: Function, draft: Draft) -> Runnable:
    settings = definitions.with_keys(draft.settings)
    values = {key: value for key, value in draft.trial_values().items() if value is not None}
    return function_instances.trial(function, function.kind, draft.code, settings, values)


def _run(runnable: Runnable, kind: str, call: Call) -> Trial:
    runtime = current_runtime()
    try:
        return Trial(kind, function_runs.run(runtime.required_sandbox(), runtime.egress, runnable, call))
    except ProductFruitsError as err:
        return Trial(kind, Run(None, None, (), (), (), 0), refused=str(err))


def _filled(place: Place, function: Function, draft: Draft, what: str) -> ResponseReturnValue:
    if what == "chosen":
        what = request.form.get("chosen", "sample:track")
    _fill(draft, function, what)
    return _page(place, function, draft)


def _fill(draft: Draft, function: Function, what: str) -> None:
    """Put a sample, a stored event or the caught request where the function's input stands."""
    source, _, which = what.partition(":")
    if function.kind == "source":
        given = function.caught if source == "caught" and function.caught else function_trials.sample_request("")
        draft.given = given["body"]
        draft.headers = "\n".join(f"{name}: {value}" for name, value in given["headers"])
        return
    event = None
    if source == "event" and which.isascii() and which.isdigit() and len(which) < 19:
        with current_runtime().reading() as store:
            event = function_trials.past_event(store, function.workspace_id, int(which))
    kind = which if which in function_trials.TYPES else "track"
    given = function_trials.message(event) if event is not None else function_trials.sample(kind, gate.now())
    draft.given = words.pretty(given)


def _wait(place: Place, function: Function) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        found = functions.by_key(store, place.workspace.id, function.key)
        function_trials.wait_for_request(store, found, gate.now())
    flash("The next request to the test address is kept for ten minutes. Send it, then reload this page.", "success")
    return _back(place, function.key)


def _delete(place: Place, function: Function) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.writing() as store:
        found = functions.by_key(store, place.workspace.id, function.key)
        gate.record(store, place, "function.deleted", key=found.key)
        number = found.id
        functions.delete(store, found)
    if runtime.sandbox is not None:
        runtime.sandbox.forget(f"{number}:")
    flash(f"The function “{function.name}” is deleted.", "success")
    return redirect(url_for("admin.functions_index", workspace=place.workspace.key), 303)


def _page(
    place: Place,
    function: Function,
    draft: Draft,
    *,
    trials: Sequence[Trial] = (),
    every: bool = False,
    error: str | None = None,
    shown: int | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    runtime = current_runtime()
    events: list[Event] = []
    with runtime.reading() as store:
        if function.kind == "destination":
            events = function_trials.past_events(store, place.workspace.id)
        found = functions.by_key(store, place.workspace.id, function.key)
        page = render_template(
            "functions/show.html",
            function=found,
            draft=draft,
            settings=definitions.with_keys(draft.settings),
            rows=len(draft.settings) + function_forms.MORE_ROWS,
            types=definitions.TYPES,
            samples=function_trials.TYPES,
            events=events,
            trials=trials,
            every=every,
            error=error,
            titles=errors.TITLES,
            shown=shown or found.latest.number,
            test_url=_test_url(found),
            waits=found.caught is None and (found.catches_until or gate.now()) > gate.now(),
            on=runtime.sandbox is not None,
        )
    return page, status


def _test_url(function: Function) -> str:
    return function_instances.url(current_runtime().settings.base_url, function.test_token)


def _back(place: Place, function_key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.functions_show", workspace=place.workspace.key, function_key=function_key), 303)
