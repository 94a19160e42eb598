"""The API described for programs (OpenAPI 3.1) and for people (a page), both made from the table of endpoints."""

import functools
import re
from typing import Any

import marshmallow
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Response, render_template
from markupsafe import Markup

import productfruits
from productfruits.adoption import documents
from productfruits.web import current_runtime
from productfruits.web.api import rules, schemas
from productfruits.web.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from productfruits.web.api.refusals import json_response

#: https://spec.openapis.org/oas/v3.1.1.html
VERSION = "3.1.1"
INTRODUCTION = (
    "Read and change what this server knows about the users of one workspace, and what they are shown. Every request "
    "carries an API key of the workspace: `Authorization: Bearer KEY`. Lists come in pages; follow `next_cursor` until "
    "it is null. Keys are added to these documents, never renamed or taken away: ignore what you do not know."
)
REFUSALS = {
    400: "Something in the query or the body cannot be used; `errors` says what.",
    401: "The API key is missing, wrong or revoked.",
    404: "There is nothing with this id in the workspace of the key.",
    409: "It contradicts what is stored, like an e-mail or a key that is taken; `code` says what.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not JSON, or does not say so.",
    429: "The workspace sends more than this server takes from one; Retry-After says when to come again.",
    503: "This cannot be answered right now; `code` says why and Retry-After when to come again.",
}
#: What any endpoint can answer.
ALWAYS = (401, 503)
_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_PARTS = {
    "user_id": "Our id of the user.",
    "username": "The user's id in your own database.",
    "group_id": "Segment's groupId.",
    "destination": "The destination's key.",
    "function": "The function's key.",
    "instance_id": "The instance's number.",
    "key": "Its key.",
    "number": "Its number.",
}

routes = Blueprint("api_docs", __name__)


@routes.get(f"{PREFIX}/openapi.json")
def openapi() -> Response:
    return json_response(document(current_runtime().settings.base_url))


@routes.get("/api/docs")
def docs() -> str:
    described = document(current_runtime().settings.base_url)
    refusals = [(str(status), "JSON", meaning) for status, meaning in REFUSALS.items()]
    return render_template("api/docs.html", spec=described, operations=operations(described), refusals=refusals)


@routes.app_template_filter()
def coded(text: str) -> Markup:
    """`text` with what stands in backticks as code."""
    parts = text.split("`")
    code = Markup('<code class="code">{}</code>')
    return Markup("").join(code.format(part) if odd % 2 else part for odd, part in enumerate(parts))


@functools.lru_cache(maxsize=4)
def document(base_url: str) -> dict[str, Any]:
    """The OpenAPI document of a server at this address."""
    named: dict[str, type[marshmallow.Schema]] = {}

    def name(schema: Any) -> str:
        resolved = schema if isinstance(schema, type) else type(schema)
        return str(named.setdefault(resolved.__name__, resolved).__name__)

    spec = APISpec(
        title="productfruits",
        version=productfruits.__version__,
        openapi_version=VERSION,
        plugins=[MarshmallowPlugin(schema_name_resolver=name)],
        info={"description": INTRODUCTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": base_url}],
        security=[{"api_key": []}],
    )
    spec.components.security_scheme(
        "api_key",
        {"type": "http", "scheme": "bearer", "description": "Made by an admin, or with: productfruits api-key create"},
    )
    # Users first: they are what people come for.
    for endpoint in sorted(ENDPOINTS, key=lambda endpoint: not endpoint.path.startswith("/users")):
        spec.path(path=PREFIX + _PART.sub(r"{\1}", endpoint.path), operations=_operation(endpoint))
    rules.register(spec)
    for schema in documents.SCHEMAS.values():
        if schema.__name__ not in named:
            spec.components.schema(schema.__name__, schema=schema)
    described: dict[str, Any] = spec.to_dict()
    for component, schema in named.items():
        described["components"]["schemas"][component]["description"] = " ".join((schema.__doc__ or "").split())
    return rules.referred_to(described)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PARTS[name],
                "schema": {"type": "string"},
            }
            for name in _PART.findall(endpoint.path)
        ],
        "responses": {
            "200": {"description": "Done.", "content": _json(endpoint.answer)},
            **{
                str(status): {"description": REFUSALS[status], "content": _json(schemas.Refusal)}
                for status in sorted({*endpoint.refusals, *ALWAYS})
            },
        },
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.query is not None:
        operation["parameters"].append({"in": "query", "schema": endpoint.query})
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(endpoint.body)}
    return {endpoint.method.lower(): operation}


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z]+", _PART.sub("", endpoint.path))
    return "_".join([endpoint.method.lower(), *words, *(["one"] if endpoint.path.endswith(">") else [])])


def _json(schema: type[marshmallow.Schema]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations as the page shows them: one after the other, schemas resolved into rows of fields."""
    found = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            found.append(
                {
                    **operation,
                    "method": method.upper(),
                    "path": path,
                    "given": [
                        (given["name"], _type(given["schema"]), given.get("description", ""))
                        for given in operation["parameters"]
                    ],
                    "answer": _rows(described, answer),
                    "body": _rows(described, body) if body else [],
                    "refusals": {
                        status: response["description"]
                        for status, response in operation["responses"].items()
                        if status != "200"
                    },
                }
            )
    return found


def _rows(described: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> list[tuple[str, str, str]]:
    """(name, type, description) of every field; fields of what is inside stand under it with their path."""
    resolved = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    rows: list[tuple[str, str, str]] = []
    for name, field in resolved.get("properties", {}).items():
        rows.append((prefix + name, _type(field), field.get("description", "")))
        inner = field.get("items", field)
        if "$ref" in inner:
            rows += _rows(described, inner, f"{prefix}{name}{'[]' if 'items' in field else ''}.")
    return rows


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "object"
    kinds = field.get("type", "object")
    named = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{named} of {_type(field['items'])}s" if "items" in field else named
