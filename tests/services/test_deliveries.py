"""From the outbox to a receiver: who sends, how often, and what is left of it."""

import datetime as dt
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks import Webhook

from productfruits.models import Delivery, DeliveryAttempt, Destination, Event, User
from productfruits.outgoing import retry
from productfruits.services import (
    deliveries,
    delivery_outcomes,
    destination_files,
    destinations,
    erasure,
    intake,
    parcels,
    redelivery,
    retention,
)
from productfruits.services.deliveries import Attempt
from productfruits.workers import deliveries as workers_deliveries
from productfruits.workers import sending
from tests.receivers import answering, receiving
from tests.services import factories
from tests.services.messages import arrival, message, receive
from tests.services.senders import VAULT, destination, sender, sent, statuses


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        return factories.workspace(session).id


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def did(sessions: sessionmaker[Session], workspace_id: int, *names: str, user: str = "ada", **more: Any) -> None:
    """Tracks with these names, each its own messageId."""
    tracks = [message("track", user, message_id=f"{user} {name}", name=name, at=now(), **more) for name in names]
    with sessions.begin() as session:
        intake.receive(session, [arrival(workspace_id, *tracks, received_at=now())], now())


def noting(arrived: threading.Semaphore) -> Callable[[socket.socket], None]:
    """Answers each request, and lets the test know."""

    def take(connection: socket.socket) -> None:
        answering()(connection)
        arrived.release()

    return take


def attempts(session: Session) -> list[tuple[str, int | None]]:
    return [
        (row.outcome, row.status)
        for row in session.execute(select(DeliveryAttempt.outcome, DeliveryAttempt.status).order_by(DeliveryAttempt.id))
    ]


def make_due(sessions: sessionmaker[Session]) -> None:
    """As if the pauses were over."""
    with sessions.begin() as session:
        session.execute(update(Delivery).where(Delivery.status == "pending").values(due_at=now()))
        session.execute(update(Destination).values(rests_until=None))


def test_an_event_arrives_signed_and_is_logged(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("202 Accepted", b"thanks, key-of-ours-123")) as receiver:
        with sessions.begin() as session:
            made = destination(session, workspace_id, receiver.url, headers={"Authorization": "Bearer key-of-ours-123"})
            new = destinations.rotate(session, made.destination, now(), VAULT)
        did(sessions, workspace_id, "Sold", properties={"price": 12.5})
        sender(sessions).run_once()
    [request] = receiver.requests
    headers, body = sent(request)
    raw = request.partition(b"\r\n\r\n")[2]
    for secret in (made.secret, new.secret):
        assert Webhook(secret).verify(raw, headers) == body
    assert headers["authorization"] == "Bearer key-of-ours-123" and headers["x-productfruits-depth"] == "1"
    assert body["type"] == "event.stored"
    assert body["data"]["event"]["event"] == "Sold" and body["data"]["event"]["properties"] == {"price": 12.5}
    assert body["data"]["user"]["username"] == "ada"
    with sessions() as session:
        assert statuses(session) == [("event.stored", "delivered")]
        logged = session.scalars(select(DeliveryAttempt)).one()
        assert (logged.outcome, logged.status, logged.answer) == ("delivered", 202, "thanks, •••")
        assert made.destination.uid in headers["webhook-id"]


def test_a_failure_is_tried_again_under_the_same_id(sessions: sessionmaker[Session], workspace_id: int) -> None:
    answers = iter([answering("500 Oops", b"no"), answering("503 Later", b"", "Retry-After: 90"), answering()])
    with receiving(lambda connection: next(answers)(connection)) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Sold")
        worker = sender(sessions)
        worker.run_once()
        with sessions() as session:
            waiting = session.scalars(select(Delivery)).one()
            assert (waiting.status, waiting.attempts) == ("pending", 1) and waiting.due_at > now()
            assert session.scalars(select(Destination)).one().failing_since is not None
        make_due(sessions)
        worker.run_once()
        with sessions() as session:
            assert session.scalars(select(Delivery.due_at)).one() > now() + dt.timedelta(seconds=80)
        make_due(sessions)
        worker.run_once()
    assert len({sent(request)[0]["webhook-id"] for request in receiver.requests}) == 1
    with sessions() as session:
        assert attempts(session) == [("failed", 500), ("failed", 503), ("delivered", 200)]
        assert session.scalars(select(Destination)).one().failing_since is None


def test_after_a_day_it_is_given_up_and_can_be_recovered(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("500 Oops")) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Sold")
        with sessions.begin() as session:
            session.execute(update(Delivery).values(attempts=len(retry.SCHEDULE)))
        sender(sessions).run_once()
        with sessions() as session:
            assert statuses(session) == [("event.stored", "failed")]
    with receiving(port=receiver.port) as repaired:
        with sessions.begin() as session:
            found = destinations.by_key(session, workspace_id, "hooks")
            assert redelivery.recover(session, found, now(), now()) == 0
            assert redelivery.recover(session, found, now() - dt.timedelta(hours=1), now()) == 1
        sender(sessions).run_once()
    assert len(repaired.requests) == 1
    with sessions() as session:
        assert statuses(session) == [("event.stored", "delivered")]


def test_gone_switches_the_destination_off(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("410 Gone")) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "One", "Two")
        sender(sessions).run_once()
    assert len(receiver.requests) == 1
    with sessions.begin() as session:
        found = destinations.by_key(session, workspace_id, "hooks")
        assert (found.enabled, found.stopped_because, destinations.status(found)) == (False, "gone", "stopped")
        assert statuses(session) == [("event.stored", "failed"), ("event.stored", "pending")]
        with pytest.raises(redelivery.SwitchedOff):
            redelivery.test(session, found, now())
        destinations.switch(session, found, on=True)
        assert destinations.status(found) == "on"


def test_five_days_without_a_success_switch_it_off(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        made = destination(session, workspace_id).destination
    did(sessions, workspace_id, "Sold")
    start = now()
    with sessions.begin() as session:
        delivery_id = session.scalars(select(Delivery.id)).one()

        def fail(after: dt.timedelta) -> Destination:
            attempt = Attempt(delivery_id, made.id, start + after, 5, "failed", 500)
            delivery_outcomes.record(session, [attempt], start + after, lambda: 0)
            return session.scalars(select(Destination)).one()

        assert fail(dt.timedelta()).enabled
        assert fail(dt.timedelta(days=4, hours=23)).enabled
        assert fail(dt.timedelta(days=5)).stopped_because == "failing"


def test_who_does_not_answer_is_left_in_peace_and_asked_with_one_request(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with receiving() as nobody:
        pass
    with sessions.begin() as session:
        destination(session, workspace_id, nobody.url)
    did(sessions, workspace_id, *"abcdef")
    worker = sender(sessions)
    worker.run_once()
    with sessions() as session:
        assert attempts(session) == [("unreachable", None)] * 3
        rests_until = session.scalars(select(Destination.rests_until)).one()
        assert rests_until is not None and rests_until > now()
        assert not deliveries.are_due(session, now())
    make_due(sessions)
    worker.run_once()
    with sessions() as session:
        assert len(attempts(session)) == 4
    make_due(sessions)
    with receiving(port=nobody.port) as repaired:
        worker.run_once()
    assert len(repaired.requests) == 6


def test_two_workers_never_send_to_one_destination_at_a_time(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        for _ in range(3):
            destination(session, workspace_id)
    did(sessions, workspace_id, "Sold")
    with sessions.begin() as session:
        first = deliveries.claim(session, "first", 2, now(), VAULT)
    with sessions.begin() as session:
        second = deliveries.claim(session, "second", 9, now(), VAULT)
    assert (len(first), len(second)) == (2, 1)
    assert {batch.destination_id for batch in first}.isdisjoint({batch.destination_id for batch in second})
    with sessions.begin() as session:
        # The first worker was killed: its leases run out.
        later = deliveries.claim(session, "third", 9, now() + deliveries.LEASE, VAULT)
    assert len(later) == 3
    with sessions.begin() as session:
        deliveries.release(session, "first", [batch.destination_id for batch in later], now())
        assert deliveries.claim(session, "fourth", 9, now(), VAULT) == []


def test_a_destination_that_is_given_back_and_leased_again_in_one_transaction_is_leased(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    did(sessions, workspace_id, "One", "Two")
    with sessions.begin() as session:
        claimed = deliveries.claim(session, "me", 1, now(), VAULT)
        [batch] = deliveries.fill(session, claimed, now())
    with sessions.begin() as session:
        done = Attempt(batch.parcels[0].delivery_id, batch.destination_id, now(), 1, "delivered", 200)
        delivery_outcomes.record(session, [done], now(), lambda: 0)
        deliveries.release(session, "me", [batch.destination_id], now())
        [again] = deliveries.fill(session, deliveries.claim(session, "me", 1, now(), VAULT), now())
        assert [parcel.delivery_id for parcel in again.parcels] == [batch.parcels[1].delivery_id]
    with sessions.begin() as session:
        assert session.scalars(select(Destination.leased_by)).one() == "me"
        deliveries.release(session, "me", [batch.destination_id], now())
        assert len(deliveries.claim(session, "somebody else", 1, now(), VAULT)) == 1


def test_several_destinations_share_what_is_taken_at_once(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        for _ in range(2):
            destination(session, workspace_id)
    did(sessions, workspace_id, *"abcdef")
    with sessions.begin() as session:
        claimed = deliveries.claim(session, "me", 2, now(), VAULT)
        for most, each in ((deliveries.PARCELS, 6), (4, 2), (1, 1)):
            filled = deliveries.fill(session, claimed, now(), parcels_in_all=most)
            assert [len(batch.parcels) for batch in filled] == [each] * 2


def test_what_cannot_be_written_is_given_up_with_the_reason(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving() as receiver:
        with sessions.begin() as session:
            destination(
                session, workspace_id, receiver.url, body={"form": "template", "template": '{"a": {{ event.event }}'}
            )
        did(sessions, workspace_id, "Sold")
        sender(sessions).run_once()
    assert receiver.requests == []
    with sessions() as session:
        logged = session.scalars(select(DeliveryAttempt)).one()
        assert logged.outcome == "not_sendable" and "is not JSON" in (logged.detail or "")
        assert statuses(session) == [("event.stored", "failed")]


def test_a_chain_is_cut_and_says_so(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving() as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Second", context={"productfruits": {"depth": 2}})
        did(sessions, workspace_id, "Third", context={"productfruits": {"depth": 3}})
        sender(sessions).run_once()
    [request] = receiver.requests
    assert sent(request)[0]["x-productfruits-depth"] == "3"
    with sessions() as session:
        assert [outcome for outcome, _ in attempts(session)] == ["delivered", "loop"]
        assert "in a circle" in (session.scalars(select(DeliveryAttempt.detail)).all()[-1] or "")


def test_nothing_of_an_erased_user_is_sent_or_logged(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("500 Oops", b"no such user: ada")) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Sold")
        did(sessions, workspace_id, "Sold", user="bob")
        worker = sender(sessions)
        worker.run_once()
        with sessions() as session:
            ada = session.scalars(select(User.id).where(User.username == "ada")).one()
        with sessions.begin() as session:
            erasure.erase(session, workspace_id, ada, "api", now())
        make_due(sessions)
        worker.run_once()
    assert [sent(request)[1]["data"]["user"]["username"] for request in receiver.requests] == ["ada", "bob", "bob"]
    with sessions() as session:
        assert len(statuses(session)) == 1 and len(attempts(session)) == 2


def test_a_replay_sends_a_stretch_of_time_under_the_ids_of_then(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    did(sessions, workspace_id, "Before any destination", "Left out")
    with receiving() as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url, filter={"names": ["Before any destination", "After"]})
        did(sessions, workspace_id, "After")
        worker = sender(sessions)
        worker.run_once()
        with sessions.begin() as session:
            found = destinations.by_key(session, workspace_id, "hooks")
            hour = dt.timedelta(hours=1)
            part = redelivery.replay(session, found, now() - hour, now() + hour, now(), chunk=2)
            assert (part.deliveries, part.after is None) == (1, False)
            rest = redelivery.replay(session, found, now() - hour, now() + hour, now(), after=part.after or 0, chunk=2)
            assert rest.deliveries == 1 and rest.after is None
            with pytest.raises(redelivery.NoStretch):
                redelivery.replay(session, found, at := now(), at, at)
        worker.run_once()
    names = [(sent(r)[1]["data"]["event"]["event"], sent(r)[0]["webhook-id"]) for r in receiver.requests]
    assert [name for name, _ in names] == ["After", "Before any destination", "After"]
    assert names[0] == names[2]


def test_a_test_event_and_a_resent_one_go_the_same_way(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving() as receiver:
        with sessions.begin() as session:
            made = destination(session, workspace_id, receiver.url, kind="slack")
            delivery_id = redelivery.test(session, made.destination, now()).id
        sender(sessions).run_once()
        with sessions.begin() as session:
            found = destinations.by_key(session, workspace_id, "hooks")
            redelivery.resend(session, found, redelivery.get(session, found, delivery_id), now())
            for missing in (delivery_id + 1, -1, 2**70):
                with pytest.raises(redelivery.NoSuchDelivery):
                    redelivery.get(session, found, missing)
        sender(sessions).run_once()
    assert [sent(request)[1] for request in receiver.requests] == [{"text": "ada@example.com: Test Event"}] * 2


def test_segment_gets_its_own_messages_back_as_duplicates(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving() as receiver:
        with sessions.begin() as session:
            url = receiver.url.replace("/hook", "/v1")
            destination(session, workspace_id, url, kind="segment", write_key="key-of-the-source", enabled=True)
        did(sessions, workspace_id, "Sold", properties={"price": 1})
        sender(sessions).run_once()
    [request] = receiver.requests
    headers, body = sent(request)
    assert request.startswith(b"POST /v1/track HTTP/1.1")
    assert headers["authorization"] == "Basic a2V5LW9mLXRoZS1zb3VyY2U6"
    assert (body["messageId"], body["userId"], body["event"]) == ("ada Sold", "ada", "Sold")
    assert body["context"]["productfruits"] == {"depth": 1}
    back = message("track", body["userId"], message_id=body["messageId"], name=body["event"], context=body["context"])
    [receipt] = receive(sessions, [arrival(workspace_id, back)])
    assert receipt.duplicates == 1
    with sessions() as session:
        assert len(statuses(session)) == 1


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


def test_old_deliveries_go_and_those_of_old_events(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    did(sessions, workspace_id, *"abcd")
    week, month = retention.DELIVERED_FOR, retention.FAILED_FOR
    ages = [("delivered", week), ("delivered", week / 2), ("failed", week), ("pending", month)]
    with sessions.begin() as session:
        for row, (status, age) in zip(session.scalars(select(Delivery).order_by(Delivery.id)), ages, strict=True):
            row.status, row.created_at = status, now() - age - dt.timedelta(minutes=1)
    with sessions.begin() as session:
        assert retention.prune(session, now(), event_days=0).deliveries == 2
        assert [status for _, status in statuses(session)] == ["delivered", "failed"]
        session.execute(update(Event).values(received_at=now() - dt.timedelta(days=3)))
        assert retention.prune(session, now(), event_days=1).events == 4
        assert statuses(session) == []


@pytest.mark.parametrize("hanging", [0, 3])
def test_the_thread_sends_by_itself_and_a_receiver_that_hangs_holds_up_nobody(
    sessions: sessionmaker[Session], workspace_id: int, hanging: int
) -> None:
    arrived = threading.Semaphore(0)

    held = threading.Event()

    def hang(_: socket.socket) -> None:
        held.wait()

    with receiving(hang) as silent, receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            for _ in range(hanging):
                destination(session, workspace_id, silent.url)
            for _ in range(3):
                destination(session, workspace_id, receiver.url)
        worker = sender(sessions)
        worker.start()
        try:
            did(sessions, workspace_id, *"ab")
            for _ in range(6):
                assert arrived.acquire(timeout=60)
            # While others are still waiting for an answer.
            assert len(silent.requests) == hanging
        finally:
            worker.stop(0.1 if hanging else 5)
            held.set()
    with sessions() as session:
        assert (
            sorted(statuses(session))
            == [("event.stored", "delivered")] * 6 + [("event.stored", "pending")] * 2 * hanging
        )
    ids = [sent(request)[0]["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 6


def test_while_messages_press_it_sends_on_and_ends_when_told(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    asked, arrived = threading.Event(), threading.Semaphore(0)

    def is_pressed() -> bool:
        asked.set()
        return True

    with receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, *(f"Sold {n}" for n in range(5)))
        worker = sender(sessions, is_pressed=is_pressed)
        worker.start()
        for _ in range(5):
            assert arrived.acquire(timeout=60)
        worker.stop(10)
    assert asked.is_set()
    with sessions() as session:
        assert statuses(session) == [("event.stored", "delivered")] * 5


def test_what_was_claimed_and_could_not_be_read_is_given_back(
    sessions: sessionmaker[Session], workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = threading.Semaphore(0)
    with receiving(noting(arrived)) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url)
        did(sessions, workspace_id, "Sold")
        monkeypatch.setattr(workers_deliveries, "RECOVER_S", 0.01)
        worker = sender(sessions)
        with monkeypatch.context() as broken:
            broken.setattr(parcels, "CHUNK", 0)  # steps of nothing: the reading fails
            with pytest.raises(ValueError):
                worker.run_once()
            with sessions() as session:
                assert session.scalars(select(Destination.leased_by)).one() is not None
        worker.start()
        assert arrived.acquire(timeout=30), "sooner than the lease runs out"
        worker.stop(5)
