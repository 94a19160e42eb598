"""Functions over the API: saved as versions, deployed, connected, and refused."""

from collections.abc import Callable
from typing import Any

import pytest


def test_the_api_saves_versions_and_deploys_them(api: Callable[..., Any]) -> None:
    shape = {"name": "Mirror", "kind": "destination", "code": "function onTrack() { return 1 }"}
    key = api("POST", "/functions", shape)["key"]
    first = api("POST", f"/functions/{key}/instances", {"name": "One"})
    changed = api("PATCH", f"/functions/{key}", {"code": "function onPage() { return 2 }"})
    assert (changed["version"], changed["handlers"]) == (2, ["onPage"])
    (instance,) = api("GET", f"/functions/{key}/instances")["instances"]
    assert instance["version"] == 1
    assert api("POST", f"/functions/{key}/deploy", {}) == {"version": 2, "instances": 1}
    path = f"/functions/{key}/instances/{first['id']}"
    assert api("PATCH", path, {"enabled": False, "name": "Two"})["enabled"] is False
    assert api("DELETE", path) == {"deleted": True}
    api("DELETE", f"/functions/{key}")
    api("GET", f"/functions/{key}", status=404)
    assert key not in {each["key"] for each in api("GET", "/functions")["functions"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "function onTrack( {"}, "invalid_code"),
        ({"code": "1"}, "no_handler"),
        ({"code": ""}, "invalid_request"),
        ({"kind": "other"}, "invalid_request"),
        ({"settings": [{"label": "A"}, {"label": "a"}]}, "invalid_request"),
        ({"more": 1}, "invalid_request"),
    ],
)
def test_what_the_api_refuses(api: Callable[..., Any], body: dict[str, Any], code: str) -> None:
    shape = {"name": "X", "kind": "destination", "code": "function onTrack() {}", **body}
    assert api("POST", "/functions", shape, status=400)["code"] == code


def test_a_missing_value_and_a_foreign_one_are_refused(api: Callable[..., Any], address: str, world: Any) -> None:
    wrong = {"name": "Y", "settings": {"other": "x"}}
    assert api("POST", "/functions/payments/instances", wrong, status=400)["code"] == "invalid_settings"
    foreign = world.other.ids
    api("GET", f"/functions/{foreign['function_key']}", status=404)
    path = f"/functions/payments/instances/{foreign['instance_id']}"
    api("DELETE", path, status=404)


def test_a_source_function_that_names_its_own_address_is_not_saved(api: Callable[..., Any], address: str) -> None:
    code = f"function onRequest() {{ return fetch('https://x.example{address}') }}"
    assert api("PATCH", "/functions/payments", {"code": code}, status=400)["code"] == "own_address"
