"""Questions of pages that come together: read together, answered each as if it had come alone."""

import asyncio
import datetime as dt
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text

import productfruits
from productfruits.adoption.subjects import EventCount
from productfruits.config import Settings
from productfruits.models import Content, ContentVersion
from productfruits.services import browser_content, page_reads, workspaces
from productfruits.services.content_states import Owner
from productfruits.services.page_reads import Asked, Reads
from productfruits.services.prepared import AnySelect
from productfruits.web.browser import content
from productfruits.web.browser.content import Question, Tagged
from productfruits.web.browser.door import BrowserDoor, claim
from productfruits.web.browser.questions import Questions
from productfruits.web.ingest.answers import Answer
from productfruits.workers import page_readers
from productfruits.workers.runtime import Runtime
from tests.services.contents import checklist, happened, publish, tour
from tests.services.messages import NOW, arrival, message

PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
DID = {"kind": "event", "name": "Did", "at_least": 2}
IN_TEAM = {"kind": "group", "group_id": "team", "name": "seats", "op": "at_least", "value": 5}
AFTER_FIRST = {"kind": "content", "key": "for-all", "state": "completed"}


class World:
    """A workspace in which people differ in all that rules ask."""

    def __init__(self, app: Flask) -> None:
        self.door: BrowserDoor = app.extensions["productfruits.browser_door"]
        self.runtime: Runtime = app.extensions["productfruits"]
        with self.runtime.writing() as session:
            workspace = workspaces.create(session, "Acme", NOW)
            self.id, self.key = workspace.id, workspace.key
            self.first = publish(session, self.id, "tour", tour("welcome", "invite"), "for-all")
            for key, rule in {"pro": PRO, "did": DID, "team": IN_TEAM, "after": AFTER_FIRST}.items():
                publish(session, self.id, "tour", tour("welcome", targeting=rule), key)
            publish(session, self.id, "checklist", checklist(look={"by": "click"}), "start")

    def receive(self, *messages: Any) -> None:
        self.runtime.writer.receive(arrival(self.id, *messages))

    def populate(self) -> None:
        self.receive(
            message("identify", "ada", message_id="1", traits={"plan": "pro", "email": "ada@x.io"}),
            message("identify", "ada2", message_id="2", traits={"email": "ada@x.io"}),  # an alias of ada
            message("identify", "bob", message_id="3", anonymous_id="bobs-browser", traits={"plan": "free"}),
            message("identify", "eve", message_id="4"),
            message("group", "eve", message_id="5", group_id="team", traits={"seats": 7}),
            message("track", "bob", message_id="6", name="Did"),
            message("track", "bob", message_id="7", name="Did"),
            message("track", "eve", message_id="8", name="Did"),
            happened("tour_started", self.first, "bob"),
            happened("tour_completed", self.first, "bob"),
            happened("tour_started", self.first, None, anonymous_id="stranger"),
        )

    def question(self, **said: Any) -> Question:
        return Question(
            workspace=said.get("workspace", self.key),
            claim=claim(said),
            language=said.get("language"),
            debug=bool(said.get("debug")),
            preview=said.get("preview"),
        )

    def everybody(self) -> list[Tagged]:
        said: list[Mapping[str, Any]] = [
            {"username": "ada"},
            {"username": "ada2"},
            {"username": "bob", "anonymous_id": "bobs-browser"},
            {"anonymous_id": "bobs-browser"},
            {"username": "eve", "debug": True},
            {"username": "nobody-yet"},
            {"username": "nobody-yet", "anonymous_id": "stranger"},
            {"anonymous_id": "stranger", "language": "de"},
            {"anonymous_id": "somebody-new"},
            {},
            {"username": "ada"},
            {"username": "ada", "workspace": "there-is-none"},
            {"username": "ada", "preview": "made up"},
        ]
        return [(self.question(**each), None) for each in said]


@pytest.fixture
def world(app_on_both: Flask) -> World:
    world = World(app_on_both)
    world.populate()
    return world


def keys(answer: Answer) -> list[str]:
    return [each["key"] for each in json.loads(answer.body)["contents"]]


def test_together_they_are_answered_as_alone(world: World) -> None:
    alone = [content.answer(world.door, question, None) for question, _ in world.everybody()]
    together = content.answer_all(world.door, world.everybody())
    assert together == alone
    ada, ada2, bob, joined, eve = alone[:5]
    assert keys(ada) == keys(ada2) == ["for-all", "pro", "start"]
    assert keys(bob) == ["for-all", "did", "after", "start"]
    assert keys(joined) == ["for-all", "start"]
    assert keys(eve) == ["for-all", "team", "start"]
    assert [answer.status for answer in alone[-2:]] == [404, 400]


class ByOrm(Reads):
    """The same reads through a session."""

    def rows(self, statement: AnySelect, values: Mapping[str, Any]) -> Sequence[Any]:
        return self.session.execute(statement, values).all()


def test_each_is_told_that_nothing_changed_by_its_own_tag(world: World) -> None:
    questions = [question for question, _ in world.everybody()[:9]]
    tags = [answer.headers["ETag"] for answer in content.answer_all(world.door, [(each, None) for each in questions])]
    held = [tag if n % 2 else None for n, tag in enumerate(tags)]
    again = content.answer_all(world.door, list(zip(questions, held, strict=True)))
    assert [answer.status for answer in again] == [304 if tag else 200 for tag in held]
    assert [answer.headers["ETag"] for answer in again] == tags


def test_many_need_no_more_statements_than_one(world: World) -> None:
    class Counted(ByOrm):
        asked = 0

        def rows(self, statement: AnySelect, values: Mapping[str, Any]) -> Sequence[Any]:
            self.asked += 1
            return super().rows(statement, values)

    site = world.door.sites.find(world.key)
    assert site is not None
    counted = []
    with world.runtime.reading() as session:
        for usernames in (["ada"], ["ada", "bob", "eve", "ada"]):
            reads = Counted(lambda: session, None, session.get_bind().dialect)
            asked = [Asked(username) for username in usernames]
            found = page_reads.find(reads, site.workspace_id, asked)
            bodies = browser_content.answers(reads, site, list(zip(asked, found, strict=True)), NOW)
            assert len(list(bodies)) == len(usernames)
            counted.append(reads.asked)
    assert counted[0] == counted[1] == 4  # users, states, groups, counts


def test_the_event_loop_answers_what_has_arrived_in_one_go_and_a_flaw_meets_only_its_own_page(world: World) -> None:
    with world.runtime.writing() as session:
        session.execute(text("UPDATE users SET traits = '\"no object\"' WHERE username = 'eve'"))

    async def ask() -> list[Answer | BaseException]:
        with ThreadPoolExecutor() as threads:
            questions = Questions(world.door, threads, is_sqlite=world.runtime.settings.is_sqlite)
            asked = [world.question(username=f"user-{n}" if n % 10 else "eve") for n in range(50)]
            return await asyncio.gather(*(questions.answer(each, None) for each in asked), return_exceptions=True)

    for outcomes in (asyncio.run(ask()), asyncio.run(ask())):  # the first time a thread reads the site
        for n, outcome in enumerate(outcomes):
            if n % 10:
                assert isinstance(outcome, Answer) and outcome.status == 200
            else:
                assert isinstance(outcome, AttributeError)


def test_a_page_that_is_gone_is_no_harm_to_the_others(world: World) -> None:
    async def ask() -> Answer:
        with ThreadPoolExecutor() as threads:
            questions = Questions(world.door, threads, is_sqlite=world.runtime.settings.is_sqlite)
            gone = asyncio.ensure_future(questions.answer(world.question(username="bob"), None))
            stays = asyncio.ensure_future(questions.answer(world.question(username="ada"), None))
            await asyncio.sleep(0)
            gone.cancel()
            return await stays

    assert keys(asyncio.run(ask())) == ["for-all", "pro", "start"]


def test_a_group_that_waits_for_the_store_is_gone_past(settings: Callable[..., Settings], postgres_url: str) -> None:
    app = productfruits.create_app(settings(database_url=postgres_url))
    asks_groups, others = World(app), World(app)
    with others.runtime.writing() as session:
        content_id = session.scalars(select(Content.id).filter_by(workspace_id=others.id, key="team")).one()
        session.execute(delete(ContentVersion).filter_by(content_id=content_id))
        session.execute(delete(Content).filter_by(id=content_id))

    async def ask() -> None:
        with ThreadPoolExecutor() as threads:
            questions = Questions(asks_groups.door, threads, is_sqlite=False)
            for world in (asks_groups, others):  # their sites are known from here on
                await questions.answer(world.question(username="eve"), None)
            with others.runtime.writing() as session:
                session.execute(text("LOCK TABLE group_member IN ACCESS EXCLUSIVE MODE"))
                held_up = asyncio.ensure_future(questions.answer(asks_groups.question(username="eve"), None))
                await asyncio.sleep(0.01)
                passes = await questions.answer(others.question(username="eve"), None)
                assert passes.status == 200 and not held_up.done()
            assert keys(await held_up) == ["for-all", "team", "start"]

    asks_groups.populate()
    others.populate()
    asyncio.run(ask())
    app.extensions["productfruits"].close()


@pytest.mark.parametrize("is_idle", [True, False])
def test_a_connection_that_the_server_has_ended_is_replaced(
    settings: Callable[..., Settings], postgres_url: str, monkeypatch: pytest.MonkeyPatch, is_idle: bool
) -> None:
    app = productfruits.create_app(settings(database_url=postgres_url))
    world = World(app)
    world.populate()
    ask = functools.partial(content.answer, world.door, world.question(username="ada"), None)
    assert ask().status == 200
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    with world.runtime.reading() as session:
        session.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    # After a pause it is asked whether it is still there; without one its end is found out by a question, and told.
    monkeypatch.setattr(page_readers, "IDLE_S", -1 if is_idle else 60)
    assert [ask().status, ask().status] == [200 if is_idle else 503, 200]
    app.extensions["productfruits"].close()


def test_the_driver_gives_what_the_orm_gives(app_on_both: Flask) -> None:
    world = World(app_on_both)
    world.populate()
    owners: list[Owner] = [("visitor", "stranger")]
    with world.door.sites.readers.asking() as quick, world.runtime.reading() as session:
        slow = ByOrm(lambda: session, None, session.get_bind().dialect)
        users = slow.users(world.id, {"ada", "ada2", "bob", "eve"})
        assert len(users) == 4
        for name, user in quick.users(world.id, set(users)).items():
            assert {key: getattr(user, key) for key in users[name]._fields} == users[name]._asdict()
        owners += [("user", user.id) for user in users.values()]
        for owner, rows in slow.states(world.id, set(owners)).items():
            quickly = quick.states(world.id, {owner})[owner]
            assert [{key: getattr(row, key) for key in rows[0]._fields} for row in quickly] == [
                row._asdict() for row in rows
            ]
        ids = sorted({user.id for user in users.values()})
        asks = frozenset({EventCount("Did", None), EventCount("Did", 7)})
        now = NOW + dt.timedelta(hours=1)
        assert quick.groups(world.id, ids) == slow.groups(world.id, ids) != {}
        assert quick.counts(world.id, ids, asks, now) == slow.counts(world.id, ids, asks, now) != {}
