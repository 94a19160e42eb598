"""Runs of functions: what they may reach, and what becomes of events and requests."""

import datetime as dt
import ipaddress
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.functions import errors, retries
from productfruits.functions.fetching import Asked, FetchFailed
from productfruits.functions.runs import Call
from productfruits.functions.runtime import Sandbox
from productfruits.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    FunctionError,
    FunctionInstance,
    FunctionRequest,
    StoredObject,
)
from productfruits.outgoing.http import Egress
from productfruits.services import delivery_outcomes, function_instances, function_runs, functions
from productfruits.services.deliveries import Attempt
from productfruits.workers import function_sending
from productfruits.workers.deliveries import Deliveries
from productfruits.workers.metrics import Metrics
from productfruits.workers.source_functions import SourceFunctions
from productfruits.workers.writer import Writer
from tests.receivers import PUBLIC, answering, receiving
from tests.services.functions import API_KEY, VAULT, make, shape_of
from tests.services.messages import NOW, arrival, message, receive


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
