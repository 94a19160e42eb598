"""A delete of Segment: whom it erases, whom it leaves, and what is dropped after it."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import (
    Conflict,
    DeadLetter,
    Erasure,
    Event,
    GroupMember,
    SeenMessage,
    User,
    UserAlias,
    Visitor,
    Workspace,
)
from productfruits.services.arrivals import Receipt
from tests.services.messages import NOW, arrival, message, receive
from tests.services.neighbours import HOUR, beside_a_neighbour, count, user


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    return beside_a_neighbour(sessions)


class TestDelete:
    @pytest.fixture(autouse=True)
    def people(self, sessions: sessionmaker[Session], workspace_id: int) -> None:
        receive(
            sessions,
            [
                arrival(
                    workspace_id,
                    message("identify", "ann", anonymous_id="v", message_id="1", traits={"email": "ann@x.example"}),
                    message("identify", "ann2", message_id="2", traits={"email": "ann@x.example"}),
                    message("group", "ann", group_id="acme", message_id="3"),
                    message("identify", "bob", message_id="4", traits={"email": "bob@x.example"}),
                    message("identify", "bob", message_id="5", traits={"email": "ann@x.example"}),
                )
            ],
        )

    def delete(self, sessions: sessionmaker[Session], workspace_id: int, user_id: Any, **facts: Any) -> Receipt:
        facts = {"message_id": "delete-1", "at": NOW, **facts}
        [receipt] = receive(sessions, [arrival(workspace_id, message("delete", user_id, **facts))])
        return receipt

    def test_it_erases_the_user_and_leaves_the_neighbours(
        self, sessions: sessionmaker[Session], workspace_id: int
    ) -> None:
        assert self.delete(sessions, workspace_id, "ann2") == Receipt(accepted=1)
        with sessions() as session:
            users = session.scalars(select(User.username).where(User.workspace_id == workspace_id)).all()
            assert users == ["bob"]
            for model in (UserAlias, GroupMember, Conflict, Visitor):
                assert count(session, model, workspace_id) == 0, model
            assert session.scalars(select(Event.message_id).where(Event.workspace_id == workspace_id)).all() == ["4"]
            proof = session.scalars(select(Erasure)).one()
            assert (proof.requested_by, proof.users, proof.workspace_id) == ("segment", 1, workspace_id)
            assert session.scalar(select(func.count()).select_from(User).where(User.username == "ann")) == 1

    @pytest.mark.parametrize(
        "carries",
        [
            {"user_id": "ann"},
            {"user_id": "ann2"},
            {"anonymous_id": "v"},
            {"context": {"traits": {"email": "ANN@x.example"}}},
        ],
        ids=["username", "alias", "anonymous id", "e-mail"],
    )
    def test_late_messages_with_any_of_the_keys_are_dropped_and_new_ones_are_not(
        self, sessions: sessionmaker[Session], workspace_id: int, carries: dict[str, Any]
    ) -> None:
        self.delete(sessions, workspace_id, "ann")
        late = message("track", message_id="late", at=NOW, **carries)
        new = message("track", message_id="new", at=NOW + HOUR, **carries)
        assert receive(sessions, [arrival(workspace_id, late)]) == [Receipt(ignored=1)]
        assert receive(sessions, [arrival(workspace_id, new, received_at=NOW + HOUR)]) == [Receipt(accepted=1)]

    def test_a_captured_delete_cannot_be_replayed_against_a_new_user(
        self, sessions: sessionmaker[Session], workspace_id: int
    ) -> None:
        self.delete(sessions, workspace_id, "ann")
        fresh = message("identify", "ann", message_id="new", at=NOW + HOUR)
        receive(sessions, [arrival(workspace_id, fresh, received_at=NOW + HOUR)])
        assert self.delete(sessions, workspace_id, "ann", at=NOW + 2 * HOUR) == Receipt(duplicates=1)
        with sessions() as session:
            assert user(session, workspace_id, "ann").traits == {}
            kept_for_ever = session.scalars(select(SeenMessage).where(SeenMessage.seen_at.is_(None))).all()
            assert len(kept_for_ever) == 1

    def test_a_workspace_that_suppresses_takes_nothing_more_about_the_erased(
        self, sessions: sessionmaker[Session], workspace_id: int
    ) -> None:
        with sessions.begin() as session:
            session.get_one(Workspace, workspace_id).suppress_erased = True
        self.delete(sessions, workspace_id, "ann")
        fresh = message("identify", "ann", message_id="new", at=NOW + HOUR)
        assert receive(sessions, [arrival(workspace_id, fresh, received_at=NOW + HOUR)]) == [Receipt(ignored=1)]

    def test_it_deletes_nobody_without_a_usable_id(self, sessions: sessionmaker[Session], workspace_id: int) -> None:
        unusables: tuple[Any, ...] = (None, "", "  ", True, [], {}, "null", "bob@x.example", "*")
        for number, unusable in enumerate(unusables):
            self.delete(sessions, workspace_id, unusable, message_id=f"d{number}")
        with sessions() as session:
            assert count(session, User, workspace_id) == 2

    def test_requests_set_aside_that_name_the_user_go_too(
        self, sessions: sessionmaker[Session], workspace_id: int
    ) -> None:
        with sessions.begin() as session:
            session.add_all(
                DeadLetter(
                    workspace_id=workspace_id,
                    digest=body[:8],
                    failures=5,
                    body=body,
                    source="webhook",
                    reason="bug",
                    first_failed_at=NOW,
                    last_failed_at=NOW,
                )
                for body in (
                    b'{"userId":"ann"}',
                    b'1{"anonymousId":"v"}',
                    b'2{"email":"Ann@x.example"}',
                    b'3{"userId":"zoe"}',
                )
            )
        self.delete(sessions, workspace_id, "ann")
        with sessions() as session:
            assert session.scalars(select(DeadLetter.body)).all() == [b'3{"userId":"zoe"}']
