"""JSON Schema of the documents of content, for editors and programs: taken out of the OpenAPI document."""

import functools
from typing import Any

from flask import Response

from productfruits.adoption import documents
from productfruits.web import current_runtime
from productfruits.web.api import openapi
from productfruits.web.api.endpoints import PREFIX
from productfruits.web.api.refusals import json_response

PATH = f"{PREFIX}/content-schema.json"
_COMPONENTS = "#/components/schemas/"


@openapi.routes.get(PATH)
def show() -> Response:
    return json_response(content_schema(current_runtime().settings.base_url))


@functools.lru_cache(maxsize=4)
def content_schema(base_url: str) -> dict[str, Any]:
    """One schema that takes a tour, a checklist or a theme; `#/$defs/Tour` and so on take one kind only."""
    components = openapi.document(base_url)["components"]["schemas"]
    kinds = [schema.__name__ for schema in documents.SCHEMAS.values()]
    needed: dict[str, Any] = {}
    waiting = list(kinds)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name], found = _moved(components[name])
            waiting += found
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": base_url + PATH,
        "title": "Content of productfruits",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in kinds],
        "$defs": dict(sorted(needed.items())),
    }


def _moved(node: Any) -> tuple[Any, list[str]]:
    """The node with its references to $defs, and the names that it refers to."""
    names: list[str] = []

    def move(inner: Any) -> Any:
        if isinstance(inner, list):
            return [move(each) for each in inner]
        if not isinstance(inner, dict):
            return inner
        moved = {key: move(each) for key, each in inner.items()}
        if isinstance(moved.get("$ref"), str):
            name = moved["$ref"].removeprefix(_COMPONENTS)
            names.append(name)
            moved["$ref"] = f"#/$defs/{name}"
        return moved

    return move(node), names
