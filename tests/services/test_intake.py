"""Tests of the intake: what a group of arrivals leaves in the store, on both databases."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Conflict, Event, Group, GroupMember, User, UserAlias, Visitor
from productfruits.services import workspaces
from productfruits.services.arrivals import Arrival, Receipt
from tests.services.messages import NOW, arrival, message, receive
from tests.services.neighbours import HOUR, beside_a_neighbour, count, user


@pytest.fixture
def workspace_id(sessions: sessionmaker[Session]) -> int:
    return beside_a_neighbour(sessions)


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
