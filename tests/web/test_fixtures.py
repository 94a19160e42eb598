"""The fixtures of tests/fixtures/segment over real HTTP against the running service, compared through the HTTP API."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from productfruits import models
from productfruits.config import Settings
from productfruits.segment.signature import sign
from productfruits.services import api_keys
from productfruits.workers.runtime import Runtime, open_runtime
from tests.served import Served, serve
from tests.web.holdings import compare
from tests.web.requesting import Connected, connect, encoded

HERE = Path(__file__).parents[1] / "fixtures" / "segment"
#: Examples from public repositories, which are read where they lie beside the checkout and copied nowhere.
BESIDE = Path(__file__).parents[3] / "shared" / "fixtures" / "segment"
PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Service:
    """The running server, and its store for making workspaces in it."""

    served: Served
    runtime: Runtime

    def workspace(self, name: str) -> "Workspace":
        connected = connect(self.runtime, name)
        with self.runtime.writing() as session:
            workspace = session.get_one(models.Workspace, connected.workspace_id)
            key = api_keys.create(session, workspace, "test", workspace.created_at)
        return Workspace(self.served.url, connected, key.key)


@dataclass(frozen=True, slots=True)
class Workspace:
    """An empty workspace: its webhook, and what the API says of it."""

    url: str
    connected: Connected
    api_key: str

    def post(self, message: Any) -> int:
        """Send a message, or a list of them as an array whose first element is signed."""
        if isinstance(message, list) and message:
            elements = [encoded(element) for element in message]
            return self.post_raw(b"[" + b",".join(elements) + b"]", sign(elements[0], self.connected.secret))
        return self.post_raw(encoded(message))

    def post_raw(self, body: bytes, signature: str | None = None) -> int:
        headers = {"X-Signature": signature or sign(body, self.connected.secret), "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + self.connected.path, body, headers, method="POST")
        return _answer(request)[0]

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.api_key}"})
        status, content = _answer(request)
        assert status == 200, (path, status, content)
        return json.loads(content)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def is_for_the_webhook(record: dict[str, Any]) -> bool:
    """Whether the record speaks to the webhook; the others name another way in."""
    if "via" in record or "path" in record:
        return record.get("via") == "webhook"
    payload = record.get("payload")
    return not (isinstance(payload, dict) and ("batch" in payload or "apiKey" in payload))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`productfruits serve` on each database, for all tests of this module."""
    data_dir = tmp_path_factory.mktemp("served")
    settings = Settings(data_dir=data_dir, database_url=f"sqlite:///{data_dir / 'productfruits.db'}")
    if request.param == "postgres":
        settings = replace(settings, database_url=request.getfixturevalue("module_postgres_url"))
    settings = replace(settings, secret_key="k" * 40, encryption_keys=("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",))
    with serve(
        data_dir,
        DATABASE_URL=settings.database_url,
        SECRET_KEY="k" * 40,
        ENCRYPTION_KEYS=settings.encryption_keys[0],
        LOG_LEVEL="warning",
    ) as served:
        runtime = open_runtime(settings)
        yield Service(served, runtime)
        runtime.close()


EDGE = [record for record in records(HERE / "edge_payloads.jsonl") if is_for_the_webhook(record)]
EDGE_EXPECTED = json.loads((HERE / "edge_payloads_expected.json").read_text())
SEQUENCES = [
    record
    for record in records(HERE / "sequences.jsonl")
    if all(request["via"] == "webhook" for request in record["requests"])
]
SEQUENCES_EXPECTED = json.loads((HERE / "sequences_expected.json").read_text())
RAW = [record for record in records(HERE / "raw_bodies.jsonl") if is_for_the_webhook({"via": "webhook", **record})]


def test_odd_messages_give_what_is_expected(service: Service) -> None:
    assert len(EDGE) > 30
    for record in EDGE:
        workspace = service.workspace(record["id"])
        assert (record["id"], workspace.post(record["payload"])) == (record["id"], 200)
        # Where the expectation is a matter of taste, the answer is all that counts.
        if record.get("strict", True) and EDGE_EXPECTED[record["id"]].get("strict", True):
            compare(workspace.get, EDGE_EXPECTED[record["id"]])


def test_short_stories_give_what_is_expected(service: Service) -> None:
    assert len(SEQUENCES) >= 10
    for record in SEQUENCES:
        workspace = service.workspace(record["id"])
        for request in record["requests"]:
            assert (record["id"], workspace.post(request["body"])) == (record["id"], 200)
        compare(workspace.get, SEQUENCES_EXPECTED[record["id"]])


def test_a_story_told_twice_is_the_same_story(service: Service) -> None:
    for record in SEQUENCES:
        workspace = service.workspace(record["id"])
        for request in [*record["requests"], *record["requests"]]:
            workspace.post(request["body"])
        if all(_has_message_ids(request["body"]) for request in record["requests"]):
            compare(workspace.get, SEQUENCES_EXPECTED[record["id"]])


def test_bodies_that_are_not_clean_json_are_answered_as_the_table_says(service: Service) -> None:
    assert len(RAW) >= 8
    for record in RAW:
        workspace = service.workspace(record["id"])
        status = workspace.post_raw(base64.b64decode(record["body_b64"]))
        # The status is a number, or words that begin with the possible ones: "400, or 200 with …".
        possible = str(record["expect_status"]).split(":")[0]
        assert str(status) in possible, (record["id"], status)
        if "expected" in record:
            compare(workspace.get, record["expected"])


def test_published_examples_are_answered_as_the_table_says(service: Service) -> None:
    workspace = service.workspace("examples")
    for path in sorted(BESIDE.glob("*.jsonl")) if BESIDE.is_dir() else []:
        if (HERE / path.name).exists() or path.name.startswith("sdk_"):
            continue
        for record in records(path):
            payload: Any = record.get("payload", record.get("body"))
            is_taken = isinstance(payload, list) or isinstance(payload.get("type"), str)
            assert (record["id"], workspace.post(payload)) == (record["id"], 200 if is_taken else 400)


def _has_message_ids(body: Any) -> bool:
    return all(message.get("messageId") for message in (body if isinstance(body, list) else [body]))


def _answer(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read()
