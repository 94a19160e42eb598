"""From the outbox to a receiver: what it gets, how often it is tried, and when it is left in peace."""

import datetime as dt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks import Webhook

from productfruits.models import Delivery, DeliveryAttempt, Destination
from productfruits.services import deliveries, delivery_outcomes, destinations, redelivery
from productfruits.services.deliveries import Attempt
from tests.receivers import answering, receiving
from tests.services.messages import arrival, message, receive
from tests.services.senders import VAULT, attempts, destination, did, make_due, now, sender, sent, statuses


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


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
