"""Pages of destinations, on SQLite: from the form to the receiver and back into the log."""

import datetime as dt
import html
import ipaddress
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import update

import productfruits
from productfruits.config import Settings
from productfruits.models import Destination
from productfruits.services import admins, audiences, workspaces
from productfruits.workers.runtime import Runtime
from tests.receivers import PUBLIC, Receiver, answering, receiving
from tests.services import factories
from tests.services.senders import sent
from tests.web.admin_world import PASSWORD, Person, runtime_of

BAIT = "<script>alert(1)</script>\"'"


@pytest.fixture
def app(settings: Callable[..., Settings]) -> Iterator[Flask]:
    app = productfruits.create_app(settings(egress_allow=(ipaddress.ip_network(f"{PUBLIC}/32"),)))
    yield app
    app.extensions["productfruits"].close()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    return runtime_of(app)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(answering("200 OK", BAIT.encode())) as receiver:
        yield receiver


class Owner(Person):
    """The first admin, in a workspace with one user and one event."""

    def __init__(self, app: Flask) -> None:
        now = dt.datetime.now(dt.UTC)
        with runtime_of(app).writing() as session:
            admin = admins.set_up(session, "ada@example.com", PASSWORD, "Acme", now)
            workspace = admins.memberships(session, admin.id)[0].workspace
            bob = factories.user(session, workspace, "bob", "bob@example.com", traits={"name": BAIT})
            factories.event(session, workspace, bob, name=BAIT, properties={"price": 3}, received_at=now)
        self.base = f"/w/{workspace.key}/destinations"
        super().__init__(app.test_client(), admin)

    def page(self, path: str = "") -> str:
        answer = self.get(self.base + path)
        assert answer.status_code == 200
        return html.unescape(answer.text)

    def send(self, path: str, **form: str) -> str:
        """Send a form and read the page that comes after it."""
        answer = self.post(self.base + path, form)
        if answer.status_code == 303:
            answer = self.get(answer.headers["Location"])
        assert answer.status_code in (200, 400)
        return html.unescape(answer.text)


@pytest.fixture
def owner(app: Flask) -> Owner:
    return Owner(app)


def test_a_destination_is_made_tried_watched_and_told_to_send_again(
    owner: Owner, runtime: Runtime, receiver: Receiver
) -> None:
    assert "Nothing is sent anywhere yet" in owner.page()
    assert "Slack" in owner.page("/new")
    assert "A message" in owner.page("/new?kind=slack")
    made = owner.send(
        "",
        kind="generic",
        name="Warehouse",
        url=receiver.url,
        method="PUT",
        headers="X-Key: canary-of-a-key\r\n",
        events="all",
        form="fields",
        fields='who = user.email\r\nprice = event.properties.price\r\ncurrency = "EUR"',
    )
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made)
    assert secret and "Shown once" in made
    assert secret.group() not in owner.page("/warehouse") and receiver.url not in owner.page("/warehouse")

    assert "on its way" in owner.send("/warehouse/try")
    begin = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    end = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    assert "1 delivery is" in owner.send("/warehouse/resend", what="range", start=begin, end=end)
    runtime.deliveries.run_once()
    headers, body = sent(receiver.requests[1])
    assert body == {"who": "bob@example.com", "price": 3, "currency": "EUR"} and headers["x-key"] == "canary-of-a-key"
    assert receiver.requests[1].startswith(b"PUT ")
    raw = owner.get(f"{owner.base}/warehouse").text
    assert "Delivered 200" in raw and "<script>alert" not in raw and BAIT in html.unescape(raw)
    delivery = re.search(r'name="delivery" value="(\d+)"', raw)
    assert delivery and "1 delivery is" in owner.send("/warehouse/resend", what="delivery", delivery=delivery[1])
    assert "nothing to send again" in owner.send("/warehouse/resend", what="failed", start=begin)
    assert "Everything that was sent has arrived" in owner.page("/warehouse?show=failed")

    form = owner.page("/warehouse/edit")
    assert "canary-of-a-key" not in form and "X-Key:" in form and 'currency = "EUR"' in form
    kept = {"name": "Store", "url": receiver.url, "headers": "X-Key:", "form": "event"}
    assert "is changed" in owner.send("/warehouse/edit", **kept)
    runtime.deliveries.run_once()
    assert sent(receiver.requests[-1])[0]["x-key"] == "canary-of-a-key"
    assert "signing secret" in owner.send("/warehouse/rotate") and "Nothing is sent any more" in owner.send(
        "/warehouse/switch", on="0"
    )
    assert "is deleted" in owner.send("/warehouse/delete") and "Nothing is sent anywhere yet" in owner.page()


MISTAKES: list[tuple[dict[str, str], str]] = [
    ({"url": "ftp://x.example"}, "must begin with https://"),
    ({"url": ""}, "Missing: where to send to."),
    ({"headers": "Host: x"}, "cannot be set"),
    ({"headers": "X-Key:"}, "there is none to keep"),
    ({"form": "template", "template": '{"a": {{ event'}, "The template cannot be read"),
    ({"form": "fields", "fields": "a = event.event\nnothing"}, "Line 2: Say where the value is"),
    ({"form": "fields", "fields": ""}, "Name 1 to 100 fields."),
    ({"events": "none"}, "lets nothing through"),
    ({"kind": "segment", "url": ""}, "needs the write key"),
]


def test_a_form_that_cannot_work_comes_back_as_it_was_filled(owner: Owner) -> None:
    for form, sentence in MISTAKES:
        page = owner.send("", **{"kind": "generic", "name": BAIT, "url": "https://hooks.example.com/x", **form})
        assert "Not saved" in page and sentence in page and BAIT in page, sentence
    assert "Nothing is sent anywhere yet" in owner.page()


def test_a_destination_is_for_the_users_of_audiences(owner: Owner, runtime: Runtime) -> None:
    form = {"kind": "generic", "name": "Paying only", "url": "https://hooks.example.com/x", "audiences": "paying"}
    assert "in one of these audiences" not in owner.page("/new?kind=generic")
    assert "names audiences that are not in this workspace: paying" in owner.send("", **form)
    with runtime.writing() as session:
        workspace_id = workspaces.by_key(session, owner.base.split("/")[2]).id
        rule = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
        audiences.create(session, workspace_id, "paying", BAIT, rule, dt.datetime.now(dt.UTC))
    assert BAIT in owner.page("/new?kind=generic")
    owner.send("", **form)
    assert re.search(r'name="audiences" value="paying"[^>]*checked', owner.page("/paying-only/edit"))
    gone = {**form, "audiences": "sellers"}
    assert "names audiences that are not in this workspace: sellers" in owner.send("/paying-only/edit", **gone)
    assert "sellers" in owner.send(
        "/import", file="destinations: {a: {url: 'https://x.example', filter: {audiences: [sellers]}}}"
    )


def test_a_file_is_imported_and_a_destination_of_jitsu_edited(owner: Owner) -> None:
    assert "not YAML" in owner.send("/import", file="destinations: [")
    file = """
destinations:
  from_jitsu:
    type: webhook
    webhook: {url: '`https://x.example/${_.a}`', body: 'return {b: 1}'}
    data_layout: {table_name_template: $.event_type}
  own: {url: 'https://hooks.example.com/x'}
"""
    page = owner.send("/import", file=file)
    assert page.count("whsec_") == 2 and "from-jitsu is changed" not in page
    assert "whsec_" not in owner.send("/import", file=file)
    assert "decided for each event" in owner.page("/from-jitsu")
    form = owner.page("/from-jitsu/edit")
    assert "return {b: 1}" in form and "$.event_type" in form and "`https://x.example/${_.a}`" in form
    kept = {
        "name": "J",
        "url": "https://y.example/",
        "method": "GET",
        "text": "",
        "table": "$.event_type",
        "events": "all",
    }
    assert "is changed" in owner.send("/from-jitsu/edit", **kept)
    assert "https://y.example" in owner.page("/from-jitsu")


def test_a_destination_that_was_stopped_says_why_on_its_page_and_in_the_menu(owner: Owner, runtime: Runtime) -> None:
    owner.send("", kind="discord", name="Chat", url="https://hooks.example.com/x", form="text", template="hi")
    now = dt.datetime.now(dt.UTC)
    for because, words in (("gone", "the receiver is gone"), ("failing", "after five days")):
        with runtime.writing() as session:
            session.execute(
                update(Destination).values(enabled=False, stopped_at=now, stopped_because=because, failing_since=now)
            )
        page = owner.page("/chat")
        assert words in page and " stopped</span>" in page and "Send test event" not in page
    assert "Stopped" not in owner.send("/chat/switch", on="1")


def test_the_next_try_is_not_before_a_dead_receiver_is_asked_again(owner: Owner, runtime: Runtime) -> None:
    # An address that nobody may be sent to, and so nobody answers.
    owner.send("", kind="generic", name="Away", url="http://192.0.2.1/x", events="all", form="event")
    owner.send("/away/try")
    runtime.deliveries.run_once()
    rests_until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    with runtime.writing() as session:
        session.execute(update(Destination).values(rests_until=rests_until))
    page = owner.page("/away")
    rests = re.search(r"left in peace until (.+? UTC)", page)
    assert rests and f"Next try: {rests[1]}" in page
