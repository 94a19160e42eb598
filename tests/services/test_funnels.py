"""The numbers of contents, the progress of users, resets, and why something shows or not."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Content, ContentState, User
from productfruits.segment.messages import Message
from productfruits.services import content_states, contents, funnels, retention, why, workspaces
from productfruits.services.content_states import Owner
from productfruits.services.funnels import Count
from tests.services.contents import checklist, happened, publish, tour
from tests.services.messages import NOW, arrival, message, receive

PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
ON_PROJECTS = {"kind": "url", "op": "contains", "value": "/projects"}


class Shop:
    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.sessions = sessions
        with sessions.begin() as session:
            self.workspace_id = workspaces.create(session, "Shop", now=NOW).id

    def publish(self, kind: str, document: dict[str, Any], key: str) -> int:
        with self.sessions.begin() as session:
            return publish(session, self.workspace_id, kind, document, key)

    def receive(self, *messages: Message) -> None:
        received_at = NOW + dt.timedelta(days=9)
        receive(self.sessions, [arrival(self.workspace_id, *messages, received_at=received_at)])

    def user_id(self, username: str) -> str:
        with self.sessions() as session:
            mine = select(User.id).where(User.workspace_id == self.workspace_id, User.username == username)
            return session.scalars(mine).one()


@pytest.fixture
def shop(module_sessions: sessionmaker[Session]) -> Shop:
    return Shop(module_sessions)


def walked(content_id: int, username: str | None, *steps: str, day: int = 0, **more: Any) -> list[Message]:
    """Somebody who starts a tour and sees these steps, all but the last completed."""
    at = NOW + dt.timedelta(days=day)
    events = [happened("tour_started", content_id, username, at=at, **more)]
    for number, step in enumerate(steps):
        events.append(happened("tour_step_viewed", content_id, username, step_id=step, at=at, **more))
        if number < len(steps) - 1:
            events.append(happened("tour_step_completed", content_id, username, step_id=step, at=at, **more))
    return events


def test_the_way_through_a_tour(shop: Shop) -> None:
    content_id = shop.publish("tour", tour("welcome", "invite", "done"), "first")
    shop.receive(
        *walked(content_id, "ada", "welcome", "invite", "done"),
        happened("tour_completed", content_id, "ada"),
        *walked(content_id, "bob", "welcome", "invite"),
        happened("tour_dismissed", content_id, "bob", step_id="invite", end_reason="escape"),
        *walked(content_id, "bob", "welcome", session_id="s-2"),
        *walked(content_id, None, "welcome", "retired", anonymous_id="x"),
        *walked(content_id, "eve", "welcome", is_preview=True),
    )
    with shop.sessions() as session:
        content = session.get_one(Content, content_id)
        funnel = funnels.of_content(session, content)
        states = content_states.counts(session, content)
    assert (funnel.started, funnel.completed, funnel.dismissed) == (Count(3, 4), Count(1, 1), Count(1, 1))
    assert funnel.completion_rate == 1 / 3
    assert [(step.id, step.viewed, step.completed) for step in funnel.steps] == [
        ("welcome", Count(3, 4), Count(3, 3)),
        ("invite", Count(2, 2), Count(1, 1)),
        ("done", Count(1, 1), Count(0, 0)),
        ("retired", Count(1, 1), Count(0, 0)),
    ]
    assert [step.drop_off for step in funnel.steps] == [0.0, 0.5, 1.0, 1.0]
    assert states == {"completed": 1, "in_progress": 2}


def test_only_what_happened_in_the_range(shop: Shop) -> None:
    content_id = shop.publish("tour", tour("welcome"), "first")
    shop.receive(*walked(content_id, "ada", "welcome"), *walked(content_id, "bob", "welcome", day=3))
    with shop.sessions() as session:
        content = session.get_one(Content, content_id)
        later = funnels.of_content(session, content, since=NOW + dt.timedelta(days=1))
        before = funnels.of_content(session, content, until=NOW + dt.timedelta(days=3))
        nothing = funnels.of_content(session, content, since=NOW + dt.timedelta(days=5))
    assert (later.started, before.started) == (Count(1, 1), Count(1, 1))
    assert (nothing.started, nothing.completion_rate, nothing.steps[0].drop_off) == (Count(0, 0), None, None)


def test_the_items_of_a_checklist(shop: Shop) -> None:
    items = {"invite": {"by": "click"}, "connect": {"by": "event", "event": "Connected"}}
    content_id = shop.publish("checklist", checklist(**items), "start")
    shop.receive(
        happened("checklist_viewed", content_id),
        happened("checklist_started", content_id),
        happened("checklist_item_clicked", content_id, item_id="invite"),
        happened("checklist_item_completed", content_id, item_id="invite", how="click"),
        message("track", "ada", message_id="m-1", name="Connected"),
    )
    with shop.sessions() as session:
        funnel = funnels.of_content(session, session.get_one(Content, content_id))
    assert (funnel.viewed, funnel.completed) == (Count(1, 1), Count(1, 1))
    assert [(item.id, item.clicked, item.completed) for item in funnel.items] == [
        ("invite", Count(1, 1), Count(1, 1)),
        ("connect", Count(0, 0), Count(1, 1)),
    ]


def test_what_one_user_was_shown_and_begins_anew(shop: Shop) -> None:
    first = shop.publish("tour", tour("welcome"), "first")
    second = shop.publish("tour", tour("welcome"), "second")
    shop.receive(*walked(first, "ada", "welcome"), *walked(second, "ada", "welcome", day=1))
    ada = shop.user_id("ada")
    with shop.sessions() as session:
        followed = content_states.of_user(session, shop.workspace_id, ada)
    assert [(each.content.key, each.state.state) for each in followed] == [
        ("second", "in_progress"),
        ("first", "in_progress"),
    ]
    with shop.sessions.begin() as session:
        assert content_states.reset_user(session, shop.workspace_id, ada, NOW, first) == 1
    with shop.sessions.begin() as session:
        assert content_states.reset_user(session, shop.workspace_id, ada, NOW) == 1
        assert content_states.of_user(session, shop.workspace_id, ada) == []


def test_everybody_begins_anew_and_old_states_are_cleared_away(shop: Shop) -> None:
    content_id = shop.publish("tour", tour("welcome"), "first")
    second_id = shop.publish("tour", tour("welcome"), "second")
    unseen_id = shop.publish("tour", tour("welcome"), "unseen")
    shop.receive(*walked(content_id, "ada", "welcome"), *walked(content_id, "bob", "welcome", day=5))
    shop.receive(*walked(second_id, "ada", "welcome"))
    with shop.sessions.begin() as session:
        content = contents.held(session, shop.workspace_id, "first")
        content_states.reset_everybody(session, content, NOW + dt.timedelta(days=2))
        assert content_states.counts(session, content) == {"in_progress": 1}
        others = [contents.by_key(session, shop.workspace_id, key) for key in ("second", "unseen")]
        assert content_states.counts_by_content(session, [content, *others]) == {
            content_id: {"in_progress": 1},
            second_id: {"in_progress": 1},
            unseen_id: {},
        }
    with shop.sessions.begin() as session:
        retention.prune(session, NOW, 0)
        left = session.scalars(select(ContentState).where(ContentState.content_id == content_id)).one()
        assert left.user_id == shop.user_id("bob")


def test_why_a_user_sees_something_and_something_else_not(shop: Shop) -> None:
    shop.publish("tour", tour("welcome", targeting=PRO), "for-pro")
    shop.publish("tour", tour("welcome", targeting={"all": [PRO, ON_PROJECTS]}), "on-projects")
    draft = shop.publish("tour", tour("welcome"), "draft")
    shop.receive(message("identify", "ada", message_id="m-1", traits={"plan": "free"}))
    with shop.sessions.begin() as session:
        session.get_one(Content, draft).published_version = None
    owner: Owner = ("user", shop.user_id("ada"))

    def closed(**more: Any) -> dict[str, str | None]:
        with shop.sessions() as session:
            explained = why.explain(session, shop.workspace_id, owner, NOW, **more)
        return {each.content.key: None if each.closed is None else each.closed.code for each in explained}

    assert closed() == {
        "draft": "not_published",
        "for-pro": "rule_not_matched",
        "on-projects": "rule_not_matched",
    }
    with shop.sessions() as session:
        [explained] = why.explain(session, shop.workspace_id, owner, NOW, keys=["for-pro"])
    assert explained.closed is not None
    assert "plan" in explained.closed.text
    assert "free" in explained.closed.known
    shop.receive(message("identify", "ada", message_id="m-2", traits={"plan": "pro"}))
    assert closed(url="https://app.example/settings")["on-projects"] == "url"
    assert closed(url="https://app.example/projects/1")["on-projects"] is None
