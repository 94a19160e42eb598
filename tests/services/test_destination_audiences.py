"""Destinations for the users of some audiences: who is in one is asked when it is sent."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery, DeliveryAttempt, User
from productfruits.segment.messages import Message
from productfruits.services import audiences, destinations, erasure, intake, redelivery
from tests.receivers import answering, receiving
from tests.services import factories
from tests.services.messages import arrival, message
from tests.services.senders import destination, now, sender, sent, statuses

PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
SOLD = {"kind": "event", "name": "Sold", "at_least": 1}


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        number = factories.workspace(session).id
        audiences.create(session, number, "paying", "Paying", PRO, now())
        audiences.create(session, number, "sellers", "Sellers", SOLD, now())
        return number


def send(sessions: sessionmaker[Session], workspace_id: int, *messages: Message) -> None:
    with sessions.begin() as session:
        intake.receive(session, [arrival(workspace_id, *messages, received_at=now())], now())


def test_only_users_of_the_audience_are_sent(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("200 OK")) as receiver:
        with sessions.begin() as session:
            chosen = {"audiences": ["paying"], "changes": ["user.created", "user.deleted"]}
            made = destination(session, workspace_id, receiver.url, filter=chosen).destination
        send(
            sessions,
            workspace_id,
            message("identify", "ada", message_id="1", traits={"plan": "pro"}, at=now()),
            message("track", "ada", message_id="2", name="Sold", at=now()),
            message("track", "bob", message_id="3", name="Sold", at=now()),
            message("track", None, anonymous_id="somebody", message_id="4", name="Sold", at=now()),
        )
        sender(sessions).run_once()
        bodies = [sent(request)[1] for request in receiver.requests]
        assert {(body["type"], body["data"]["user"]["username"]) for body in bodies} == {
            ("event.stored", "ada"),
            ("user.created", "ada"),
        }
        assert len(bodies) == 3
        with sessions() as session:
            outcomes = sorted(session.scalars(select(DeliveryAttempt.outcome)))
            assert outcomes == ["delivered"] * 3 + ["left_out"] * 3
            bob_id = session.scalars(select(User.id).where(User.username == "bob")).one()
        with sessions.begin() as session:
            erasure.erase(session, workspace_id, bob_id, "test", now())
        sender(sessions).run_once()
        # The receiver may hold what came while the user was in the audience.
        assert sent(receiver.requests[-1])[1]["data"]["user"] == {"id": bob_id}
    assert made.filter["audiences"] == ["paying"]


def test_membership_is_asked_when_it_is_sent(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with receiving(answering("200 OK")) as receiver:
        with sessions.begin() as session:
            destination(session, workspace_id, receiver.url, filter={"audiences": ["paying", "sellers"]})
        send(sessions, workspace_id, message("track", "ada", message_id="1", name="Looked", at=now()))
        send(sessions, workspace_id, message("track", "ada", message_id="2", name="Sold", at=now()))
        sender(sessions).run_once()
        assert [sent(request)[1]["data"]["event"]["event"] for request in receiver.requests] == ["Looked", "Sold"]


def test_an_audience_that_a_destination_is_for_stays(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        made = destination(session, workspace_id, filter={"audiences": ["paying"]}).destination
        with pytest.raises(audiences.AudienceInUse, match=f"destination {made.key}"):
            audiences.remove(session, workspace_id, "paying")
        with pytest.raises(destinations.UnknownAudience, match="nobody"):
            destination(session, workspace_id, filter={"audiences": ["nobody"]})


def test_what_cannot_be_told_is_said_and_sent_again_on_request(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with receiving(answering("200 OK")) as receiver:
        with sessions.begin() as session:
            made = destination(session, workspace_id, receiver.url, filter={"audiences": ["paying"]}).destination
            session.delete(audiences.by_key(session, workspace_id, "paying"))  # as nobody can by a page
        send(sessions, workspace_id, message("identify", "ada", message_id="1", traits={"plan": "pro"}, at=now()))
        sender(sessions).run_once()
        with sessions.begin() as session:
            (attempt,) = session.scalars(select(DeliveryAttempt))
            assert attempt.outcome == "not_sendable"
            assert "audience paying" in (attempt.detail or "")
            audiences.create(session, workspace_id, "paying", "Paying", PRO, now())
            delivery = session.scalars(select(Delivery)).one()
            redelivery.resend(session, destinations.by_key(session, workspace_id, made.key), delivery, now())
        sender(sessions).run_once()
        assert len(receiver.requests) == 1
    with sessions() as session:
        assert ("event.stored", "delivered") in statuses(session)
