"""What is left of deliveries: of erased users nothing, and of old ones nothing after a while."""

import datetime as dt

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery, Event, User
from productfruits.services import erasure, retention
from tests.receivers import answering, receiving
from tests.services.senders import attempts, destination, did, make_due, now, sender, sent, statuses


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


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
