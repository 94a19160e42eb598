"""A workspace and the pages that ask it."""

import datetime as dt
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import select

from productfruits.segment.messages import Message
from productfruits.services import (
    adoption_settings,
    identity_secrets,
    workspaces,
)
from productfruits.workers.runtime import Runtime
from tests.services.contents import publish
from tests.services.messages import arrival
from tests.web.requesting import Http, Reply

PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
ON_PROJECTS = {"kind": "url", "op": "contains", "value": "/projects"}


class Pages:
    """A workspace and the pages that ask it."""

    def __init__(self, app: Flask, http: Http) -> None:
        self.app = app
        self.runtime: Runtime = app.extensions["productfruits"]
        self.http = http
        with self.runtime.writing() as session:
            workspace = workspaces.create(session, "Acme", dt.datetime.now(dt.UTC))
            self.workspace_id, self.key = workspace.id, workspace.key

    def forget(self) -> None:
        """As if the second were over for which a site is remembered."""
        self.runtime.sites.forget()

    def publish(self, kind: str, document: dict[str, Any], key: str | None = None) -> int:
        with self.runtime.writing() as session:
            return publish(session, self.workspace_id, kind, document, key)

    def settings(self, **changes: Any) -> None:
        with self.runtime.writing() as session:
            adoption_settings.change(session, self.workspace_id, **changes)

    def secret(self, **more: Any) -> bytes:
        with self.runtime.writing() as session:
            now = dt.datetime.now(dt.UTC)
            made = identity_secrets.rotate(session, self.workspace_id, now, self.runtime.vault, **more)
            return made.secret.encode()

    def webhook(self, *messages: Message) -> None:
        now = dt.datetime.now(dt.UTC)
        self.runtime.writer.receive(arrival(self.workspace_id, *messages, received_at=now))

    def get(self, *, tag: str | None = None, **said: Any) -> Reply:
        headers = [] if tag is None else [("If-None-Match", tag)]
        return self.http.send("GET", f"/browser/v1/content?{urlencode({'workspace': self.key, **said})}", headers)

    def report(self, *messages: Any, **said: Any) -> Reply:
        body = {"workspace": self.key, "messages": list(messages), **said}
        return self.http.send("POST", "/browser/v1/events", [("Content-Type", "text/plain")], json.dumps(body).encode())

    def row(self, model: Any, **equal: Any) -> Any:
        with self.runtime.reading() as session:
            return session.scalars(select(model).filter_by(workspace_id=self.workspace_id, **equal)).one()


def told(raw: str, content_id: int, session_id: str = "s-1", **own: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event_id": str(uuid.uuid4()),
        "event": raw,
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
        "properties": {"id": content_id, "version": 1, "session_id": session_id, **own},
    }


def shown(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    return {content["key"]: content for content in reply.json["contents"]}


def why(reply: Reply, key: str) -> list[str]:
    """The codes of the closed gates of a content."""
    [gates] = [each["gates"] for each in reply.json["why"] if each["key"] == key]
    return [gate["code"] for gate in gates if not gate["passed"]]
