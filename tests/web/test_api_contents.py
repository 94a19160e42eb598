"""Tours, checklists and themes over HTTP: exact documents, statuses, refusals by place, and the schema for editors."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from productfruits.adoption import documents
from productfruits.models import Workspace
from productfruits.services import api_keys, audit
from productfruits.web.api.endpoints import PREFIX
from productfruits.workers.runtime import Runtime
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored

Call = Callable[..., TestResponse]


@pytest.fixture
def owner(app_on_both: Flask, runtime: Runtime) -> int:
    with runtime.writing() as session:
        return factories.workspace(session).id


@pytest.fixture
def call(app_on_both: Flask, runtime: Runtime, owner: int) -> Iterator[Call]:
    """Calls the API with a key of the workspace: call("GET", "/tours")."""
    with runtime.writing() as session:
        workspace = session.get_one(Workspace, owner)
        key = api_keys.create(session, workspace, "test", NOW).key
    client: FlaskClient = app_on_both.test_client()
    yield lambda method, path, **more: client.open(
        PREFIX + path, method=method, headers={"Authorization": f"Bearer {key}"}, **more
    )


def refusal(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    said: dict[str, Any] = response.get_json()
    assert (response.status_code, said["code"]) == (status, code), said
    return said


def answer(response: TestResponse) -> Any:
    assert response.status_code == 200, response.text
    return response.get_json()


@pytest.mark.parametrize("kind", ["tour", "checklist"])
def test_a_content_lives_from_its_draft_to_its_deletion(call: Call, runtime: Runtime, owner: int, kind: str) -> None:
    plural = f"{kind}s"
    written = authored.tour("one") if kind == "tour" else authored.checklist("one")
    made = answer(call("POST", f"/{plural}", json=written))
    assert {name: made[name] for name in made if name not in ("id", "created_at", "updated_at")} == {
        "kind": kind,
        "key": "one",
        "name": written["name"],
        "status": "draft",
        "draft_differs": True,
        "published_version": None,
        "previous_version": None,
        "archived_at": None,
        "document": documents.load(kind, written),
    }
    assert answer(call("GET", f"/{plural}/one")) == made
    assert answer(call("GET", f"/{plural}")) == {
        plural: [{name: made[name] for name in made if name != "document"}],
        "next_cursor": None,
    }

    published = answer(call("POST", f"/{plural}/one/publish"))
    assert (published["status"], published["published_version"], published["draft_differs"]) == ("published", 1, False)
    assert "exactly this" in refusal(call("POST", f"/{plural}/one/publish"), 409, "nothing_to_publish")["message"]
    refusal(call("POST", f"/{plural}/one/revert"), 409, "nothing_before")
    refusal(call("DELETE", f"/{plural}/one"), 409, "still_published")

    changed = answer(call("PUT", f"/{plural}/one", json={**made["document"], "name": "Changed"}))
    assert (changed["name"], changed["draft_differs"], changed["published_version"]) == ("Changed", True, 1)
    assert answer(call("POST", f"/{plural}/one/publish"))["published_version"] == 2
    assert answer(call("POST", f"/{plural}/one/revert"))["published_version"] == 1
    versions = answer(call("GET", f"/{plural}/one/versions"))["versions"]
    assert [(each["number"], each["published_by"]) for each in versions] == [(2, "api key test"), (1, "api key test")]
    assert answer(call("GET", f"/{plural}/one/versions/1"))["document"] == made["document"]

    copied = answer(call("POST", f"/{plural}/one/duplicate", json={"key": "two"}))
    assert (copied["key"], copied["name"], copied["status"]) == ("two", "Changed (copy)", "draft")
    refusal(call("POST", f"/{plural}/one/duplicate", json={"key": "two"}), 409, "key_taken")
    assert set(
        refusal(call("POST", f"/{plural}/one/duplicate", json={"key": "A b"}), 400, "invalid_request")["errors"]
    ) == {"key"}

    assert answer(call("POST", f"/{plural}/one/unpublish"))["status"] == "draft"
    refusal(call("POST", f"/{plural}/one/unpublish"), 409, "not_published")
    refusal(call("POST", f"/{plural}/one/unarchive"), 409, "not_archived")
    assert answer(call("POST", f"/{plural}/one/archive"))["archived_at"] is not None
    refusal(call("PUT", f"/{plural}/one", json=changed["document"]), 409, "archived")
    assert [row["key"] for row in answer(call("GET", f"/{plural}"))[plural]] == ["two"]
    assert [row["key"] for row in answer(call("GET", f"/{plural}?status=archived"))[plural]] == ["one"]
    assert answer(call("POST", f"/{plural}/one/unarchive"))["status"] == "draft"
    assert answer(call("DELETE", f"/{plural}/one")) == {"deleted": "one"}
    refusal(call("GET", f"/{plural}/one"), 404, "not_found")

    with runtime.reading() as session:
        entries = [(entry.action, entry.detail["key"]) for entry in audit.newest(session, owner)][::-1]
    assert entries == [
        ("content.created", "one"),
        ("content.published", "one"),
        ("content.changed", "one"),
        ("content.published", "one"),
        ("content.reverted", "one"),
        ("content.created", "two"),
        ("content.unpublished", "one"),
        ("content.archived", "one"),
        ("content.unarchived", "one"),
        ("content.deleted", "one"),
    ]


def test_what_cannot_be_used_is_refused_with_its_place(call: Call) -> None:
    wrong = authored.step(buttons=[authored.button("fly")]) | {
        "titel": "x",
        "translations": {"de": {"steps": [{"id": "x"}]}},
    }
    said = refusal(call("POST", "/tours", json=wrong), 400, "invalid_request")
    assert set(said["errors"]) == {"steps[0].buttons[0].action.do", "titel"}
    assert "steps[0].buttons[0].action.do" in said["message"]
    refusal(call("POST", "/tours", json=authored.checklist()), 400, "invalid_request")
    refusal(call("POST", "/tours", json=[]), 400, "invalid_request")
    refusal(call("POST", "/tours", data=b"{}"), 415, "not_json")
    assert answer(call("POST", "/tours", json=authored.tour("one", name="a\0b\ud800")))["name"] == "a\ufffdb\ufffd"
    refusal(call("POST", "/tours", json=authored.tour("one")), 409, "key_taken")
    refusal(call("POST", "/checklists", json=authored.checklist("one")), 409, "key_taken")
    assert "key" in refusal(call("PUT", "/tours/one", json=authored.tour("two")), 400, "invalid_request")["errors"]
    refusal(call("GET", "/tours?status=gone"), 400, "invalid_request")
    refusal(call("GET", "/tours?cursor=x"), 400, "invalid_cursor")
    for path in (
        "/checklists/one",
        "/tours/No%20Key",
        "/tours/%00",
        "/tours/one/versions/1",
        "/tours/one/versions/99999999999",
    ):
        refusal(call("GET", path), 404, "not_found")
    for method, path in (("PUT", "/tours/two"), ("DELETE", "/tours/two"), ("POST", "/tours/two/publish")):
        body = {"json": authored.tour("two")} if method == "PUT" else {}
        refusal(call(method, path, **body), 404, "not_found")
    refusal(call("GET", "/tours/one/versions/x"), 404, "not_found")


def test_what_leads_nowhere_is_not_published(call: Call) -> None:
    answer(call("POST", "/tours", json=authored.tour("one", theme="brand")))
    said = refusal(call("POST", "/tours/one/publish"), 409, "not_publishable")
    assert said["errors"] == {"theme": ["There is no theme brand. Make it first, or leave `theme` out."]}


def test_a_theme_is_made_changed_and_deleted(call: Call) -> None:
    made = answer(call("POST", "/themes", json=authored.theme("brand", default=True)))
    assert made == documents.load("theme", authored.theme("brand", default=True))
    refusal(call("POST", "/themes", json=authored.theme("brand")), 409, "key_taken")
    pale = refusal(
        call("PUT", "/themes/brand", json=authored.theme("brand", light={"text": "#eee"})), 400, "invalid_request"
    )
    assert "4.5:1" in pale["errors"]["light.text"][0]
    refusal(call("PUT", "/themes/brand", json=authored.theme("other")), 400, "invalid_request")
    changed = answer(call("PUT", "/themes/brand", json={**made, "radius": 0}))
    assert answer(call("GET", "/themes/brand")) == changed and changed["radius"] == 0
    assert answer(call("GET", "/themes")) == {"themes": [changed]}
    answer(call("POST", "/tours", json=authored.tour("one", theme="brand")))
    answer(call("POST", "/tours/one/publish"))
    assert "one" in refusal(call("DELETE", "/themes/brand"), 409, "still_needed")["message"]
    answer(call("POST", "/tours/one/archive"))
    assert answer(call("DELETE", "/themes/brand")) == {"deleted": "brand"}
    refusal(call("GET", "/themes/brand"), 404, "not_found")


def test_documents_have_a_json_schema_that_stands_alone(client: FlaskClient) -> None:
    schema = answer(client.get(f"{PREFIX}/content-schema.json"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    kinds = [each["$ref"].removeprefix("#/$defs/") for each in schema["anyOf"]]
    assert kinds == ["Tour", "Checklist", "Theme", "AudienceDocument"]
    text = json.dumps(schema)
    assert "#/components" not in text and "x-rule" not in text
    referred = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referred == set(schema["$defs"])
    tour = schema["$defs"]["Tour"]
    assert tour["required"] == ["key", "name", "steps"] and tour["additionalProperties"] is False
    assert {"$ref": "#/$defs/Rule"} in tour["properties"]["targeting"]["anyOf"]
