"""A running service, and workspaces in it, for tests that come from outside."""

import json
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from productfruits import models
from productfruits.services import api_keys
from productfruits.workers.runtime import Runtime
from tests.served import Served
from tests.web.requesting import connect

PATIENCE_S = 60


def call(url: str, body: Any, headers: Mapping[str, str]) -> Any:
    """The JSON of the answer; posts where there is a body."""
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, sent, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace of the running service, by its keys and by what its API says."""

    url: str
    write_key: str
    auth_token: str
    api_key: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def get(self, path: str) -> Any:
        return call(self.url + path, None, {"Authorization": f"Bearer {self.api_key}"})

    def post(self, path: str, body: Any) -> Any:
        return call(self.url + path, body, {"Authorization": f"Bearer {self.api_key}"})

    def events(self, count: int) -> list[dict[str, Any]]:
        """The stored events in order of receipt, once there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found: list[dict[str, Any]] = self.get("/api/v1/events?limit=100")["events"][::-1]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def user(self, username: str) -> dict[str, Any]:
        [user] = self.get(f"/api/v1/users?username={username}")["users"]
        return dict(user)


@dataclass(frozen=True, slots=True)
class Service:
    """The running server, and its store for making workspaces in it."""

    served: Served
    runtime: Runtime

    def workspace(self) -> Workspace:
        connected = connect(self.runtime)
        with self.runtime.writing() as session:
            workspace = session.get_one(models.Workspace, connected.workspace_id)
            key = api_keys.create(session, workspace, "test", workspace.created_at).key
        return Workspace(self.served.url, connected.write_key, connected.auth_token, key)
