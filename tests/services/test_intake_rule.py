"""The rule on the real stores: random stories, in random groups, must leave what the naive oracle holds.

The oracle and the stories are those of the identity room; here they go through messages, selects and bulk statements.
"""

import dataclasses
import datetime as dt
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.identity.people import Sighting
from productfruits.models import (
    Conflict,
    ContentState,
    Event,
    GroupMember,
    Tombstone,
    User,
    UserAlias,
    Visitor,
    Workspace,
)
from productfruits.segment.messages import Message
from productfruits.services import tombstones, workspaces
from productfruits.services.times import EPOCH, microseconds
from tests.services.contents import checklist, publish, tour
from tests.services.messages import NOW, arrival, message, receive
from tests.unit.identity.oracle import World
from tests.unit.identity.stories import of_world, stories

T = TypeVar("T")

# A database is slower than a dictionary: fewer examples here, thousands in tests/unit/identity.
EXAMPLES = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


@EXAMPLES
@given(stories(), st.data())
def test_any_grouping_leaves_what_one_message_at_a_time_leaves(
    sessions: sessionmaker[Session], story: list[Sighting], data: st.DataObject
) -> None:
    suppress = data.draw(st.booleans())
    world = World(suppress=suppress)
    for sighting in story:
        world.receive(sighting)
    workspace_id = _workspace(sessions, suppress)
    for group in _groups(story, data):
        receive(sessions, [arrival(workspace_id, _message(s), trust=s.trust) for s in group])
    assert _of_store(sessions, workspace_id) == _of_world(world, _salt(sessions, workspace_id))


@EXAMPLES
@given(stories(), st.data())
def test_replaying_a_story_changes_nothing(
    sessions: sessionmaker[Session], story: list[Sighting], data: st.DataObject
) -> None:
    workspace_id = _workspace(sessions, suppress=False)
    for group in _groups(story, data):
        receive(sessions, [arrival(workspace_id, _message(s), trust=s.trust) for s in group])
    before = _of_store(sessions, workspace_id)
    for group in _groups(story, data):
        receive(sessions, [arrival(workspace_id, _message(s), trust=s.trust) for s in group])
    assert _of_store(sessions, workspace_id) == before


@settings(EXAMPLES, max_examples=25)
@given(stories(), st.data())
def test_tours_and_checklists_do_not_depend_on_the_grouping(
    sessions: sessionmaker[Session], story: list[Sighting], data: st.DataObject
) -> None:
    """Every track becomes an adoption event or one that items wait for, and every identify may meet a condition."""
    said = [data.draw(st.sampled_from(SAID)) if sighting.kind == "track" else {} for sighting in story]
    left = []
    for grouping in ([[n] for n in range(len(story))], _groups(list(range(len(story))), data)):
        workspace_id = _workspace(sessions, suppress=False)
        contents = _publish(sessions, workspace_id)
        for group in grouping:
            messages = [_adopting(_message(story[n]), said[n], contents) for n in group]
            trusts = [story[n].trust for n in group]
            receive(sessions, [arrival(workspace_id, m, trust=t) for m, t in zip(messages, trusts, strict=True)])
        left.append(_adoption(sessions, workspace_id, contents))
    assert left[0] == left[1]


#: What a track can tell: of which content, with which properties; or an event by which an item gets done.
SAID: list[dict[str, Any]] = [
    *(
        {"of": "checklist", "raw_name": "checklist_started", "session_id": session_id}
        for session_id in ("s-1", "s-1", "s-2")
    ),
    {"of": "tour", "raw_name": "tour_step_viewed", "session_id": "s-1", "step_id": "two"},
    {"of": "tour", "raw_name": "tour_dismissed", "session_id": "s-2", "end_reason": "escape"},
    {"of": "checklist", "raw_name": "checklist_item_completed", "session_id": "s-1", "item_id": "click"},
    {"of": "checklist", "raw_name": "checklist_dismissed", "session_id": "s-2"},
    {"name": "Once"},
    {"name": "Twice"},
    {"name": "Twice"},
]


def _publish(sessions: sessionmaker[Session], workspace_id: int) -> dict[str, int]:
    meets_p = {"kind": "trait", "name": "p", "op": "exists"}
    items: dict[str, Any] = {
        "click": {"by": "click"},
        "once": {"by": "event", "event": "Once"},
        "twice": {"by": "event", "event": "Twice", "at_least": 2},
        "trait": {"by": "trait", "rule": meets_p},
    }
    with sessions.begin() as session:
        return {
            "tour": publish(session, workspace_id, "tour", tour("one", "two")),
            "checklist": publish(session, workspace_id, "checklist", checklist(**items)),
        }


def _adopting(message: Message, said: dict[str, Any], contents: dict[str, int]) -> Message:
    """The same message, telling something about a content if it is a track."""
    if not said:
        return message
    if "name" in said:
        return dataclasses.replace(message, name=said["name"])
    own = {name: value for name, value in said.items() if name != "of"}
    properties = {"source": "productfruits", "event_id": message.message_id, "id": contents[said["of"]], **own}
    return dataclasses.replace(message, name="Any", properties=properties)


def _adoption(sessions: sessionmaker[Session], workspace_id: int, contents: dict[str, int]) -> Any:
    """States and the server's events, each with its owner called by what leads there."""
    of = {content_id: kind for kind, content_id in contents.items()}
    with sessions() as session:
        users = {u.id: u for u in session.scalars(select(User).where(User.workspace_id == workspace_id))}
        aliases = list(session.scalars(select(UserAlias).where(UserAlias.workspace_id == workspace_id)))

        def name(user_id: str | None, anonymous_id: str | None) -> Any:
            if user_id is None:
                return anonymous_id
            links = sorted((alias.kind, alias.value) for alias in aliases if alias.user_id == user_id)
            return (users[user_id].username, users[user_id].email_key, tuple(links))

        states = [
            (
                name(row.user_id, row.anonymous_id),
                of[row.content_id],
                (row.state, row.session_id, row.step_id, row.times_shown, row.state_at, row.ended_at),
                {item: (done["at"], done["how"], done["reported"]) for item, done in row.items.items()},
            )
            for row in session.scalars(select(ContentState).where(ContentState.workspace_id == workspace_id))
        ]
        events = [
            (name(e.user_id, e.anonymous_id), e.name, e.properties.get("item_id"), e.timestamp, e.anonymous_id)
            for e in session.scalars(select(Event).where(Event.workspace_id == workspace_id, Event.source == "server"))
        ]
    return sorted(states, key=repr), sorted(events, key=repr)


def _groups(story: list[T], data: st.DataObject) -> list[list[T]]:
    groups: list[list[T]] = []
    rest = list(story)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        groups.append(rest[:size])
        rest = rest[size:]
    return groups


def _message(sighting: Sighting) -> Message:
    """The message that a sender would have sent to be seen like this."""
    traits: dict[str, Any] = dict(sighting.traits)
    context: dict[str, Any] = {}
    if sighting.kind == "identify" and (sighting.email.text or sighting.email.clears):
        traits["email"] = sighting.email.text
    elif sighting.email.text:
        context = {"traits": {"email": sighting.email.text}}
    return message(
        sighting.kind,
        sighting.user_id,
        message_id=sighting.message_id,
        at=EPOCH + dt.timedelta(microseconds=sighting.at),
        anonymous_id=sighting.anonymous_id,
        previous_id=sighting.previous_id,
        group_id=sighting.group_id,
        traits=traits,
        context=context,
    )


def _workspace(sessions: sessionmaker[Session], suppress: bool) -> int:
    with sessions.begin() as session:
        workspace = workspaces.create(session, "Story", now=NOW)
        workspace.suppress_erased = suppress
        session.flush()
        return workspace.id


def _salt(sessions: sessionmaker[Session], workspace_id: int) -> bytes:
    with sessions() as session:
        return session.get_one(Workspace, workspace_id).salt


def _of_world(world: World, salt: bytes) -> dict[str, Any]:
    facts = of_world(world)
    return _named(
        users=facts["users"],
        links={key: (link["user"], link["how"], link["message"]) for key, link in facts["links"].items()},
        visitors=facts["visitors"],
        events={e["message"]: (e["user"], e["user_id"], e["anonymous_id"], e["matched_by"]) for e in facts["events"]},
        members=facts["members"],
        conflicts=facts["conflicts"],
        buried={tombstones.digest(salt, kind, value): at for (kind, value), at in world.tombstones.items()},
    )


def _of_store(sessions: sessionmaker[Session], workspace_id: int) -> dict[str, Any]:
    with sessions() as session:

        def rows(model: type[Any]) -> list[Any]:
            return list(session.scalars(select(model).where(model.workspace_id == workspace_id)))

        users = {
            user.id: {
                "username": user.username,
                "email": user.email,
                "email_key": user.email_key,
                "email_at": user.email_at,
                "traits": user.traits,
                "trait_times": user.trait_times,
                "first_seen": microseconds(user.first_seen_at),
                "last_seen": microseconds(user.last_seen_at),
                "visits": user.visits,
                "visit_began": microseconds(user.visit_began_at),
            }
            for user in rows(User)
        }
        return _named(
            users=users,
            links={(a.kind, a.value): (a.user_id, a.how, a.message_id) for a in rows(UserAlias)},
            visitors={
                v.anonymous_id: {"traits": v.traits, "trait_times": v.trait_times, "group_ids": v.group_ids}
                for v in rows(Visitor)
            },
            events={e.message_id: (e.user_id, e.sent_user_id, e.anonymous_id, e.matched_by) for e in rows(Event)},
            members={(m.group_id, m.user_id): microseconds(m.joined_at) for m in rows(GroupMember)},
            conflicts={
                (c.kind, frozenset((c.user_id, c.other_user_id))) for c in rows(Conflict) if c.resolved_at is None
            },
            buried={t.digest: t.at for t in rows(Tombstone)},
        )


def _named(
    users: dict[str, Any],
    links: dict[Any, Any],
    visitors: dict[str, Any],
    events: dict[str, Any],
    members: dict[Any, int],
    conflicts: set[Any],
    buried: dict[bytes, int],
) -> dict[str, Any]:
    """Call each user by what leads to one, since ids are made up: two stores are the same if only ids differ."""
    name = {
        user_id: repr(
            (
                facts["username"],
                facts["email_key"],
                sorted(key for key, link in links.items() if link[0] == user_id),
                sorted(message_id for message_id, event in events.items() if event[0] == user_id),
            )
        )
        for user_id, facts in users.items()
    }
    return {
        "users": {name[user_id]: facts for user_id, facts in users.items()},
        "links": {key: (name[user_id], how, message_id) for key, (user_id, how, message_id) in links.items()},
        "visitors": visitors,
        "events": {key: (name.get(user_id), *rest) for key, (user_id, *rest) in events.items()},
        "members": {(group_id, name[user_id]): at for (group_id, user_id), at in members.items()},
        "conflicts": {(kind, frozenset(name[user_id] for user_id in pair)) for kind, pair in conflicts},
        "tombstones": buried,
    }
