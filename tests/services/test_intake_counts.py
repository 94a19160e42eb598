"""What the intake counts on a connection, and what it refuses and logs."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Connection, Rejection, User, Workspace
from productfruits.segment.messages import Message, Parsed, Refusal
from productfruits.services import connections, intake, rejections
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.services.vault import Vault
from tests.services.messages import NOW, arrival, message, receive
from tests.services.neighbours import HOUR, beside_a_neighbour, count


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    return beside_a_neighbour(sessions)


class TestCounters:
    def test_it_counts_on_the_connection_and_notes_the_secret(
        self, sessions: sessionmaker[Session], workspace_id: int
    ) -> None:
        with sessions.begin() as session:
            workspace = session.get_one(Workspace, workspace_id)
            vault = Vault([Fernet.generate_key().decode()])
            connection = connections.activate(session, workspace, NOW, vault).connection
            connection_id, secret_id = connection.id, connection.secrets[0].id
        parsed = Parsed(
            messages=(
                message("track", "ann", message_id="1"),
                message("track", "ann", message_id="1"),
                message("track", "undefined", message_id="2"),
            ),
            refused=(Refusal(index=3, code="no_type", detail="The event has no type."),),
            ignored=1,
        )
        for later in (0, 1):
            at = NOW + later * HOUR
            with sessions.begin() as session:
                intake.receive(
                    session, [Arrival(workspace_id, connection_id, secret_id, "webhook", "server", at, parsed)], at
                )
        with sessions() as session:
            row = session.get_one(Connection, connection_id)
            assert (row.accepted, row.duplicates, row.ignored, row.rejected) == (1, 4, 3, 2)
            assert (row.first_received_at, row.last_received_at) == (NOW, NOW + HOUR)
            assert row.secrets[0].last_used_at == NOW + HOUR
            assert session.scalars(select(Rejection.reason)).all() == ["no_type", "no_type"]

    def test_the_log_of_refusals_keeps_the_newest(self, sessions: sessionmaker[Session], workspace_id: int) -> None:
        for number in range(rejections.KEPT + 5):
            refused = rejections.Refused(NOW, "webhook", "invalid_json", f"number {number}")
            with sessions.begin() as session:
                intake.receive(
                    session, [Arrival(workspace_id, None, None, "webhook", "server", NOW, refusal=refused)], NOW
                )
        with sessions() as session:
            kept = session.scalars(select(Rejection.detail).order_by(Rejection.id)).all()
            assert kept == [f"number {n}" for n in range(5, rejections.KEPT + 5)]

    @pytest.mark.parametrize(
        "said",
        [
            message("delete", "a", message_id="3"),
            message("alias", "a", previous_id="b", message_id="3"),
            message("identify", message_id="3", traits={"email": "a@x.example"}),
        ],
        ids=["delete", "alias of two users", "e-mail alone"],
    )
    def test_what_a_public_sender_may_not_do_is_refused_in_words(
        self, sessions: sessionmaker[Session], workspace_id: int, said: Message
    ) -> None:
        known = (message("identify", "a", message_id="1", traits={"email": "a@x.example"}), message("track", "b"))
        receive(sessions, [arrival(workspace_id, *known)])
        assert receive(sessions, [arrival(workspace_id, said, trust="public")]) == [Receipt(rejected=1)]
        with sessions() as session:
            rejection = session.scalars(select(Rejection)).one()
            assert rejection.reason == "not_trusted"
            assert "public sender" in rejection.detail
            assert "a@x.example" not in rejection.detail
            assert count(session, User, workspace_id) == 2
