"""What is sent once more: after it was given up, for a stretch of time, or because somebody wants to see it."""

import datetime as dt

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery
from productfruits.outgoing import retry
from productfruits.services import destinations, redelivery
from tests.receivers import answering, receiving
from tests.services.senders import destination, did, now, sender, sent, statuses


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


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
