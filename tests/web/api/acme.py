"""A workspace with something of everything for the tests of the API, and the shape of every refusal."""

from dataclasses import dataclass
from typing import Any

import marshmallow
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from productfruits.adoption import documents
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import (
    api_keys,
    audiences,
    contents,
    destinations,
    publishing,
    redelivery,
    rejections,
    themes,
)
from productfruits.services.rejections import Refused
from productfruits.web.api import schemas
from productfruits.web.api.endpoints import PREFIX, Endpoint
from productfruits.workers.runtime import Runtime
from tests.services import factories
from tests.services.factories import NOW
from tests.unit.adoption import authored
from tests.web import admin_world


@dataclass(frozen=True, slots=True)
class Acme:
    """A workspace with something of everything, its key, and the same of a stranger."""

    client: FlaskClient
    key: str
    stranger: str
    ann: str
    function: str
    instance: int
    group: str = "crew/1"

    def call(self, method: str, path: str, key: str | None = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return self.client.open(PREFIX + path, method=method, headers=headers, **more)

    def get(self, path: str, **query: str) -> Any:
        response = self.call("GET", path, query_string=query)
        assert response.status_code == 200, response.text
        return response.json


def filled(app: Flask) -> Acme:
    runtime: Runtime = app.extensions["productfruits"]
    made = {}
    with runtime.writing() as session:
        for name in ("Stranger", "Acme"):
            owner = factories.workspace(session, name)
            ann = factories.user(session, owner, "ann", "Ann@Example.com", traits={"plan": "pro", "n": 2**70})
            bob = factories.user(session, owner, None, "bob@example.com")
            factories.alias(session, ann, "ann-2")
            factories.alias(session, ann, "anon-1", kind="anonymous_id")
            factories.event(session, owner, ann, properties={"a": [1, None]}, message_id=f"{name}-1")
            factories.event(session, owner, None, anonymous_id="v", type="page", message_id=f"{name}-2")
            factories.member(session, ann, "crew/1", plan="team")
            factories.member(session, bob, "crew/1")
            factories.conflict(session, ann, bob, email="ann@example.com", username="x", message_id="m")
            for kind, document in (("tour", authored.tour("one")), ("checklist", authored.checklist("list"))):
                content = contents.create(session, owner.id, kind, documents.load(kind, document), NOW)
                publishing.publish(session, content, name, NOW)
            themes.create(session, owner.id, documents.load("theme", authored.theme("one")), NOW)
            pros = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
            audiences.create(session, owner.id, "one", "One", pros, NOW)
            sending = DestinationShape().load({"name": "Hooks", "url": "https://hooks.example.com/secret-path"})
            hooks = destinations.create(session, owner.id, sending, NOW, runtime.vault).destination
            redelivery.test(session, hooks, NOW)
            rejections.record(session, owner.id, [Refused(NOW, "webhook", "invalid_signature", name)])
            function = admin_world.with_function(session, runtime, owner, NOW)
            made[name] = (api_keys.create(session, owner, "test", NOW).key, ann.id, function)
    key, ann_id, ids = made["Acme"]
    return Acme(app.test_client(), key, made["Stranger"][0], ann_id, str(ids["function_key"]), int(ids["instance_id"]))


def path_of(endpoint: Endpoint, acme: Acme) -> str:
    path = endpoint.path.replace("<user_id>", acme.ann).replace("<path:group_id>", acme.group)
    path = path.replace("<path:username>", "ann").replace("<destination>", "hooks")
    path = path.replace("<function>", acme.function).replace("<int:instance_id>", str(acme.instance))
    return path.replace("<key>", "list" if path.startswith("/checklists") else "one").replace("<int:number>", "1")


def assert_refusal(response: TestResponse, status: int, code: str) -> str:
    """Every refusal has one shape, whoever refuses."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    document = response.json
    assert document is not None
    assert marshmallow.Schema.validate(schemas.Refusal(unknown=marshmallow.RAISE), document) == {}
    assert document["code"] == code
    message: str = document["message"]
    assert message.endswith(".") or message.endswith("create")
    return message
