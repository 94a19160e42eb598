"""How users fare in tours and checklists, over the API."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import marshmallow
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from productfruits.services import api_keys, workspaces
from productfruits.web.api.endpoints import ENDPOINTS, PREFIX
from productfruits.workers.runtime import Runtime
from tests.services.contents import checklist, happened, publish, tour
from tests.services.messages import arrival, message

NOW = dt.datetime.now(dt.UTC)
PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}


class Api:
    def __init__(self, client: FlaskClient, key: str, user_id: str) -> None:
        self.client, self.key, self.user_id = client, key, user_id

    def call(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}"}
        path = path.replace("USER", self.user_id)
        return self.client.open(PREFIX + path, method=method, headers=headers, **more)

    def ok(self, method: str, path: str, **more: Any) -> Any:
        """The answer, which is as the endpoint's schema says it is."""
        response = self.call(method, path, **more)
        assert response.status_code == 200, response.text
        route = path.partition("?")[0].replace("USER", "<user_id>").replace("first", "<key>").replace("start", "<key>")
        [endpoint] = [each for each in ENDPOINTS if (each.method, each.path) == (method, route)]
        said: Any = response.json
        assert endpoint.answer(unknown=marshmallow.RAISE).validate(said) == {}
        return said


@pytest.fixture
def api(app: Flask) -> Iterator[Api]:
    runtime: Runtime = app.extensions["productfruits"]
    with runtime.writing() as session:
        workspace = workspaces.create(session, "Acme", NOW)
        key = api_keys.create(session, workspace, "Test", NOW).key
        first = publish(session, workspace.id, "tour", tour("welcome", targeting=PRO), "first")
        start = publish(
            session, workspace.id, "checklist", checklist(connect={"by": "event", "event": "Connected"}), "start"
        )
    runtime.writer.receive(
        arrival(
            workspace.id,
            message("identify", "ada", message_id="m-1", traits={"plan": "free"}),
            happened("tour_started", first),
            happened("checklist_started", start),
            message("track", "ada", message_id="m-2", name="Connected"),
            received_at=NOW,
        )
    )
    client = app.test_client()
    headers = {"Authorization": f"Bearer {key}"}
    found: Any = client.get(f"{PREFIX}/users?username=ada", headers=headers).json
    yield Api(client, key, found["users"][0]["id"])


def test_numbers_of_a_tour_and_of_a_checklist(api: Api) -> None:
    numbers = api.ok("GET", "/tours/first/stats")
    assert (numbers["started"], numbers["states"]) == ({"users": 1, "total": 1}, {"in_progress": 1})
    later = (NOW + dt.timedelta(days=1)).isoformat()
    assert api.ok("GET", "/tours/first/stats", query_string={"from": later})["started"]["total"] == 0
    items = api.ok("GET", "/checklists/start/stats")["items"]
    assert [(item["id"], item["completed"]["users"]) for item in items] == [("connect", 1)]
    assert api.call("GET", "/tours/start/stats").status_code == 404
    assert api.call("GET", "/tours/first/stats?from=yesterday").status_code == 400


def test_what_a_user_was_shown_and_why_something_is_not(api: Api) -> None:
    shown = {each["key"]: each for each in api.ok("GET", "/users/USER/content")["content"]}
    assert (shown["first"]["state"], shown["start"]["state"]) == ("in_progress", "completed")
    assert shown["start"]["items"]["connect"]["how"] == "event"
    [first] = api.ok("GET", "/users/USER/content/why", query_string={"key": "first"})["content"]
    assert first["shows"] is False
    [closed] = [gate for gate in first["gates"] if not gate["passed"]]
    assert (closed["code"], "free" in closed["known"]) == ("rule_not_matched", True)
    assert api.call("GET", "/users/USER/content/why?key=other").status_code == 404


def test_beginning_anew_for_one_and_for_everybody(api: Api) -> None:
    assert api.ok("POST", "/users/USER/content/reset", json={"key": "first"}) == {"reset": 1}
    assert [each["key"] for each in api.ok("GET", "/users/USER/content")["content"]] == ["start"]
    assert api.ok("POST", "/checklists/start/reset")["key"] == "start"
    assert api.ok("GET", "/users/USER/content")["content"] == []
