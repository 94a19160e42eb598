"""One event's way through everything, with real parts: a server, a worker that is killed, functions, a receiver."""

import datetime as dt
import json
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from sqlalchemy import select, update
from standardwebhooks import Webhook

from productfruits import models
from productfruits.config import Settings
from productfruits.models import Delivery, Destination
from productfruits.workers.runtime import open_runtime
from tests.browser.furnished import EMAIL, PASSWORD
from tests.clients.workspaces import PATIENCE_S, Service, call
from tests.receivers import PUBLIC, answering, receiving
from tests.served import PROGRAM, serve
from tests.services.senders import sent

#: What customers run on Segment to forward everything, as Jitsu documents it.
FORWARD = """
async function post(event, settings) {
  let response
  try {
    response = await fetch(settings.host + '/api/v1/segment', {
      method: 'POST',
      headers: { 'X-Auth-Token': settings.apiKey, 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...event, ...settings })
    })
  } catch (error) {
    throw new RetryError(error.message)
  }
  if (response.status >= 500 || response.status === 429) throw new RetryError(`Failed with ${response.status}`)
}
"""
HANDLERS = ("Identify", "Track", "Page", "Screen", "Group", "Alias", "Delete")
PAID = """
async function onRequest(request, settings) {
  const { customer, email, order } = request.json()
  Segment.identify({ userId: customer, traits: { email } })
  Segment.track({ userId: customer, event: 'conversion', properties: { conversion: order } })
}
"""
SLACK = """
destinations:
  slack:   # pasted as it stood
    type: webhook
    mode: stream
    webhook:
      url: {url}
      method: POST
      body: |-
        {{
          "blocks": [
            {{
              "type": "section",
              "text": {{
                "type": "mrkdwn",
                "text": `${{_.user?.email}} #${{_.conversion.order_id}}: ${{_.conversion.price}}`
              }}
            }}
          ]
        }}
    data_layout:
      table_name_template: '_.event_type == "conversion" && _.event_type' # only conversions
"""


def slack(text: str) -> Any:
    return {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    egress = f"127.0.0.1/32,{PUBLIC}/32"
    with serve(tmp_path, LOG_LEVEL="warning", FUNCTIONS="on", DELIVERIES="off", EGRESS_ALLOW=egress) as served:
        runtime = open_runtime(Settings(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'productfruits.db'}"))
        yield Service(served, runtime)
        runtime.close()


def start_a_worker(service: Service) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAM, "worker"],
        env=dict(service.served.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def all_sent(service: Service) -> bool:
    with service.runtime.reading() as session:
        return "pending" not in session.scalars(select(Delivery.status)).all()


def test_everything_reaches_everybody_once(service: Service, page: Page) -> None:
    first, second = service.workspace(), service.workspace()
    shape = {
        "name": "Forward",
        "kind": "destination",
        "code": FORWARD + "".join(f"const on{name} = post\n" for name in HANDLERS),
        "settings": [{"label": "Host"}, {"label": "API Key", "sensitive": True}],
    }
    second.post("/api/v1/functions", shape)
    values = {"host": service.served.url, "apiKey": first.auth_token}
    second.post("/api/v1/functions/forward/instances", {"name": "To the first", "settings": values})
    first.post("/api/v1/functions", {"name": "Paid", "kind": "source", "code": PAID, "settings": []})
    address = first.post("/api/v1/functions/paid/instances", {"name": "Shop", "settings": {}})["url"]

    workers: list[subprocess.Popen[bytes]] = []
    came: list[str] = []

    def fail_then_kill(connection: socket.socket) -> None:
        """First out of order; at the second request the worker dies before it has an answer; then all is well."""
        came.append("")
        if len(came) == 2:
            workers[0].kill()
            workers[0].wait()
        answering("503 Service Unavailable" if len(came) == 1 else "200 OK")(connection)

    with receiving(fail_then_kill) as receiver:
        [made] = first.post("/api/v1/destinations/import", {"file": SLACK.format(url=receiver.url)})["destinations"]
        workers.append(start_a_worker(service))
        ada = {"email": "ada@b.example"}
        order = {"order_id": "7", "price": 9.5, "currency": "EUR"}
        batch = [
            {"type": "identify", "messageId": "s-1", "userId": "ada", "traits": ada},
            {"type": "page", "messageId": "s-2", "userId": "ada", "name": "Shop"},
            {
                "type": "track",
                "messageId": "s-3",
                "userId": "ada",
                "event": "conversion",
                "properties": {"conversion": order},
            },
        ]
        call(f"{service.served.url}/v1/batch", {"batch": batch, "writeKey": second.write_key}, {})
        paid = {"customer": "bob", "email": "bob@b.example", "order": {**order, "order_id": "8"}}
        assert call(address.replace("http://127.0.0.1:8000", service.served.url), paid, {})["accepted"] == 2
        assert workers[0].wait(PATIENCE_S) == -signal.SIGKILL

        with service.runtime.writing() as session:  # as a minute later
            session.execute(update(Destination).values(leased_until=dt.datetime.now(dt.UTC)))
        workers.append(start_a_worker(service))
        deadline = time.monotonic() + PATIENCE_S
        while not (len(first.events(5)) == 5 and all_sent(service)) and time.monotonic() < deadline:
            with service.runtime.writing() as session:
                session.execute(
                    update(Delivery).where(Delivery.status == "pending").values(due_at=dt.datetime.now(dt.UTC))
                )
            time.sleep(0.2)
        workers[1].send_signal(signal.SIGTERM)
        assert workers[1].wait(PATIENCE_S) == 0

    # Nothing is stored twice, and each came by its own way.
    events = first.events(5)
    assert sorted((event["type"], event["source"]) for event in events) == [
        ("identify", "function"),
        ("identify", "source_function"),
        ("page", "function"),
        ("track", "function"),
        ("track", "source_function"),
    ]
    assert {first.user(name)["email"] for name in ("ada", "bob")} == {"ada@b.example", "bob@b.example"}
    # What was sent again is the same under the same id; nothing else was sent.
    told: dict[str, list[Any]] = defaultdict(list)
    for request in receiver.requests:
        headers, body = sent(request)
        assert Webhook(made["secret"]).verify(request.partition(b"\r\n\r\n")[2], headers) == body
        told[headers["webhook-id"]].append(body)
    bodies = [slack("ada@b.example #7: 9.5"), slack("bob@b.example #8: 9.5")]
    assert sorted((same[0] for same in told.values()), key=json.dumps) == bodies
    assert all(body == same[0] for same in told.values() for body in same)
    assert 3 <= len(receiver.requests) <= 4
    with service.runtime.reading() as session:
        assert set(session.scalars(select(Delivery.status))) == {"delivered", "dropped"}

    # The pages show it: what failed first, and what ran.
    service.served.cli("admin", "create", EMAIL, "--password-stdin", given=PASSWORD)
    page.goto(f"{service.served.url}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/workspaces")
    with service.runtime.reading() as session:
        keys = session.scalars(select(models.Workspace.key).order_by(models.Workspace.id)).all()
    page.goto(f"{service.served.url}/w/{keys[0]}/destinations/slack")
    assert page.get_by_text("503").count() and page.get_by_text("200").count()
    page.goto(f"{service.served.url}/w/{keys[1]}/functions/forward")
    assert page.get_by_text("To the first").count()
