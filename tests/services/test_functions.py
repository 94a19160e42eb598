"""Functions in the store: versions, instances, settings, errors, and what becomes of events and requests."""

import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.functions import definitions, errors, retries
from productfruits.functions.definitions import InvalidValues
from productfruits.functions.errors import InvalidCode
from productfruits.functions.fetching import Asked, FetchFailed
from productfruits.functions.runs import Call, Failure, Run
from productfruits.functions.runtime import Sandbox
from productfruits.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    Function,
    FunctionError,
    FunctionInstance,
    FunctionRequest,
    StoredObject,
)
from productfruits.outgoing import jitsu
from productfruits.outgoing.http import Egress
from productfruits.outgoing.jitsu import CannotEvaluate
from productfruits.services import (
    delivery_outcomes,
    erasure,
    function_errors,
    function_instances,
    function_requests,
    function_runs,
    function_trials,
    functions,
    objects,
    retention,
)
from productfruits.services.deliveries import Attempt
from productfruits.services.function_errors import Failed
from productfruits.services.vault import Vault
from productfruits.workers import function_sending
from productfruits.workers.deliveries import Deliveries
from productfruits.workers.metrics import Metrics
from productfruits.workers.source_functions import SourceFunctions
from productfruits.workers.writer import Writer
from tests.receivers import PUBLIC, answering, receiving
from tests.services import factories
from tests.services.messages import NOW, arrival, message, receive

API_KEY = dict(definitions.API_KEY)
VAULT = Vault([Fernet.generate_key().decode()])
CODE = "async function onTrack(event, settings) { console.log(settings.apiKey); throw new RetryError(settings.apiKey) }"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=2, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


def make(session: Session, kind: str = "destination", code: str = CODE, **values: Any) -> FunctionInstance:
    """A function in a workspace of its own, with one instance."""
    owner = factories.workspace(session)
    handlers = ("onRequest",) if kind == "source" else ("onTrack",)
    shape = {"name": "To Slack", "kind": kind, "code": code, "settings": [API_KEY]}
    function = functions.create(session, owner.id, shape, handlers, "ada@example.com", NOW)
    return function_instances.connect(session, function, "Sales", {"apiKey": "sk-123456", **values}, NOW, VAULT)


def shape_of(function: Function, **changes: Any) -> dict[str, Any]:
    latest = function.latest
    kept = {"name": function.name, "kind": function.kind, "code": latest.code, "settings": latest.settings}
    return {**kept, **changes}


@pytest.mark.parametrize(
    ("label", "key"),
    [("API Key", "apiKey"), ("Webhook URL", "webhookUrl"), ("channel", "channel"), ("1st ☃", "_1st"), ("☃", "setting")],
)
def test_a_key_is_made_from_the_label(label: str, key: str) -> None:
    assert definitions.key_of(label) == key
    assert definitions.KEY.fullmatch(key)


def test_saving_makes_a_version_and_deploying_runs_it(session: Session) -> None:
    instance = make(session)
    function = instance.function
    again = functions.save(session, function, shape_of(function), ("onTrack",), "ada", NOW)
    assert (again.number, len(function.versions)) == (1, 1)
    code = "function onTrack() {} function onPage() {}"
    saved = functions.save(session, function, shape_of(function, code=code), ("onTrack", "onPage"), "ada", NOW)
    assert (saved.number, instance.version.number) == (2, 1)
    assert functions.deploy(session, function, saved, [instance.id, 0]) == 1
    assert instance.version.number == 2
    runnable = function_instances.runnable(instance, VAULT)
    assert (runnable.code.source, runnable.settings) == (code, {"apiKey": "sk-123456"})
    with pytest.raises(functions.KindStays):
        functions.save(session, function, shape_of(function, kind="source"), ("onRequest",), "ada", NOW)
    with pytest.raises(functions.NoSuchVersion):
        functions.version(function, 9)


def test_a_source_function_cannot_name_its_own_address(session: Session) -> None:
    instance = make(session, "source")
    shape = shape_of(instance.function, code=f"fetch('https://x.example/functions/{instance.token}')")
    with pytest.raises(functions.OwnAddress, match="unable to send data or events back"):
        functions.save(session, instance.function, shape, ("onRequest",), "ada", NOW)


def test_what_code_must_be(sandbox: Sandbox) -> None:
    assert functions.check(sandbox, "source", "function onRequest() {} function onTrack() {}") == ("onRequest",)
    with pytest.raises(InvalidCode, match="SyntaxError"):
        functions.check(sandbox, "source", "function onRequest( {")
    with pytest.raises(functions.NoHandler, match="onTrack"):
        functions.check(sandbox, "destination", "function onRequest() {}")


def test_settings_are_typed_required_and_sensitive(session: Session) -> None:
    settings = definitions.with_keys(
        [API_KEY, {"label": "On", "type": "boolean"}, {"label": "Tags", "type": "array"}, {"label": "M", "type": "map"}]
    )
    values = {"apiKey": "sk-123456", "on": True, "tags": ["a"], "m": {"x": "y"}}
    assert definitions.check_values(settings, values) == values
    for wrong in ({"on": "yes"}, {"tags": "a"}, {"m": ["a"]}, {"apiKey": ""}, {"apiKey": 5}, {"nobody": "x"}):
        with pytest.raises(InvalidValues):
            definitions.check_values(settings, {**values, **wrong})
    assert definitions.check_values(settings, {"apiKey": None}, values)["apiKey"] == "sk-123456"
    assert definitions.shown(settings, values) == {**values, "apiKey": None}
    instance = make(session)
    assert b"sk-123456" not in instance.ciphertext
    document = function_instances.document(instance, "https://h.example", VAULT)
    assert "sk-123456" not in repr(document) and document["settings"] == {"apiKey": None}
    function_instances.change(session, instance, name="Other", values={"apiKey": None}, vault=VAULT)
    assert function_instances.values_of(instance, VAULT) == {"apiKey": "sk-123456"}


def test_another_setting_or_version_is_another_isolate(session: Session) -> None:
    instance = make(session)
    keys = {function_instances.runnable(instance, VAULT).code.key}
    function_instances.change(session, instance, name="Sales", values={"apiKey": "sk-7890123"}, vault=VAULT)
    keys.add(function_instances.runnable(instance, VAULT).code.key)
    assert len(keys) == 2


def test_secrets_are_hidden_in_all_that_is_kept(session: Session, sandbox: Sandbox) -> None:
    runnable = function_instances.runnable(make(session), VAULT)
    done = function_runs.run(sandbox, Egress(()), runnable, Call("onTrack", ({},)))
    assert done.failure is not None and done.failure.kind == errors.RETRY
    assert "sk-123456" not in repr(done) and done.log[0].text == "•••"


def test_a_missing_setting_is_invalid_settings(session: Session, sandbox: Sandbox) -> None:
    instance = make(session)
    more = [*instance.version.settings, {**API_KEY, "key": "url", "label": "URL"}]
    saved = functions.save(session, instance.function, shape_of(instance.function, settings=more), (), "ada", NOW)
    functions.deploy(session, instance.function, saved, [instance.id])
    runnable = function_instances.runnable(instance, VAULT)
    done = function_runs.run(sandbox, Egress(()), runnable, Call("onTrack", ({},)))
    assert done.failure is not None and done.failure.kind == errors.INVALID_SETTINGS
    assert "URL" in done.failure.message


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9999/", "connect ECONNREFUSED 127.0.0.1:9999"),
        ("http://localhost/", "connect ECONNREFUSED localhost:80"),
        ("https://[::1]/", "connect ECONNREFUSED ::1:443"),
        ("http://169.254.169.254/latest/meta-data", "connect ECONNREFUSED 169.254.169.254:80"),
        ("http://nobody.invalid/", "connect ECONNREFUSED nobody.invalid:80"),
        ("http://user:word@example.com/", "The URL"),
        ("https://h.example/functions/TOKEN", "Functions are unable to send data or events back"),
    ],
)
def test_a_blocked_address_reads_like_one_where_nobody_listens(url: str, reason: str) -> None:
    fetch = function_runs._through(Egress(()), "TOKEN", 0)
    with pytest.raises(FetchFailed) as failed:
        fetch(Asked("GET", url, (), None), 2.0)
    assert str(failed.value).startswith(reason) or reason in str(failed.value)


@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/inside", "file:///etc/passwd", "/hook"])
def test_a_redirect_sends_a_function_nowhere(session: Session, sandbox: Sandbox, place: str) -> None:
    """A-08 for functions: nobody is asked but the address in the code, and the run has failed."""
    code = "async function onTrack(event, settings) { return (await fetch(event.url)).status }"
    runnable = function_instances.runnable(make(session, code=code), VAULT)
    with receiving(host="127.0.0.1") as canary:
        location = f"Location: {place.format(port=canary.port)}"
        with receiving(answering("302 Found", b"", location)) as receiver:
            egress = Egress((ipaddress.ip_network(f"{PUBLIC}/32"),))
            done = function_runs.run(sandbox, egress, runnable, Call("onTrack", ({"url": receiver.url},)))
    assert done.failure is not None and done.failure.name == "FetchError"
    assert "redirects are not followed here" in done.failure.message
    assert (len(receiver.requests), canary.requests) == (1, [])


def test_retries_begin_after_one_to_three_minutes_and_grow_to_twenty() -> None:
    def minutes(attempts: int, spread: float) -> float | None:
        again = retries.next_attempt(attempts, NOW, spread)
        return None if again is None else (again - NOW).total_seconds() / 60

    assert (minutes(1, -1), minutes(1, 1)) == (1, 3)
    assert [minutes(attempts, 0) for attempts in range(1, 8)] == [2, 4, 8, 16, 20, 20, None]


def test_the_newest_hundred_errors_are_kept_and_an_erased_user_leaves_them(session: Session) -> None:
    instance = make(session)
    owner = instance.workspace_id
    failure = Failure(errors.BAD_REQUEST, "Error", "no\0pe")
    run = Run(failure, None, (), (), (), 1)
    for number in range(103):
        given = {"body": f'{{"email":"ada{number}@example.com"}}'}
        function_errors.record(session, owner, instance.id, Failed(run, failure, given), 1, NOW)
    kept = function_errors.newest(session, instance)
    assert len(kept) == 100 and "ada102@" in kept[0].input
    function_requests.add(session, owner, instance.id, {"headers": [], "body": "ada102@example.com"}, NOW, NOW)
    instance.function.caught = {"body": "Ada102@Example.com"}
    session.flush()
    erasure.erase_dead_letters(session, owner, {"ada102@example.com"})
    session.expire_all()
    assert len(function_errors.newest(session, instance)) == 99
    assert session.scalars(select(FunctionRequest)).all() == [] and instance.function.caught is None


def test_old_errors_and_caught_requests_are_forgotten(session: Session) -> None:
    instance = make(session)
    failure = Failure(errors.BAD_REQUEST, "Error", "no")
    failed = Failed(Run(failure, None, (), (), (), 1), failure, {})
    for at in (NOW, NOW - dt.timedelta(days=31)):
        function_errors.record(session, instance.workspace_id, instance.id, failed, 1, at)
    function_trials.wait_for_request(session, instance.function, NOW - dt.timedelta(days=2))
    function_trials.catch(session, instance.function.test_token, {"body": "x"}, NOW - dt.timedelta(days=2))
    retention.prune(session, NOW, 0)
    session.expire_all()
    assert [error.at for error in function_errors.newest(session, instance)] == [NOW]
    assert instance.function.caught is None


def test_requests_that_wait_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make(session, "source")
    monkeypatch.setattr(function_requests, "MAX_WAITING", 1)
    function_requests.add(session, instance.workspace_id, instance.id, {}, NOW, NOW)
    with pytest.raises(function_requests.TooManyWait):
        function_requests.add(session, instance.workspace_id, instance.id, {}, NOW, NOW)


def test_objects_are_merged_listed_and_exported(session: Session) -> None:
    owner = factories.workspace(session)
    sets = [
        {"collection": "products", "id": "1", "properties": {"name": "Shoe", "size": 9}},
        {"collection": "products", "id": "1", "properties": {"size": None, "colour": "red"}},
        {"collection": "invoices", "id": "7", "properties": {}},
    ]
    objects.put(session, owner.id, sets, NOW)
    assert [(c.name, c.objects) for c in objects.collections(session, owner.id)] == [("invoices", 1), ("products", 1)]
    (row,) = objects.page(session, owner.id, "products").rows
    assert row.properties == {"name": "Shoe", "colour": "red"}
    (line,) = objects.export(session, owner.id, "products")
    assert '"colour": "red"' in line


def test_only_a_waiting_editor_catches_a_request(session: Session) -> None:
    function = make(session, "source").function
    with pytest.raises(function_trials.NotWaiting):
        function_trials.catch(session, function.test_token, {"body": ""}, NOW)
    function_trials.wait_for_request(session, function, NOW)
    function_trials.catch(session, function.test_token, {"body": "x"}, NOW)
    assert function.caught == {"body": "x"}
    with pytest.raises(function_trials.NotWaiting):
        function_trials.catch(session, function.test_token, {"body": "y"}, NOW)


class Sender:
    """A worker of the outbox, asked by hand."""

    def __init__(self, sessions: sessionmaker[Session], sandbox: Sandbox) -> None:
        self.deliveries = Deliveries(sessions, Egress(()), VAULT, Metrics(), sandbox=sandbox)


def test_what_a_run_means_for_its_delivery(sessions: sessionmaker[Session], sandbox: Sandbox) -> None:
    code = "function onTrack(event) { if (event.event !== 'Fine') throw new global[event.event]('told') }"
    with sessions.begin() as session:
        instance = make(session, code=code)
        owner, instance_id = instance.workspace_id, instance.id
    names = ("Fine", "RetryError", "ValidationError", "DropEvent", "Error")
    sent = [message("track", "u", name=name) for name in names]
    # The type without a handler is not even queued.
    receive(sessions, [arrival(owner, *sent, message("page", "u", name="Home"))])
    Sender(sessions, sandbox).deliveries.run_once()
    with sessions() as session:
        deliveries = session.scalars(select(Delivery).order_by(Delivery.id)).all()
        statuses = [delivery.status for delivery in deliveries]
        assert dict(zip(names, statuses, strict=True)) == {
            "Fine": "delivered",
            "RetryError": "pending",
            "ValidationError": "dropped",
            "DropEvent": "dropped",
            "Error": "failed",
        }
        kinds = {error.kind for error in session.scalars(select(FunctionError))}
        assert kinds == {errors.MESSAGE_REJECTED, errors.BAD_REQUEST}
        instance = session.get_one(FunctionInstance, instance_id)
        assert (instance.succeeded, instance.failed) == (2, 2)


def test_the_seventh_failure_in_a_row_is_the_one_that_is_shown(
    sessions: sessionmaker[Session], sandbox: Sandbox
) -> None:
    with sessions.begin() as session:
        owner = make(session, code="function onTrack() { throw new RetryError('later') }").workspace_id
    receive(sessions, [arrival(owner, message("track", "u", name="Paid"))])
    for attempt in range(1, 8):
        with sessions.begin() as session:
            assert session.scalars(select(FunctionError)).all() == []
            session.scalars(select(Delivery)).one().due_at = NOW - dt.timedelta(days=3650)
        Sender(sessions, sandbox).deliveries.run_once()
        with sessions() as session:
            delivery = session.scalars(select(Delivery)).one()
            assert (delivery.attempts, delivery.status) == (attempt, "failed" if attempt == 7 else "pending")
    with sessions() as session:
        (error,) = session.scalars(select(FunctionError)).all()
        assert (error.kind, error.attempts, error.name) == (errors.RETRY, 7, "RetryError")
        assert '"event": "Paid"' in error.input


def test_a_server_that_cannot_run_it_now_uses_up_no_attempt(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        owner = make(session).workspace_id
    receive(sessions, [arrival(owner, message("track", "u", name="Paid"))])
    Deliveries(sessions, Egress(()), VAULT, Metrics()).run_once()
    with sessions() as session:
        delivery = session.scalars(select(Delivery)).one()
        assert (delivery.status, delivery.attempts) == ("pending", 0)
        assert delivery.due_at > dt.datetime.now(dt.UTC)
        assert session.scalars(select(DeliveryAttempt)).all() == []


def test_a_function_that_takes_too_long_rests_and_is_never_switched_off(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        instance = make(session)
        owner, outlet = instance.workspace_id, instance.destination_id
    assert outlet is not None
    receive(sessions, [arrival(owner, message("track", "u", name="Paid"))])
    now = dt.datetime.now(dt.UTC)
    with sessions.begin() as session:
        delivery = session.scalars(select(Delivery)).one()
        late = Attempt(delivery.id, outlet, now - dt.timedelta(days=9), 5_000, "timed_out", is_run=True)
        delivery_outcomes.record(session, [late] * 3, now, lambda: 0.0)
    with sessions() as session:
        destination = session.get_one(Destination, outlet)
        assert destination.enabled and destination.failing_since is None
        assert destination.rests_until is not None and destination.unanswered == 3


def test_a_deleted_user_reaches_on_delete() -> None:
    document = {"user": {"id": "abc"}, "timestamp": "2030-01-01T00:00:00.000Z", "message": None}
    event = function_sending.event_of("user.deleted", document)
    assert event == {"type": "delete", "userId": "abc", "timestamp": document["timestamp"], "context": {}}
    assert function_sending.HANDLERS[event["type"]] == "onDelete"
    assert functions.taken_by(("onDelete",)) == {"events": "none", "types": [], "changes": ["user.deleted"]}


SOURCE = """
async function onRequest(request, settings) {
  const body = request.json();
  if (body.fail) throw new global[body.fail](body.fail);
  Segment.identify({ userId: body.id, traits: { email: body.email } });
  Segment.track({ userId: body.id, event: 'Paid', properties: { at: request.url.pathname } });
  Segment.set({ collection: 'invoices', id: body.id, properties: body });
}
"""


def test_a_source_function_is_retried_and_stores_what_it_says(
    database_url: str, sessions: sessionmaker[Session], sandbox: Sandbox
) -> None:
    writer = Writer(sessions, Metrics(), is_sqlite=database_url.startswith("sqlite"), queue_messages=100)
    source = SourceFunctions(sessions, sandbox, Egress(()), VAULT, writer)
    with sessions.begin() as session:
        instance = make(session, "source", SOURCE)
        token = str(instance.token)

    def post(body: str) -> Any:
        request = {"method": "POST", "url": "https://h.example/f", "headers": [["X-Productfruits-Depth", "1"]]}
        runnable = source.find(token)
        assert runnable is not None
        return source.take(runnable, {**request, "body": body})

    taken = post('{"id": "u-1", "email": "ada@example.com"}')
    assert taken.failure is None and (taken.receipt.accepted, taken.objects) == (2, 1)
    rejected = post('{"fail": "ValidationError"}')
    assert (rejected.failure.kind, rejected.again) == (errors.MESSAGE_REJECTED, False)
    again = post('{"fail": "RetryError"}')
    assert again.again
    assert post("{").failure.name == "SyntaxError"
    with sessions() as session:
        (row,) = session.scalars(select(StoredObject)).all()
        assert (row.collection, row.object_id) == ("invoices", "u-1")
        (waiting,) = session.scalars(select(FunctionRequest)).all()
        first = waiting.due_at
    for _ in range(6):
        assert source.retry_due(first + dt.timedelta(days=1)) == 1
        first += dt.timedelta(days=1)
    with sessions() as session:
        assert session.scalars(select(FunctionRequest)).all() == []
        kinds = [error.kind for error in session.scalars(select(FunctionError).order_by(FunctionError.id))]
        assert kinds == [errors.MESSAGE_REJECTED, errors.BAD_REQUEST, errors.RETRY]
    with sessions.begin() as session:
        function_instances.switch(session, session.scalars(select(FunctionInstance)).one(), False)
    assert source.find(token) is None and source.find("nobody") is None
    writer.stop(5.0)


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


def test_nothing_is_left_of_a_deleted_function(session: Session) -> None:
    for kind in ("source", "destination"):
        function = make(session, kind).function
        functions.delete(session, function)
    assert session.scalars(select(FunctionInstance)).all() == []
