"""What an endpoint is: method, path, schemas, and a view that gets a caller whose key was checked.

One table for three readers: Flask routes by it, the OpenAPI document is made from it, and the tests walk it.
"""

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import marshmallow
from flask import Blueprint, Response, current_app, request

from productfruits.adoption import documents
from productfruits.segment import reader
from productfruits.segment.reader import Unreadable
from productfruits.services import api_keys
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api.refusals import BadRequest, NotJson, Unauthorized, json_response
from productfruits.web.ingest.door import Door

PREFIX = "/api/v1"
SOURCE = "api"
BODY_BYTES = 1024 * 1024

routes = Blueprint("api", __name__, url_prefix=PREFIX)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent this request: a live API key, and the only workspace it may see."""

    workspace_id: int
    actor: str
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table. `path` is Flask's; `refusals` are the codes besides those that any endpoint can answer."""

    method: str
    path: str
    summary: str
    description: str
    answer: type[marshmallow.Schema]
    query: type[marshmallow.Schema] | None
    body: type[marshmallow.Schema] | None
    refusals: tuple[int, ...]


ENDPOINTS: list[Endpoint] = []
View = Callable[..., Document]


def endpoint(
    method: str,
    path: str,
    *,
    answer: type[marshmallow.Schema],
    query: type[marshmallow.Schema] | None = None,
    body: type[marshmallow.Schema] | None = None,
    refusals: tuple[int, ...] = (),
    way_in: bool = False,
) -> Callable[[View], View]:
    """Register a view. It is called with the caller, then `query` and `body` as loaded, then the path's parts.

    `way_in`: what it takes becomes events, and counts among the requests of the workspace.
    """
    if way_in:
        refusals = (*refusals, 429)

    def register(view: View) -> View:
        summary, _, description = (view.__doc__ or "").partition("\n")
        told = " ".join(description.split())
        ENDPOINTS.append(Endpoint(method, path, summary.rstrip("."), told, answer, query, body, refusals))

        @functools.wraps(view)
        def guarded(**parts: Any) -> Response:
            arguments: dict[str, Any] = dict(parts)
            caller = _caller()
            if way_in:
                door: Door = current_app.extensions["productfruits.door"]
                door.admission.let_in(caller.workspace_id, "server", SOURCE)
            if query is not None:
                arguments["query"] = _load(query(), request.args.to_dict(flat=False), "query")
            elif request.args:
                raise BadRequest({name: ["Unknown parameter."] for name in request.args}, "query")
            if body is not None:
                arguments["body"] = _load(body(), _json_object(), "body")
            return json_response(view(caller, **arguments))

        routes.add_url_rule(path, view.__name__, guarded, methods=[method])
        return view

    return register


def _caller() -> Caller:
    now = dt.datetime.now(dt.UTC)
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized()
    runtime = current_runtime()
    with runtime.reading() as session:
        found = api_keys.verify(session, key.strip(), now)
    if found is None:
        raise Unauthorized()
    if found.stale:
        with runtime.writing() as session:
            api_keys.touch(session, found.id, now)
    return Caller(found.workspace_id, f"api key {found.name}", now)


def _load(schema: marshmallow.Schema, said: Any, where: str) -> Any:
    if where == "query":
        repeated = {name: ["Give it only once."] for name, values in said.items() if len(values) > 1}
        if repeated:
            raise BadRequest(repeated, where)
        said = {name: values[0] for name, values in said.items()}
    try:
        return schema.load(said)
    except marshmallow.ValidationError as err:
        raise BadRequest(documents.by_place(documents.problems(err.messages, schema)), where) from err


def _json_object() -> Any:
    request.max_content_length = BODY_BYTES
    if request.mimetype != "application/json":
        raise NotJson()
    read = reader.read(request.get_data())
    if read.is_array:
        raise BadRequest({"": ["The body must be one JSON object."]}, "body")
    (element,) = read.elements
    if element.problem is not None:
        raise Unreadable(element.problem)
    return element.value
