"""Destinations in Jitsu's form: what they send, what they read, and what needs functions."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import DeliveryAttempt
from productfruits.services import (
    destination_files,
    parcels,
)
from productfruits.workers import sending
from tests.receivers import receiving
from tests.services.senders import VAULT, attempts, did, now, sender, sent


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


def test_a_destination_of_jitsu_sends_constants_as_they_are_and_says_when_it_needs_functions(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with receiving() as receiver:
        file = f"""
destinations:
  plain_get: {{type: webhook, webhook: {{url: "{receiver.url}"}}}}
  json_post:
    type: webhook
    webhook: {{url: "{receiver.url}", method: post, body: '{{"a": [1]}}', headers: {{x-a: b}}}}
  nothing: {{type: webhook, webhook: {{url: "{receiver.url}"}}, data_layout: {{table_name_template: ""}}}}
  script: {{type: webhook, webhook: {{url: "{receiver.url}", body: "return $"}}}}
"""
        with sessions.begin() as session:
            shapes = destination_files.read(file.encode())
            applied = destination_files.apply(session, workspace_id, shapes, now(), VAULT)
            assert [each.key for each in applied] == ["plain-get", "json-post", "nothing", "script"]
        did(sessions, workspace_id, "Sold")
        sender(sessions).run_once()
    get, post = sorted(receiver.requests)
    assert get.startswith(b"GET /hook HTTP/1.1") and get.endswith(b"\r\n\r\n")
    headers, body = sent(post)
    assert body == {"a": [1]} and headers["x-a"] == "b" and headers["webhook-signature"].startswith("v1,")
    with sessions() as session:
        assert sorted(attempts(session), key=str) == [
            ("delivered", 200),
            ("delivered", 200),
            ("left_out", None),
            ("not_sendable", None),
        ]
        reason = session.scalars(select(DeliveryAttempt.detail).where(DeliveryAttempt.outcome == "not_sendable")).one()
        assert "PRODUCTFRUITS_FUNCTIONS" in (reason or "")


def test_what_a_destination_of_jitsu_reads_is_the_event_in_jitsus_form() -> None:
    event = sending.jitsu_event(parcels.sample("acme", now()))
    assert (event["event_type"], event["price"], event["user"]["email"]) == ("Test Event", 12.5, "ada@example.com")
    about = {"timestamp": "2026-01-01T00:00:00.000Z", "message": None, "conflict": {"id": 1}}
    user = {"id": "u-1", "username": None, "email": None, "traits": {"plan": "pro"}}
    change = sending.jitsu_event({"type": "user.conflict", "user": user, **about})
    assert (change["event_type"], change["conflict"]) == ("user.conflict", {"id": 1})
    assert change["user"] == {"plan": "pro", "id": "u-1"}
