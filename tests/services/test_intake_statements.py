"""A group of messages costs a handful of statements, whatever its size: the speed of the intake hangs on it."""

import gc
import re
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session, sessionmaker

from productfruits.identity.moves import Origin, Share
from productfruits.identity.people import Link, Person, Placement
from productfruits.segment.messages import Message
from productfruits.services import workspaces
from tests.services.contents import checklist, happened, publish, tour
from tests.services.messages import NOW, arrival, message, receive

VALUE = re.compile(r"'(?:[^']|'')*'|\b\d+\b")


def newcomers(count: int, start: int) -> list[Message]:
    """Identifies of new users, each with an e-mail and a browser's anonymous id of its own."""
    return [
        message(
            "identify",
            f"user-{number}",
            message_id=f"m-{number}",
            anonymous_id=f"visitor-{number}",
            traits={"email": f"user-{number}@x.example", "plan": "free"},
        )
        for number in range(start, start + count)
    ]


def regulars(count: int, start: int) -> list[Message]:
    """Changed traits and tracks of users who are stored."""
    return [
        message(kind, f"user-{number}", message_id=f"{kind}-{start}-{number}", anonymous_id=f"visitor-{number}", **more)
        for number in range(count)
        for kind, more in (("identify", {"traits": {"plan": f"from {start}"}}), ("track", {"name": "Did"}))
    ]


def members(count: int, start: int) -> list[Message]:
    """Group calls of stored users into stored groups whose traits change."""
    return [
        message(
            "group", f"user-{number}", message_id=f"g-{start}-{number}", group_id=f"g-{number}", traits={"size": start}
        )
        for number in range(count)
    ]


def onlookers(count: int, start: int) -> list[Message]:
    """Stored users who begin a tour and do what an item of a checklist waits for."""
    began = [happened("tour_started", 1, f"user-{n}", event_id=f"e-{start}-{n}") for n in range(count)]
    did = [message("track", f"user-{n}", message_id=f"t-{start}-{n}", name="Connected") for n in range(count)]
    return began + did


@pytest.mark.parametrize("made", [newcomers, regulars, members, onlookers])
def test_a_larger_group_takes_no_more_statements(engine: Engine, sessions: sessionmaker[Session], made: Any) -> None:
    with sessions.begin() as session:
        workspace_id = workspaces.create(session, "Acme", now=NOW).id
        publish(session, workspace_id, "tour", tour("welcome"))
        publish(session, workspace_id, "checklist", checklist(connect={"by": "event", "event": "Connected"}))
    receive(sessions, [arrival(workspace_id, *newcomers(40, start=0), *members(40, 0))])

    small = statements(engine, sessions, workspace_id, made(4, 100))
    large = statements(engine, sessions, workspace_id, made(40, 200))

    assert len(large) == len(small), "\n".join(large)
    assert len(large) < 30, "\n".join(large)


def statements(
    engine: Engine, sessions: sessionmaker[Session], workspace_id: int, messages: Sequence[Message]
) -> list[str]:
    """What is sent to the store for this group; an executemany, and the portions of a bulk statement, are one.

    On Postgres without what passes SQLAlchemy by.
    """
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    def trace(on: bool) -> None:
        with engine.connect() as connection:  # the pool's only one
            driver: Any = connection.connection.dbapi_connection
            driver.set_trace_callback(sent.append if on else None)

    if engine.dialect.name == "sqlite":
        trace(True)
        receive(sessions, [arrival(workspace_id, *messages)])
        trace(False)
        return list(dict.fromkeys(VALUE.sub("?", statement).partition("VALUES")[0] for statement in sent))
    event.listen(engine, "before_cursor_execute", note)
    try:
        receive(sessions, [arrival(workspace_id, *messages)])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


def folded(count: int, start: int) -> list[Message]:
    """Users who become one by alias, and some who are erased."""
    aliased = [
        message("alias", f"user-{n}", message_id=f"a-{start}-{n}", previous_id=f"user-{n + 1}")
        for n in range(count - 1)
    ]
    return [*aliased, message("delete", "user-0", message_id=f"d-{start}")]


@pytest.mark.parametrize("made", [newcomers, regulars, members, onlookers, folded])
def test_a_group_leaves_nothing_for_the_collector(sessions: sessionmaker[Session], made: Any) -> None:
    with sessions.begin() as session:
        workspace_id = workspaces.create(session, "Acme", NOW).id
    receive(sessions, [arrival(workspace_id, *newcomers(4, start=0))])
    said = [arrival(workspace_id, *made(4, start=10))]
    # What was there before is old now, and while the collector is off nothing else grows old.
    gc.collect()
    gc.disable()
    try:
        receive(sessions, said)
        left = [each for each in gc.get_objects(0) if isinstance(each, (Person, Link, Placement, Share, Origin))]
    finally:
        gc.enable()
    assert left == []
