"""Two workspaces with everything in them, and admins of every kind, for the tests of the admin pages."""

import datetime as dt
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from productfruits.adoption import documents
from productfruits.database import Base
from productfruits.functions import examples
from productfruits.models import Admin, Workspace
from productfruits.outgoing.schemas import DestinationShape
from productfruits.services import (
    admins,
    api_keys,
    audiences,
    audit,
    connections,
    contents,
    destinations,
    function_instances,
    functions,
    identity_secrets,
    objects,
    publishing,
    redelivery,
    themes,
    workspaces,
)
from productfruits.workers.runtime import Runtime
from tests.services import factories

PASSWORD = "a sentence for the tests"
ROLES = ("owner", "editor", "viewer")


@dataclass
class House:
    """One workspace: its ids, and an admin of each role, by role."""

    key: str
    workspace_id: int
    ids: Mapping[str, Any]
    admins: Mapping[str, Admin]


@dataclass
class World:
    """`acme` is ours, `other` belongs to strangers."""

    app: Flask
    acme: House
    other: House
    clients: dict[str, "Person"] = field(default_factory=dict)
    watching: sqlite3.Connection | None = None

    def person(self, admin: Admin | None) -> "Person":
        """A browser in which this admin is logged in (nobody: None)."""
        name = admin.email if admin else "nobody"
        if name not in self.clients:
            self.clients[name] = Person(self.app.test_client(), admin)
        return self.clients[name]

    def version(self) -> int:
        """Another number once anything was committed to the (SQLite) store; far cheaper to ask than `rows`.

        https://sqlite.org/pragma.html#pragma_data_version
        """
        if self.watching is None:
            self.watching = sqlite3.connect(runtime_of(self.app).engine.url.database or "")
        number: int = self.watching.execute("PRAGMA data_version").fetchone()[0]
        return number

    def close(self) -> None:
        if self.watching is not None:
            self.watching.close()

    def rows(self) -> dict[str, list[Any]]:
        """Every row of the store, to see that nothing has changed."""
        with runtime_of(self.app).reading() as session:
            return {
                table.name: sorted(map(repr, session.execute(table.select()))) for table in Base.metadata.sorted_tables
            }


class Person:
    """A browser with a session cookie. The session is planted, since a real login takes a while by design."""

    def __init__(self, client: FlaskClient, admin: Admin | None) -> None:
        self.client = client
        if admin is not None:
            self.log_in(admin)

    def log_in(self, admin: Admin) -> None:
        now = int(dt.datetime.now(dt.UTC).timestamp())
        with self.client.session_transaction() as cookie:
            cookie.clear()
            cookie.update(admin=admin.id, epoch=admin.session_epoch, started=now, seen=now)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, form: Mapping[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form with this session's token, as our own pages do."""
        return self.client.post(path, data={"csrf_token": self.token(), **(form or {})}, **options)

    def token(self) -> str:
        """The CSRF token of this session."""
        page = self.client.get("/account")
        if page.status_code != 200:
            page = self.client.get("/login")
        return token_in(page)


def token_in(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found.group(1)


def runtime_of(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions["productfruits"]
    return runtime


def build(app: Flask) -> World:
    """Both workspaces, filled."""
    runtime = runtime_of(app)
    with runtime.writing() as session:
        return World(app, _house(session, runtime, "acme"), _house(session, runtime, "other"))


def _house(session: Session, runtime: Runtime, name: str) -> House:
    now = dt.datetime.now(dt.UTC)
    workspace = workspaces.create(session, name.capitalize(), now)
    staff = {
        role: admins.create(session, f"{role}@{name}.example", None, now, workspace_ids=())
        for role in (*ROLES, "second")
    }
    for role, admin in staff.items():
        admins.join(session, admin, workspace.id, role if role in ROLES else "owner")
    activated = connections.activate(session, workspace, now, runtime.vault)
    rotated = connections.rotate(session, activated.connection, now, runtime.vault)
    audit.record(session, workspace_id=workspace.id, actor="cli", action="secret.rotated", now=now)
    shape = DestinationShape().load(
        {"key": f"hooks-{name}", "name": f"Hooks of {name}", "url": "https://hooks.example.com/x"}
    )
    hooks = destinations.create(session, workspace.id, shape, now, runtime.vault).destination
    delivery = redelivery.test(session, hooks, now)
    delivery.status = "failed"
    return House(
        workspace.key,
        workspace.id,
        {
            **_people(session, workspace),
            "content_key": _checklist(session, workspace, now),
            **with_function(session, runtime, workspace, now),
            "key_id": api_keys.create(session, workspace, "Nightly export", now).id,
            "admin_id": staff["second"].id,
            "secret": rotated.secret_id,
            "identity_secret": identity_secrets.rotate(session, workspace.id, now, runtime.vault).secret_id,
            "audience_key": _audience(session, workspace, "seen", now),
            "keep_audience": _audience(session, workspace, "kept", now),
            "theme_key": _theme(session, workspace, now),
            "demo_page": "projects",
            "destination": hooks.key,
            "delivery": delivery.id,
            "token": activated.webhook_token,
            "webhook_secret": rotated.webhook_secret,
        },
        staff,
    )


def _checklist(session: Session, workspace: Workspace, now: dt.datetime) -> str:
    """A live checklist with an older version behind it and a draft before it."""
    key = f"first-steps-{workspace.name.lower()}"
    said = {"key": key, "name": "First steps", "title": "First steps"}
    content = None
    for count in (1, 2, 3):
        items = [{"id": f"item-{number}", "title": f"Item {number}"} for number in range(count)]
        document = documents.load("checklist", {**said, "items": items})
        if content is None:
            content = contents.create(session, workspace.id, "checklist", document, now)
        else:
            contents.save_draft(session, content, document, now)
        if count < 3:
            publishing.publish(session, content, "cli", now)
    return key


def _audience(session: Session, workspace: Workspace, stem: str, now: dt.datetime) -> str:
    rule = {"kind": "computed", "name": "visits", "op": "at_least", "value": 1}
    return audiences.create(session, workspace.id, f"{stem}-{workspace.name.lower()}", "Seen", rule, now).key


def _theme(session: Session, workspace: Workspace, now: dt.datetime) -> str:
    document = documents.load("theme", {"key": f"theme-{workspace.name.lower()}", "name": "Ours"})
    return themes.create(session, workspace.id, document, now).key


def with_function(session: Session, runtime: Runtime, workspace: Workspace, now: dt.datetime) -> dict[str, Any]:
    """Give the workspace a function with an instance and an object; returns the ids by their names in addresses."""
    shape = examples.shape(f"Webhook of {workspace.name}", examples.WEBHOOK)
    function = functions.create(session, workspace.id, shape, examples.WEBHOOK.handlers, "cli", now)
    instance = function_instances.connect(session, function, "One", {"apiKey": "sk-123456"}, now, runtime.vault)
    objects.put(session, workspace.id, [{"collection": "products", "id": "1", "properties": {"name": "Shoe"}}], now)
    # Unlike names, so that one workspace's address leads nowhere in the other.
    return {"function_key": function.key, "instance_id": instance.id, "collection": "products"}


def _people(session: Session, workspace: Workspace) -> dict[str, Any]:
    name = workspace.name.lower()
    grace = factories.user(
        session, workspace, f"grace-{name}", f"grace@{name}.example", traits={"name": f"Grace of {name}"}
    )
    alan = factories.user(session, workspace, f"alan-{name}", f"alan@{name}.example")
    factories.alias(session, grace, f"second-{name}")
    factories.alias(session, grace, f"anon-{name}", "anonymous_id", "identify")
    factories.event(session, workspace, grace, name=f"Opened {name}", context={"ip": "192.0.2.1"})
    factories.member(session, grace, f"group-{name}", name=f"Group of {name}")
    conflict = factories.conflict(session, grace, alan, email=grace.email, username=alan.username)
    return {
        "user_id": grace.id,
        "conflict_id": conflict.id,
        "keep": grace.id,
        "kind": "user_id",
        "value": f"second-{name}",
    }
