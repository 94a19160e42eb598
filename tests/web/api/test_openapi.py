"""The OpenAPI document and the page that shows it: every endpoint of the table, nothing from elsewhere."""

import re
from collections.abc import Iterator
from typing import Any

from productfruits.web.api import openapi
from productfruits.web.api.endpoints import ENDPOINTS, PREFIX
from tests.web.api.acme import Acme


def test_the_openapi_document_describes_every_endpoint(shared: Acme) -> None:
    response = shared.client.get(f"{PREFIX}/openapi.json")
    assert response.status_code == 200
    described = response.json
    assert described is not None and described["openapi"] == "3.1.1"
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {
        (endpoint.method, PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", endpoint.path)) for endpoint in ENDPOINTS
    }
    known = set(described["components"]["schemas"])
    used = {text.rpartition("/")[2] for text in _references(described)}
    assert used <= known
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"] and "200" in operation["responses"] and "401" in operation["responses"]
    assert described["components"]["schemas"]["User"]["required"] == sorted(
        ["id", "username", "email", "traits", "aliases", "first_seen_at", "last_seen_at", "created_at"]
    )


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_page_shows_every_endpoint_and_loads_nothing_from_elsewhere(shared: Acme) -> None:
    response = shared.client.get("/api/docs")
    assert response.status_code == 200 and response.mimetype == "text/html"
    for endpoint in ENDPOINTS:
        assert endpoint.summary in response.text
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    base = openapi.document("http://127.0.0.1:8000")["servers"][0]["url"]
    assert all(part.startswith((base, "/")) for part in response.text.replace("'", '"').split('src="')[1:])
    for forbidden in ("<style", "style=", "onclick", "<script>"):
        assert forbidden not in response.text
