"""Destinations in Jitsu's form: constants as they are, and expressions, which need functions and their sandbox."""

import json
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.functions.runtime import Sandbox
from productfruits.models import DeliveryAttempt
from productfruits.outgoing import jitsu
from productfruits.outgoing.jitsu import CannotEvaluate
from productfruits.services import destination_files, parcels
from productfruits.workers import function_sending, sending
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


JITSUS = """
conversions:
  type: webhook
  mode: stream
  webhook:
    url: https://hooks.slack.com/services/T/B/X
    method: POST
    body: |-
      {
        "blocks": [
          {
            "type": "section",
            "text": {
              "type": "mrkdwn",
              "text": `${_.user?.email}, #${_.conversion.order_id}: ${_.conversion.price} ${_.conversion.currency}`
            }
          }
        ]
      }
    headers:
      content-type: application/json
  data_layout:
    table_name_template: '_.event_type == "conversion" && _.event_type' # nothing else
everything:
  only_tokens:
    - abc.example
  type: webhook
  mode: stream
  data_layout:
    table_name_template: '$.event_type' # optional
  config:
    body: |-
      return {
      \t"title": ` ${_.event_type} on ${_.doc_host}`,
      \t"who": _.user?.email
      }
    method: POST
    headers:
      authorization: token
    url: |-
      // errors have a place of their own
      if ($.event_type === "error") {
        return "https://hooks.example.com/notify/error"
      }
      return "https://hooks.example.com/notify/event"
constants:
  type: webhook
  webhook:
    url: https://my_domain.example/${_.event_type}
    method: POST
    body: |-
      {
        // the user
        "user": _.user?.email,
        "time": _._timestamp /* as sent */
      }
"""


def test_the_destinations_that_jitsu_documents_run_in_the_sandbox(sandbox: Sandbox) -> None:
    """In their notation: an object around templates, bodies with `return`, comments, a filter that says false."""
    entries = {name: jitsu.load(entry) for name, entry in yaml.safe_load(JITSUS).items()}
    evaluate = function_sending.evaluator(sandbox)

    def sent(name: str, event: dict[str, Any]) -> Any:
        said = entries[name]
        written = jitsu.write(name, said["url"], said["method"], said["body"], event, evaluate)
        return None if written is None else (written.url, json.loads(written.body or b""))

    order = {"order_id": "7", "price": 9.5, "currency": "EUR"}
    conversion = {"event_type": "conversion", "conversion": order, "user": {"email": "a@b.example"}}
    text = {"type": "mrkdwn", "text": "a@b.example, #7: 9.5 EUR"}
    url = "https://hooks.slack.com/services/T/B/X"
    assert sent("conversions", conversion) == (url, {"blocks": [{"type": "section", "text": text}]})
    assert sent("conversions", {"event_type": "page"}) is None
    with pytest.raises(CannotEvaluate, match="could not be evaluated"):
        sent("conversions", {"event_type": "conversion"})

    event = "https://hooks.example.com/notify/event", {"title": " page on x.example"}
    assert sent("everything", {"event_type": "page", "doc_host": "x.example"}) == event
    error = sent("everything", {"event_type": "error", "user": {"email": "e"}})
    assert error == ("https://hooks.example.com/notify/error", {"title": " error on undefined", "who": "e"})

    assert sent("constants", {"event_type": "page", "_timestamp": "now"})[1] == {"time": "now"}
