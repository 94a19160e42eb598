"""Tests of the intake: what a group of arrivals leaves in the store, on both databases."""

import datetime as dt
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import (
    Conflict,
    Connection,
    DeadLetter,
    Erasure,
    Event,
    Group,
    GroupMember,
    Rejection,
    SeenMessage,
    User,
    UserAlias,
    Visitor,
    Workspace,
)
from productfruits.segment.messages import Message, Parsed, Refusal
from productfruits.services import connections, intake, rejections, workspaces
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.services.vault import Vault
from tests.services.messages import NOW, arrival, message, receive

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        noise = workspaces.create(session, "Noise", now=NOW).id
        workspace = workspaces.create(session, "Acme", now=NOW).id
    # A neighbour with the same people: nothing of it may be matched, counted or erased.
    receive(
        sessions,
        [
            arrival(
                noise,
                message("identify", "ann", message_id="n1", traits={"email": "ann@x.example", "plan": "noise"}),
                message("track", "ann", message_id="n2", name="Noise"),
                message("group", "ann", group_id="acme", message_id="n3", traits={"plan": "noise"}),
                message("identify", anonymous_id="v", message_id="n4", traits={"plan": "noise"}),
            )
        ],
    )
    return workspace


def count(session: Session, model: type[Any], workspace_id: int) -> int:
    return session.scalar(select(func.count()).select_from(model).where(model.workspace_id == workspace_id)) or 0


def user(session: Session, workspace_id: int, username: str) -> User:
    return session.scalars(select(User).where(User.workspace_id == workspace_id, User.username == username)).one()


def test_it_makes_a_user_and_keeps_the_event(sessions: sessionmaker[Session], workspace_id: int) -> None:
    [receipt] = receive(
        sessions,
        [
            arrival(
                workspace_id,
                message(
                    "identify",
                    "ann",
                    message_id="m1",
                    at=NOW - HOUR,
                    traits={"email": " Ann@X.example ", "plan": "pro", "gone": None},
                    context={"ip": "192.0.2.1"},
                ),
            )
        ],
    )
    assert receipt == Receipt(accepted=1)
    with sessions() as session:
        ann = user(session, workspace_id, "ann")
        assert (ann.email, ann.email_key, ann.traits) == ("Ann@X.example", "ann@x.example", {"plan": "pro"})
        assert (ann.first_seen_at, ann.last_seen_at, ann.created_at) == (NOW - HOUR, NOW - HOUR, NOW)
        event = session.scalars(select(Event).where(Event.user_id == ann.id)).one()
        assert (event.type, event.matched_by, event.message_id, event.sent_user_id) == (
            "identify",
            "created",
            "m1",
            "ann",
        )
        assert (event.timestamp, event.received_at, event.signed) == (NOW - HOUR, NOW, True)
        assert event.properties == {"email": " Ann@X.example ", "plan": "pro", "gone": None}
        assert event.context == {"ip": "192.0.2.1"}


def test_it_counts_a_message_id_once_in_an_array_in_a_group_and_later(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    first = arrival(
        workspace_id,
        message("track", "ann", message_id="m1", name="First"),
        message("track", "ann", message_id="m1", name="Other content"),
    )
    again = arrival(workspace_id, message("track", "bob", message_id="m1", name="Again"))
    assert receive(sessions, [first, again]) == [Receipt(accepted=1, duplicates=1), Receipt(duplicates=1)]
    assert receive(sessions, [again]) == [Receipt(duplicates=1)]
    with sessions() as session:
        assert session.scalars(select(Event.name).where(Event.workspace_id == workspace_id)).all() == ["First"]
        assert count(session, User, workspace_id) == 1


def test_messages_without_an_id_never_collide(sessions: sessionmaker[Session], workspace_id: int) -> None:
    nameless = [message("track", "fay", message_id=given) for given in (None, None, "")]
    assert receive(sessions, [arrival(workspace_id, *nameless)]) == [Receipt(accepted=3)]
    with sessions() as session:
        ids = session.scalars(select(Event.message_id).where(Event.workspace_id == workspace_id)).all()
        assert len(set(ids)) == 3
        assert all(ids)


def test_the_same_message_id_in_two_workspaces_is_two_messages(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    assert receive(sessions, [arrival(workspace_id, message("track", "ann", message_id="n2"))]) == [Receipt(accepted=1)]


def test_it_takes_arrivals_of_several_workspaces_and_answers_in_their_order(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    with sessions.begin() as session:
        other_id = workspaces.create(session, "Other", now=NOW).id
    mine = arrival(workspace_id, message("track", "ann", message_id="m1"))
    theirs = arrival(other_id, message("track", "ann", message_id="m1"), message("track", "ann", message_id="m2"))
    assert receive(sessions, [theirs, mine, theirs]) == [
        Receipt(accepted=2),
        Receipt(accepted=1),
        Receipt(duplicates=2),
    ]


def test_a_message_without_any_id_is_counted_and_kept_nowhere(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    junk = message("track", "undefined", message_id="m1", anonymous_id=True)
    assert receive(sessions, [arrival(workspace_id, junk)]) == [Receipt(ignored=1)]
    with sessions() as session:
        assert (count(session, User, workspace_id), count(session, Event, workspace_id)) == (0, 0)


def test_a_future_clock_is_kept_on_the_event_and_does_not_win_over_later_words(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    future = NOW + dt.timedelta(days=30_000)
    receive(sessions, [arrival(workspace_id, message("identify", "ann", message_id="1", at=future, traits={"p": 1}))])
    later = NOW + HOUR
    receive(
        sessions,
        [
            arrival(
                workspace_id,
                message("identify", "ann", message_id="2", at=later, traits={"p": 2}),
                received_at=later,
            )
        ],
    )
    with sessions() as session:
        assert user(session, workspace_id, "ann").traits == {"p": 2}
        assert session.scalar(select(func.max(Event.timestamp))) == future


def test_an_e_mail_that_changes_hands_inside_one_group_breaks_no_unique_key(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    receive(
        sessions,
        [
            arrival(
                workspace_id,
                message("identify", "a", message_id="1", traits={"email": "one@x.example"}),
                message("identify", "b", message_id="2", traits={"email": "two@x.example"}),
            )
        ],
    )
    receive(
        sessions,
        [
            arrival(
                workspace_id,
                message("identify", "a", message_id="3", traits={"email": "three@x.example"}),
                message("identify", "b", message_id="4", traits={"email": "one@x.example"}),
                message("identify", "a", message_id="5", traits={"email": "two@x.example"}),
            )
        ],
    )
    with sessions() as session:
        emails = {u.username: u.email for u in session.scalars(select(User).where(User.workspace_id == workspace_id))}
        assert emails == {"a": "two@x.example", "b": "one@x.example"}


def test_what_an_anonymous_visitor_said_joins_the_user(sessions: sessionmaker[Session], workspace_id: int) -> None:
    receive(
        sessions,
        [
            arrival(workspace_id, message("page", anonymous_id="v", message_id="1", name="Pricing")),
            arrival(
                workspace_id,
                message("identify", anonymous_id="v", message_id="2", at=NOW - HOUR, traits={"city": "Oslo"}),
            ),
            arrival(workspace_id, message("group", anonymous_id="v", message_id="3", group_id="acme")),
        ],
    )
    with sessions() as session:
        assert count(session, User, workspace_id) == 0
        assert count(session, Visitor, workspace_id) == 1
    receive(sessions, [arrival(workspace_id, message("identify", "ann", anonymous_id="v", message_id="4"))])
    with sessions() as session:
        ann = user(session, workspace_id, "ann")
        assert ann.traits == {"city": "Oslo"}
        assert count(session, Visitor, workspace_id) == 0
        assert session.scalar(select(func.count()).where(Event.user_id == ann.id)) == 4
        assert session.scalars(select(GroupMember.group_id).where(GroupMember.user_id == ann.id)).all() == ["acme"]
        alias = session.scalars(select(UserAlias).where(UserAlias.user_id == ann.id)).one()
        assert (alias.kind, alias.value, alias.how, alias.message_id) == ("anonymous_id", "v", "identify", "4")


def test_group_traits_stay_with_the_group_and_the_newest_wins(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    def call(message_id: str, at: dt.datetime, **traits: Any) -> Arrival:
        return arrival(
            workspace_id,
            message("group", "kim", group_id="acme", message_id=message_id, at=at, traits=traits),
        )

    receive(sessions, [call("1", NOW, plan="enterprise", email="info@acme.example")])
    receive(sessions, [call("2", NOW - HOUR, plan="trial", city="Bern")])
    with sessions() as session:
        group = session.get(Group, (workspace_id, "acme"))
        assert group is not None
        assert group.traits == {"plan": "enterprise", "email": "info@acme.example", "city": "Bern"}
        kim = user(session, workspace_id, "kim")
        assert (kim.email, kim.traits) == (None, {})


def test_a_conflict_waits_once_however_often_it_is_met(sessions: sessionmaker[Session], workspace_id: int) -> None:
    receive(
        sessions,
        [
            arrival(workspace_id, message("identify", "a", message_id="1", traits={"email": "a@x.example"})),
            arrival(workspace_id, message("identify", "b", message_id="2")),
        ],
    )
    for number in ("3", "4"):
        clash = message("identify", "b", message_id=number, traits={"email": "a@x.example", "n": number})
        receive(sessions, [arrival(workspace_id, clash)])
    with sessions() as session:
        a, b = user(session, workspace_id, "a"), user(session, workspace_id, "b")
        conflict = session.scalars(select(Conflict)).one()
        assert (conflict.kind, conflict.user_id, conflict.other_user_id) == ("email_and_id", a.id, b.id)
        assert (conflict.email, conflict.username, conflict.message_id) == ("a@x.example", "b", "3")
        assert (a.traits, b.traits) == ({"n": "4"}, {})


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
