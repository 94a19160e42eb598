"""What is to be sent is noted with what it speaks of, or not at all."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Delivery, Event, User
from productfruits.services import destinations, erasure, intake, same_person, user_changes
from tests.services import factories
from tests.services.messages import NOW, arrival, message, receive
from tests.services.senders import destination, statuses

ADOPTION = {"source": "productfruits", "content_type": "tour"}


@pytest.fixture
def sessions(emptied_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return emptied_sessions


def test_an_event_is_noted_for_each_destination_that_takes_it(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    filters: dict[str, Any] = {
        "everything": {},
        "adoption": {"events": "adoption"},
        "identifies": {"types": ["identify"]},
        "sales": {"types": ["track"], "names": ["Sold"]},
        "users": {"events": "none", "changes": ["user.created", "user.updated"]},
    }
    with sessions.begin() as session:
        ids = {
            name: destination(session, workspace_id, name=name, filter=shape).destination.id
            for name, shape in filters.items()
        }
        destination(session, factories.workspace(session, "Other").id)
        off = destination(session, workspace_id, name="off", enabled=False)
        assert not off.destination.enabled
    receive(
        sessions,
        [
            arrival(
                workspace_id,
                message("identify", "ada", message_id="1", traits={"plan": "free"}),
                message("track", "ada", message_id="2", name="Sold"),
                message("track", "ada", message_id="3", name="Tour Started", properties=ADOPTION),
                message("page", None, message_id="4", anonymous_id="visitor", name="Sold"),
            )
        ],
    )
    receive(sessions, [arrival(workspace_id, message("identify", "ada", message_id="5", traits={"plan": "pro"}))])
    # Nothing new: seen before, and a user who only was seen again.
    receive(sessions, [arrival(workspace_id, message("track", "ada", message_id="2", name="Sold"))])
    with sessions() as session:
        rows = session.execute(
            select(Delivery.destination_id, Delivery.kind, Event.message_id)
            .outerjoin(Event, Event.id == Delivery.event_id)
            .order_by(Delivery.id)
        ).all()
    noted = {name: [row.message_id or row.kind for row in rows if row.destination_id == id] for name, id in ids.items()}
    assert noted == {
        "everything": ["1", "2", "3", "4", "5"],
        "adoption": ["3"],
        "identifies": ["1", "5"],
        "sales": ["2"],
        "users": ["user.created", "user.updated"],
    }
    assert len(rows) == sum(len(each) for each in noted.values())


def test_what_is_rolled_back_is_not_noted(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    with pytest.raises(ZeroDivisionError), sessions.begin() as session:
        intake.receive(session, [arrival(workspace_id, message("track", "ada", message_id="1", name="Did"))], NOW)
        raise ZeroDivisionError
    with sessions() as session:
        assert statuses(session) == [] and session.scalars(select(Event)).all() == []


def test_changes_by_hand_and_conflicts_are_noted_and_an_erasure_leaves_only_itself(
    sessions: sessionmaker[Session], workspace_id: int
) -> None:
    every = ["user.created", "user.updated", "user.deleted", "user.conflict"]
    with sessions.begin() as session:
        destination(session, workspace_id, filter={"changes": every})
    receive(
        sessions,
        [
            arrival(
                workspace_id,
                message("identify", "ada", message_id="1", traits={"email": "ada@x.example"}),
                message("identify", "bob", message_id="2"),
                message("identify", "bob", message_id="3", traits={"email": "ada@x.example"}),
            )
        ],
    )
    kinds = ["event.stored"] * 3 + ["user.created"] * 2 + ["user.conflict"]
    with sessions() as session:
        assert [kind for kind, _ in statuses(session)] == kinds
        ada = session.scalars(select(User).where(User.username == "ada")).one().id
        bob = session.scalars(select(User).where(User.username == "bob")).one().id
    with sessions.begin() as session:
        user_changes.change(session, workspace_id, ada, {"traits": {"a": 1}}, NOW)
    with sessions.begin() as session:
        same_person.merge(session, workspace_id, ada, bob, NOW)
    with sessions() as session:
        assert [kind for kind, _ in statuses(session)] == [*kinds, "user.updated", "user.updated"]
        assert set(session.scalars(select(Delivery.subject).where(Delivery.kind == "user.created"))) == {ada}
    with sessions.begin() as session:
        erasure.erase(session, workspace_id, ada, "api", NOW)
    with sessions() as session:
        assert statuses(session) == [("user.deleted", "pending")]


def test_a_delete_of_segment_takes_what_waits_along(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id, filter={"changes": ["user.deleted"]})
    receive(sessions, [arrival(workspace_id, message("track", "ada", message_id="1", name="Did"))])
    receive(sessions, [arrival(workspace_id, message("delete", "ada", message_id="2"))])
    with sessions() as session:
        assert statuses(session) == [("user.deleted", "pending")]


def test_the_depth_of_a_chain_is_kept_with_the_event(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    plain = arrival(
        workspace_id,
        message("track", "ada", message_id="1", name="Did"),
        message("track", "ada", message_id="2", name="Did", context={"productfruits": {"depth": 2}}),
        message("track", "ada", message_id="3", name="Did", context={"productfruits": {"depth": True}}),
        message("track", "ada", message_id="4", name="Did", context={"productfruits": 5}),
    )
    through_a_header = structs.replace(
        arrival(workspace_id, message("track", "ada", message_id="5", name="Did", context={"ip": "::1"})), depth=1
    )
    receive(sessions, [plain, through_a_header])
    with sessions() as session:
        assert session.scalars(select(Delivery.depth).order_by(Delivery.id)).all() == [0, 2, 0, 0, 1]
        last = session.scalars(select(Event.context).order_by(Event.id.desc()).limit(1)).one()
        assert last == {"ip": "::1", "productfruits": {"depth": 1}}


def test_deleting_a_destination_takes_all_of_it_along(sessions: sessionmaker[Session], workspace_id: int) -> None:
    with sessions.begin() as session:
        destination(session, workspace_id)
    receive(sessions, [arrival(workspace_id, message("track", "ada", message_id="1", name="Did"))])
    with sessions.begin() as session:
        destinations.delete(session, destinations.by_key(session, workspace_id, "hooks"))
    with sessions() as session:
        assert statuses(session) == []
