"""`replay`: what it reads, what it sends to a real server, and what it says when it cannot."""

import datetime as dt
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from productfruits.cli.replay import SAMPLE
from productfruits.segment import timestamps
from productfruits.segment.messages import MESSAGE_TYPES
from productfruits.services import stories
from productfruits.services.stories import BadLine
from tests.cli.conftest import Run, refusal
from tests.served import Served

NOW = dt.datetime(2031, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("line", "bodies"),
    [
        ('{"type":"track"}', [b'{"type":"track"}']),
        (' [{"type":"track"}, {}] \n', [b'[{"type":"track"}, {}]']),
        ('{"id":"x","payload":{"b":1,"a":"\u00e9"}}', ['{"b":1,"a":"é"}'.encode()]),
        ('{"body_b64":"AAH/"}', [b"\x00\x01\xff"]),
        ('{"requests":[{"body":{"a":1}},{"via":"tracking","body":2}]}', [b'{"a":1}', None]),
        ('{"path":"/v1/batch","body":{"batch":[]}}', [None]),
        ('{"type":"track","n":1e400}', [b'{"type":"track","n":1e400}']),
        ("\n", []),
    ],
)
def test_it_reads_messages_batches_and_records(line: str, bodies: list[bytes | None]) -> None:
    story = stories.read([line])
    assert list(story.bodies) == [body for body in bodies if body is not None]
    assert story.left_out == bodies.count(None)


@pytest.mark.parametrize("line", ["{", "7", '"text"', '{"a":1}', '{"body_b64":"?"}', "[" * 100_000])
def test_a_line_that_is_no_message_is_named(line: str) -> None:
    with pytest.raises(BadLine, match="Line 2"):
        stories.read(['{"type":"track"}', line])


def test_the_sample_is_a_whole_story() -> None:
    records = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    messages = [message for record in records for message in (record if isinstance(record, list) else [record])]
    assert {message["type"] for message in messages} == set(MESSAGE_TYPES)
    ids = [message["messageId"] for message in messages]
    assert len(ids) == len(set(ids))
    assert any(isinstance(record, list) for record in records)
    assert all(".example" in message["traits"]["email"] for message in messages if "email" in message.get("traits", {}))


def test_the_sample_ends_a_minute_ago_and_keeps_its_order() -> None:
    lines = SAMPLE.read_text().splitlines()
    before = [timestamps.parse(message["timestamp"]) for message in map(json.loads, lines) if isinstance(message, dict)]
    shifted = [json.loads(line) for line in stories.shifted(lines, NOW)]
    after = [timestamps.parse(message["timestamp"]) for message in shifted if isinstance(message, dict)]
    assert max(at for at in after if at) == NOW - dt.timedelta(minutes=1)
    gaps = {later - earlier for earlier, later in zip(before, after, strict=True) if earlier and later}
    assert len(gaps) == 1


def test_nothing_is_sent_while_no_server_runs(run: Run, tmp_path: Path) -> None:
    assert "workspace" in refusal(run("replay", "--sample"))
    run("workspace", "create", "Acme")
    assert "segment activate" in refusal(run("replay", "--sample"))
    run("segment", "activate")
    assert "productfruits serve" in refusal(run("replay", "--sample"))
    run("segment", "deactivate")
    assert "segment reactivate" in refusal(run("replay", "--sample"))
    file = tmp_path / "x.jsonl"
    file.write_text("nonsense")
    assert "Line 1" in refusal(run("replay", str(file)))
    assert run("replay", str(file), "--sample").exit_code == 2
    assert run("replay", str(tmp_path / "none")).exit_code == 2


@pytest.fixture
def workspace(server: Served) -> str:
    """An activated workspace of a running server."""
    key: str = server.cli_json("workspace", "create", "Acme")["workspace"]
    server.cli_json("segment", "activate", "--workspace", key)
    return key


def test_the_sample_tells_what_the_product_is_for(server: Served, workspace: str) -> None:
    first = server.cli_json("replay", "--sample", "--workspace", workspace)
    assert first == {
        "requests": 62,
        "accepted": 64,
        "duplicates": 0,
        "ignored": 0,
        "rejected": 0,
        "refused": 0,
        "left_out": 0,
    }
    again = server.cli_json("replay", "--sample", "--workspace", workspace)
    assert (again["accepted"], again["duplicates"]) == (0, 64)

    users = {user["username"]: user for user in server.cli_json("users", "list")["users"]}
    assert set(users) == {f"u_100{number}" for number in range(1, 9)}  # u_1009 asked to be forgotten
    aliases = {name: [alias["value"] for alias in user["aliases"]] for name, user in users.items() if user["aliases"]}
    assert aliases == {
        "u_1006": ["5f2c7a1e-90b3-4c55-8a61-2d6f0e1b7c34"],
        "u_1007": ["trial-778"],
        "u_1008": ["crm-5531"],
    }
    assert users["u_1008"]["traits"]["lead_score"] == 87
    assert users["u_1003"]["traits"]["title"] == "Art director"
    assert users["u_1003"]["traits"]["timezone"] == "Asia/Kolkata"
    assert "phone" not in users["u_1004"]["traits"]
    sam = server.cli_json("users", "export", "u_1006")
    assert [event["type"] for event in sam["events"]][:3] == ["page", "page", "track"]
    maya = server.cli_json("users", "export", "u_1001")
    assert [conflict["kind"] for conflict in maya["conflicts"]] == ["email_and_id"]
    assert [check["status"] for check in server.cli_json("doctor")["checks"] if check["check"] == "server"] == ["ok"]


def test_a_file_is_sent_and_its_refusals_are_told(server: Served, workspace: str, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    lines = [
        {"type": "identify", "userId": "ann", "messageId": "1", "traits": {"plan": "pro"}},
        [{"type": "track", "userId": "ann", "event": "Did", "messageId": "2"}, {"type": "delete", "userId": "ann"}],
        {"id": "record", "payload": {"type": 5}},
        {"type": "heartbeat"},
        {"path": "/v1/batch", "body": {"batch": []}},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    assert server.cli_json("replay", str(file), "--workspace", workspace) == {
        "requests": 4,
        "accepted": 2,
        "duplicates": 0,
        "ignored": 1,
        "rejected": 1,
        "refused": 1,
        "left_out": 1,
    }
    text = server.cli("replay", str(file), "--workspace", workspace)
    assert "duplicates  2" in text


def test_an_erased_user_leaves_no_bytes_on_the_disk(server: Served, workspace: str) -> None:
    """Ken asks through Segment, Sam through the operator, and both while the server runs."""
    server.cli_json("replay", "--sample", "--workspace", workspace)
    traces = [b"ken@old-mill.example", b"Ken Arai", b"u_1009"]
    sam = [b"sam.lee@harborlight.example", b"Sam Lee", b"u_1006", b"5f2c7a1e-90b3-4c55-8a61-2d6f0e1b7c34"]
    assert [trace for trace in sam if not on_disk(server.data_dir, [trace])] == []  # or the test could not fail
    server.cli_json("users", "erase", "u_1006", "--workspace", workspace)
    wait_until(lambda: on_disk(server.data_dir, [*traces, *sam]) == [])
    assert on_disk(server.data_dir, [b"maya@northwind-bikes.example"]) != []


def on_disk(folder: Path, traces: list[bytes]) -> list[bytes]:
    """Those of the traces that stand in any file of the data folder, the log of the server included."""
    content = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    return [trace for trace in traces if trace in content]


def wait_until(condition: Callable[[], bool]) -> None:
    """The WAL is emptied by a thread of the server shortly after an erasure."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
