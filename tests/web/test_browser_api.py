"""What pages ask and report: who gets what, and what nobody gets."""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select

import productfruits
from productfruits.adoption import documents
from productfruits.config import Settings
from productfruits.identity import verification
from productfruits.models import Content, ContentState, Event, Group, GroupMember, User, Workspace
from productfruits.segment.messages import Message
from productfruits.services import (
    adoption_settings,
    connections,
    contents,
    coverage,
    identity_secrets,
    publishing,
    workspaces,
)
from productfruits.workers.runtime import Runtime
from tests.services.contents import checklist, publish, tour
from tests.services.messages import arrival, message
from tests.unit.adoption import authored
from tests.web.requesting import AsgiHttp, Http, Reply, WsgiHttp

PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
#: One for the process: the order of tests may have the app made twice, on the store of the first.
ENCRYPTION_KEY = Fernet.generate_key().decode()
ON_PROJECTS = {"kind": "url", "op": "contains", "value": "/projects"}


@pytest.fixture(scope="module")
def pages_app(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = productfruits.create_app(
        Settings(
            data_dir=tmp_path_factory.mktemp("data"),
            database_url=module_database_url,
            secret_key="only-for-tests-" + "k" * 32,
            encryption_keys=(ENCRYPTION_KEY,),
        )
    )
    yield app
    app.extensions["productfruits"].close()


class Pages:
    """A workspace and the pages that ask it."""

    def __init__(self, app: Flask, http: Http) -> None:
        self.app = app
        self.runtime: Runtime = app.extensions["productfruits"]
        self.http = http
        with self.runtime.writing() as session:
            workspace = workspaces.create(session, "Acme", dt.datetime.now(dt.UTC))
            self.workspace_id, self.key = workspace.id, workspace.key

    def forget(self) -> None:
        """As if the second were over for which a site is remembered."""
        self.runtime.sites.forget()

    def publish(self, kind: str, document: dict[str, Any], key: str | None = None) -> int:
        with self.runtime.writing() as session:
            return publish(session, self.workspace_id, kind, document, key)

    def settings(self, **changes: Any) -> None:
        with self.runtime.writing() as session:
            adoption_settings.change(session, self.workspace_id, **changes)

    def secret(self, **more: Any) -> bytes:
        with self.runtime.writing() as session:
            now = dt.datetime.now(dt.UTC)
            made = identity_secrets.rotate(session, self.workspace_id, now, self.runtime.vault, **more)
            return made.secret.encode()

    def webhook(self, *messages: Message) -> None:
        now = dt.datetime.now(dt.UTC)
        self.runtime.writer.receive(arrival(self.workspace_id, *messages, received_at=now))

    def get(self, *, tag: str | None = None, **said: Any) -> Reply:
        headers = [] if tag is None else [("If-None-Match", tag)]
        return self.http.send("GET", f"/browser/v1/content?{urlencode({'workspace': self.key, **said})}", headers)

    def report(self, *messages: Any, **said: Any) -> Reply:
        body = {"workspace": self.key, "messages": list(messages), **said}
        return self.http.send("POST", "/browser/v1/events", [("Content-Type", "text/plain")], json.dumps(body).encode())

    def row(self, model: Any, **equal: Any) -> Any:
        with self.runtime.reading() as session:
            return session.scalars(select(model).filter_by(workspace_id=self.workspace_id, **equal)).one()


@pytest.fixture
def pages(pages_app: Flask) -> Pages:
    return Pages(pages_app, WsgiHttp(pages_app))


def told(raw: str, content_id: int, session_id: str = "s-1", **own: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event_id": str(uuid.uuid4()),
        "event": raw,
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
        "properties": {"id": content_id, "version": 1, "session_id": session_id, **own},
    }


def shown(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    return {content["key"]: content for content in reply.json["contents"]}


def why(reply: Reply, key: str) -> list[str]:
    """The codes of the closed gates of a content."""
    [gates] = [each["gates"] for each in reply.json["why"] if each["key"] == key]
    return [gate["code"] for gate in gates if not gate["passed"]]


class TestWhatAPageGets:
    def test_a_tour_for_a_trait_that_only_the_webhook_knows(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome", "invite", targeting=PRO), "first")
        assert shown(pages.get(username="ada")) == {}
        pages.webhook(message("identify", "ada", message_id="m-1", traits={"plan": "pro"}))
        reply = pages.get(username="ada")
        content = shown(reply)["first"]
        assert (content["eligible"], content["rule"], content["version"]) == (True, None, 1)
        assert [step["id"] for step in content["steps"]] == ["welcome", "invite"]
        assert content["state"]["state"] == "not_started"
        assert (reply.json["known"], reply.json["verified"], reply.json["traits"]) == (True, False, {})
        assert reply.json["settings"]["event_names"]["tour_started"] == "Tour Started"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "no-cache" in reply.headers["cache-control"]

    def test_what_only_the_page_knows_is_left_to_it(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome", targeting={"all": [ON_PROJECTS]}), "first")
        content = shown(pages.get(anonymous_id="x"))["first"]
        assert content["rule"] == ON_PROJECTS
        assert content["eligible"]

    def test_a_visitor_gets_nothing_that_is_aimed_at_what_is_known_of_users(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome", targeting={"not": PRO}), "aimed")
        pages.publish("tour", tour("welcome"), "for-all")
        reply = pages.get(anonymous_id="x", debug="1")
        assert set(shown(reply)) == {"for-all"}
        assert why(reply, "aimed") == ["not_identified"]

    def test_visitors_get_nothing_where_the_workspace_says_so(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome"), "first")
        pages.settings(allows_anonymous=False)
        assert shown(pages.get(anonymous_id="x")) == {}
        assert pages.report(told("tour_started", 1), anonymous_id="x").json["ignored"] == 1

    def test_in_the_language_that_the_page_asks_for(self, pages: Pages) -> None:
        texts = {"de": {"steps": [{"id": "welcome", "title": "Willkommen"}]}}
        pages.publish("tour", tour("welcome", translations=texts), "first")
        german = shown(pages.get(username="ada", language="de-AT"))["first"]
        assert (german["language"], german["steps"][0]["title"]) == ("de", "Willkommen")
        assert shown(pages.get(username="ada", language="fr"))["first"]["steps"][0]["title"] == "Welcome"

    def test_who_comes_back_goes_on_at_the_step_and_the_version_of_the_beginning(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome", "invite", targeting=PRO), "first")
        pages.webhook(message("identify", "ada", message_id="m-1", traits={"plan": "pro"}))
        pages.report(
            told("tour_started", first),
            told("tour_step_viewed", first, step_id="welcome"),
            told("tour_step_completed", first, step_id="welcome"),
            username="ada",
        )
        pages.webhook(message("identify", "ada", message_id="m-2", traits={"plan": "free"}))
        content = shown(pages.get(username="ada"))["first"]
        assert content["eligible"]
        assert content["state"]["state"] == "in_progress"
        assert (content["state"]["session_id"], content["state"]["step_id"]) == ("s-1", "invite")

    def test_who_is_in_the_middle_stays_on_the_version_and_others_get_the_newest(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome", "invite"), "first")
        pages.report(told("tour_started", first), username="ada")
        with pages.runtime.writing() as session:
            content = session.get_one(Content, first)
            document = documents.load("tour", authored.tour(key="first"))
            contents.save_draft(session, content, document, dt.datetime.now(dt.UTC))
            publishing.publish(session, content, "test", dt.datetime.now(dt.UTC))
        pages.forget()
        mine, others = (shown(pages.get(username=name))["first"] for name in ("ada", "bob"))
        assert (mine["version"], [step["id"] for step in mine["steps"]]) == (1, ["welcome", "invite"])
        assert others["version"] == 2
        assert len(others["steps"]) == len(document["steps"])

    def test_never_twice(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome"), "first")
        pages.report(told("tour_started", first), told("tour_completed", first), username="ada")
        reply = pages.get(username="ada", debug="1")
        content = shown(reply)["first"]
        assert (content["eligible"], content["state"]["state"]) == (False, "completed")
        assert why(reply, "first") == ["already_completed"]
        assert reply.json["completed"] == ["first"]

    def test_a_manual_tour_is_sent_and_starts_not_by_itself(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome", start="manual"), "first")
        assert shown(pages.get(username="ada"))["first"]["eligible"] is False

    def test_what_is_over_or_taken_away_is_not_sent_even_in_the_middle(self, pages: Pages) -> None:
        over = pages.publish("tour", tour("welcome", schedule={"until": "2020-01-01T00:00"}), "over")
        gone = pages.publish("tour", tour("welcome"), "gone")
        pages.report(told("tour_started", over), told("tour_started", gone), username="ada")
        with pages.runtime.writing() as session:
            session.get_one(Content, gone).published_version = None
            adoption_settings.bump_generation(session, pages.workspace_id)
        pages.forget()
        assert shown(pages.get(username="ada")) == {}

    def test_an_item_done_by_a_webhook_is_told_to_the_page_until_the_page_reports_it(self, pages: Pages) -> None:
        items = {"connect": {"by": "event", "event": "Source Connected"}, "look": {"by": "click"}}
        content_id = pages.publish("checklist", checklist(**items), "start")
        pages.report(told("checklist_started", content_id), username="ada")
        pages.webhook(message("track", "ada", message_id="m-1", name="Source Connected"))
        reply = pages.get(username="ada")
        item = shown(reply)["start"]["state"]["items"]["connect"]
        assert (item["how"], item["reported"]) == ("event", False)
        [found] = reply.json["unreported"]
        assert (found["event"], found["event_id"]) == ("checklist_item_completed", item["event_id"])
        assert pages.report(found, username="ada").json["duplicates"] == 1
        again = pages.get(username="ada", tag=reply.headers["etag"])
        assert shown(again)["start"]["state"]["items"]["connect"]["reported"] is True
        assert again.json["unreported"] == []

    def test_where_it_sends_events_is_told(self, pages: Pages) -> None:
        assert pages.get(username="ada").json["settings"]["to_segment"] is False
        with pages.runtime.writing() as session:
            workspace = session.get_one(Workspace, pages.workspace_id)
            connections.activate(session, workspace, dt.datetime.now(dt.UTC), pages.runtime.vault)
        pages.settings(event_names={"tour_started": "Guide Begun", "tour_snoozed": None})
        pages.forget()
        settings = pages.get(username="ada").json["settings"]
        assert settings["to_segment"] is True
        assert settings["event_names"]["tour_started"] == "Guide Begun"
        assert settings["event_names"]["tour_snoozed"] is None


class TestEtag:
    def test_the_same_question_is_answered_with_304_until_something_changes(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome", "invite"), "first")
        pages.webhook(message("identify", "ada", message_id="m-1"))
        tag = pages.get(username="ada").headers["etag"]
        unchanged = pages.get(username="ada", tag=tag)
        assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)
        assert pages.get(username="ada", tag=f'"other", W/{tag}').status == 304
        pages.report(told("tour_started", first), username="ada")
        changed = pages.get(username="ada", tag=tag)
        assert changed.status == 200
        pages.settings(quiet_hours=1)
        pages.forget()
        assert pages.get(username="ada", tag=changed.headers["etag"]).status == 200

    def test_a_late_message_changes_it_too(self, pages: Pages) -> None:
        """An event that happened before the last one is one more event for rules that count."""
        pages.publish("tour", tour("welcome", targeting={"kind": "event", "name": "Did"}), "first")
        pages.webhook(message("identify", "ada", message_id="m-1", at=dt.datetime.now(dt.UTC)))
        reply = pages.get(username="ada")
        assert shown(reply) == {}
        old = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
        pages.webhook(message("track", "ada", message_id="m-2", name="Did", at=old))
        assert set(shown(pages.get(username="ada", tag=reply.headers["etag"]))) == {"first"}

    def test_a_visitor_has_one_as_well(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome", "invite"), "first")
        tag = pages.get(anonymous_id="x").headers["etag"]
        assert pages.get(anonymous_id="x", tag=tag).status == 304
        pages.report(told("tour_started", first), anonymous_id="x")
        assert pages.get(anonymous_id="x", tag=tag).status == 200


class TestIdentity:
    def signed(self, secret: bytes, username: str) -> dict[str, Any]:
        return {"username": username, "hash": verification.sign(secret, username)}

    def test_traits_are_told_only_to_a_page_that_proves_who_it_is_and_only_those_that_texts_mention(
        self, pages: Pages
    ) -> None:
        document = tour("welcome")
        document["steps"][0]["title"] = "Hi {{firstName|there}}, {{ plan | all }}"
        pages.publish("tour", document, "first")
        secret = pages.secret()
        pages.settings(verification="report")
        pages.webhook(message("identify", "ada", message_id="m-1", traits={"first_name": "Ada", "iban": "DE12"}))
        assert pages.get(username="ada").json["traits"] == {}
        assert pages.get(username="ada", hash=verification.sign(b"wrong", "ada")).json["traits"] == {}
        reply = pages.get(**self.signed(secret, "ada"))
        assert (reply.json["verified"], reply.json["traits"]) == (True, {"firstName": "Ada"})

    def test_enforced_means_no_answer_without_a_right_hash(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome"), "first")
        secret = pages.secret()
        pages.settings(verification="enforced")
        for wrong in ({}, {"hash": verification.sign(secret, "bob")}, {"hash": "0" * 64}):
            reply = pages.get(username="ada", **wrong)
            assert (reply.status, reply.json["code"]) == (401, "not_verified")
            assert pages.report(told("tour_started", first), username="ada", **wrong).status == 401
        assert set(shown(pages.get(**self.signed(secret, "ada")))) == {"first"}
        assert pages.report(told("tour_started", first), **self.signed(secret, "ada")).status == 202
        assert pages.row(Event, name="Tour Started").signed is True
        assert set(shown(pages.get(anonymous_id="x"))) == {"first"}

    def test_an_expired_hash_is_no_hash(self, pages: Pages) -> None:
        secret = pages.secret()
        pages.settings(verification="enforced")
        now = int(dt.datetime.now(dt.UTC).timestamp())
        for ends, status in ((now + 600, 200), (now - 1, 401)):
            given = verification.sign(secret, "ada", ends)
            assert pages.get(username="ada", hash=given, expiration=ends).status == status

    def test_two_secrets_verify_while_one_takes_over_and_a_revoked_one_does_not(self, pages: Pages) -> None:
        old, new = pages.secret(), pages.secret()
        pages.settings(verification="enforced")
        assert pages.get(**self.signed(old, "ada")).status == pages.get(**self.signed(new, "ada")).status == 200
        with pages.runtime.writing() as session:
            now = dt.datetime.now(dt.UTC)
            [first, second] = identity_secrets.live_rows(session, pages.workspace_id, now)
            identity_secrets.revoke(session, pages.workspace_id, first.id, now)
            with pytest.raises(identity_secrets.StillEnforced):
                identity_secrets.revoke(session, pages.workspace_id, second.id, now)
        pages.forget()
        assert pages.get(**self.signed(old, "ada")).status == 401
        assert pages.get(**self.signed(new, "ada")).status == 200

    def test_coverage_is_counted_by_day_without_a_write_for_each_question(self, pages: Pages) -> None:
        secret = pages.secret()
        pages.settings(verification="report")
        for said in ({"username": "ada"}, {"username": "ada", "hash": "f" * 64}, self.signed(secret, "ada")) * 2:
            assert pages.get(**said).status == 200
        pages.get(anonymous_id="x")
        pages.runtime.page_notes.write()
        with pages.runtime.reading() as session:
            [day] = coverage.days(session, pages.workspace_id, dt.date(2020, 1, 1))
            settings = adoption_settings.of(session, pages.workspace_id)
        assert (day.verified, day.unverified, day.wrong, day.share) == (2, 2, 2, 1 / 3)
        assert settings.last_seen_at is not None

    def test_without_trust_in_pages_only_a_proof_opens_what_is_aimed_at_stored_knowledge(self, pages: Pages) -> None:
        pages.publish("tour", tour("welcome", targeting=PRO), "aimed")
        secret = pages.secret()
        pages.settings(verification="report", trusts_page=False)
        pages.webhook(message("identify", "ada", message_id="m-1", traits={"plan": "pro"}))
        pages.webhook(message("identify", "bob", message_id="m-2", traits={"plan": "free"}))
        claims = [pages.get(username=name, debug="1") for name in ("ada", "bob")]
        assert [shown(reply) for reply in claims] == [{}, {}]
        # Neither do the reasons tell the two apart: they end where the proof is missing.
        assert claims[0].json["why"] == claims[1].json["why"]
        assert why(claims[0], "aimed") == ["not_verified"]
        assert set(shown(pages.get(**self.signed(secret, "ada")))) == {"aimed"}

    def test_a_proof_of_oneself_is_no_permission_to_write_to_others(self, pages: Pages) -> None:
        secret = pages.secret()
        pages.settings(verification="enforced")
        pages.webhook(message("identify", "bob", message_id="m-1", traits={"email": "bob@x.example", "plan": "pro"}))
        identify = {"type": "identify", "message_id": "m-2", "traits": {"email": "bob@x.example", "plan": "mine"}}
        assert pages.report(identify, **self.signed(secret, "ada")).json["accepted"] == 1
        assert pages.row(User, username="bob").traits == {"plan": "pro"}
        assert pages.row(User, username="ada").email is None

    def test_a_visitor_who_is_known_by_now_is_told_the_progress_and_nothing_else(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome"), "first")
        pages.publish("tour", tour("welcome", targeting=PRO), "aimed")
        pages.webhook(message("identify", "ada", anonymous_id="x", message_id="m-1", traits={"plan": "pro"}))
        pages.report(told("tour_started", first), told("tour_completed", first), username="ada")
        reply = pages.get(anonymous_id="x")
        assert shown(reply)["first"]["state"]["state"] == "completed"
        assert set(shown(reply)) == {"first"}
        assert reply.json["known"] is False


class TestReports:
    def test_they_are_stored_under_the_names_of_the_vocabulary(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome"), "first")
        sent = told("tour_started", first, content_key="first")
        assert pages.report(sent, username="ada").json == {
            "accepted": 1,
            "duplicates": 0,
            "ignored": 0,
            "rejected": 0,
        }
        event = pages.row(Event, name="Tour Started")
        assert (event.message_id, event.source, event.content_id, event.signed) == (
            sent["event_id"],
            "snippet",
            first,
            False,
        )
        assert event.properties["source"] == "productfruits"
        assert event.properties["raw_name"] == "tour_started"
        assert pages.report(sent, username="ada").json["duplicates"] == 1
        pages.runtime.page_notes.write()
        with pages.runtime.reading() as session:
            assert adoption_settings.of(session, pages.workspace_id).last_reported_at is not None

    def test_events_and_traits_of_the_customers_own(self, pages: Pages) -> None:
        identify = {"type": "identify", "message_id": "m-1", "traits": {"plan": "pro", "seats": 5}}
        track = {"type": "track", "event_id": "e-1", "event": "Project Created", "properties": {"n": 1}}
        assert pages.report(identify, track, username="ada").json["accepted"] == 2
        assert pages.report({**identify, "message_id": "m-2", "traits": {"plan": "free"}}, username="ada").status == 202
        assert pages.row(User, username="ada").traits == {"plan": "free", "seats": 5}
        event = pages.row(Event, name="Project Created")
        assert (event.content_id, event.properties) == (None, {"n": 1})

    def test_a_checklist_begins_anew_for_whoever_the_page_speaks_for_and_nobody_else(self, pages: Pages) -> None:
        content_id = pages.publish("checklist", checklist(look={"by": "click"}, ask={"by": "click"}), "start")
        session_id = "01900000-0000-7000-8000-000000000001"
        for name in ("ada", "bob"):
            begun = told("checklist_started", content_id, session_id)
            done = told("checklist_item_completed", content_id, session_id, item_id="look", how="click")
            assert pages.report(begun, done, username=name).json["accepted"] == 2
        before = pages.get(username="ada")
        assert set(shown(before)["start"]["state"]["items"]) == {"look"}
        reset = {"type": "reset", "message_id": "01900000-0001-7000-8000-000000000001", "checklist": "start"}
        assert pages.report(reset, username="ada").json["accepted"] == 1
        assert pages.report(reset, username="ada").json["duplicates"] == 1
        after = pages.get(username="ada", tag=before.headers["etag"])
        state = shown(after)["start"]["state"]
        assert (state["state"], state["session_id"], state["items"]) == ("not_started", reset["message_id"], {})
        assert shown(after)["start"]["eligible"]
        assert set(shown(pages.get(username="bob"))["start"]["state"]["items"]) == {"look"}
        # Signed users begin anew by their own hash, and by nothing else.
        secret = pages.secret()
        pages.settings(verification="enforced")
        pages.forget()
        again = {**reset, "message_id": "01900000-0002-7000-8000-000000000001"}
        for wrong in ({}, {"hash": verification.sign(secret, "ada")}):
            assert pages.report(again, username="bob", anonymous_id="x", **wrong).status == 401
        signed = {"username": "bob", "hash": verification.sign(secret, "bob")}
        assert pages.report(again, **signed).status == 202
        assert shown(pages.get(**signed))["start"]["state"]["items"] == {}

    def test_a_group_is_stored_as_segments_and_only_for_whoever_has_a_name(self, pages: Pages) -> None:
        group = {"groupId": " acme ", "props": {"plan": "team", "email": "all@acme.example"}, "seats": 5}
        said = {"type": "group", "message_id": "g-1", "group": group}
        assert pages.report(said, username="ada", anonymous_id="x").json["accepted"] == 1
        assert pages.report(said, username="ada").json["duplicates"] == 1
        event = pages.row(Event, type="group")
        assert (event.message_id, event.group_id, event.sent_user_id, event.source) == ("g-1", "acme", "ada", "snippet")
        stored = pages.row(Group, group_id="acme")
        assert stored.traits == {"plan": "team", "email": "all@acme.example", "seats": 5}
        assert pages.row(GroupMember).user_id == pages.row(User, username="ada").id
        # Of a group everybody in it has the traits, so nobody unproved may say them where proof is asked for.
        assert pages.report({**said, "message_id": "g-2"}, anonymous_id="x").json["rejected"] == 1
        wrong: list[Any] = [None, "acme", {}, {"groupId": None}, {"groupId": {}}, {"groupId": " "}]
        groups = [{"type": "group", "group": each} for each in wrong]
        assert pages.report(*groups, username="ada").json["rejected"] == len(wrong)
        secret = pages.secret()
        pages.settings(verification="enforced")
        pages.forget()
        again = {**said, "message_id": "g-3", "group": {"groupId": "acme", "props": {"plan": "free"}}}
        assert pages.report(again, username="ada").status == 401
        assert pages.row(Group, group_id="acme").traits["plan"] == "team"
        assert pages.report(again, username="ada", hash=verification.sign(secret, "ada")).json["accepted"] == 1
        assert pages.row(Group, group_id="acme").traits["plan"] == "free"

    def test_previews_count_nowhere(self, pages: Pages) -> None:
        first = pages.publish("tour", tour("welcome"), "first")
        assert pages.report(told("tour_started", first, is_preview=True), username="ada").json["ignored"] == 1
        with pages.runtime.reading() as session:
            mine = select(ContentState).where(ContentState.workspace_id == pages.workspace_id)
            assert session.scalars(mine).all() == []

    def test_a_clock_that_is_wrong_is_as_wrong_for_every_time_it_says(self, pages: Pages) -> None:
        now = dt.datetime.now(dt.UTC)
        wrong = now + dt.timedelta(days=400)
        track = {"type": "track", "event_id": "e-1", "event": "Did"}
        said = {**track, "timestamp": (wrong - dt.timedelta(minutes=10)).isoformat()}
        pages.report(said, username="ada", sent_at=wrong.isoformat())
        at = pages.row(Event, name="Did").timestamp
        assert dt.timedelta(minutes=9) < now - at < dt.timedelta(minutes=11)

    def test_bad_messages_spoil_only_themselves_and_say_why(self, pages: Pages) -> None:
        bad = [
            1,
            {"type": "delete", "userId": "ada"},
            {"type": "track", "event": "Did"},
            {"type": "track", "event_id": "e-1", "event": ""},
            {"type": "track", "event_id": "x" * 300, "event": "Did"},
            {"type": "reset", "checklist": 1},
        ]
        good = {"type": "track", "event_id": "e-2", "event": "Did", "timestamp": {"no": "time"}, "properties": [1]}
        assert pages.report(*bad, good, username="ada").json == {
            "accepted": 1,
            "duplicates": 0,
            "ignored": 0,
            "rejected": 6,
        }


EVENTS, CONTENT = "/browser/v1/events", "/browser/v1/content"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", f"{CONTENT}?workspace=nobody-1", b"", 404, id="unknown"),
        pytest.param("GET", f"{CONTENT}?workspace=%00%ff%ed%a0%80", b"", 404, id="nonsense"),
        pytest.param("GET", CONTENT, b"", 404, id="no-workspace"),
        pytest.param("GET", f"{CONTENT}?{'a=1&' * 40}", b"", 400, id="many-parameters"),
        pytest.param("POST", CONTENT, b"{", 400, id="half-json"),
        pytest.param("POST", CONTENT, b"[]", 400, id="array"),
        pytest.param("POST", CONTENT, b'[{"workspace": "KEY"}]', 400, id="array-of-one"),
        pytest.param("POST", CONTENT, b'{"workspace": ["KEY"]}', 404, id="no-text"),
        pytest.param("POST", CONTENT, b" " * 70_000, 413, id="long-question"),
        pytest.param("PUT", CONTENT, b"", 405, id="put"),
        pytest.param("GET", EVENTS, b"", 405, id="get-events"),
        pytest.param("POST", EVENTS, b"", 400, id="empty"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY"}', 400, id="no-messages"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": {}}', 400, id="no-list"),
        pytest.param(
            "POST", EVENTS, b'{"workspace": "KEY", "messages": [' + b"1," * 500 + b"1]}", 413, id="many-messages"
        ),
        pytest.param("POST", EVENTS, b" " * 600_000, 413, id="long-report"),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": [], "username": 1e400}', 400, id="huge"),
        pytest.param("GET", f"{CONTENT}?workspace=KEY&username=%00&hash=%00&language=%00", b"", 200, id="nul"),
        pytest.param("GET", f"{CONTENT}?workspace=KEY&username={'u' * 5_000}", b"", 200, id="long-username"),
        pytest.param(
            "POST", CONTENT, b'{"workspace": "KEY", "username": {}, "hash": [], "debug": true}', 200, id="types"
        ),
        pytest.param("POST", EVENTS, b'{"workspace": "KEY", "messages": []}', 202, id="nothing"),
        pytest.param("OPTIONS", EVENTS, b"", 204, id="preflight"),
        pytest.param("HEAD", f"{CONTENT}?workspace=KEY", b"", 200, id="head"),
    ],
)
@pytest.mark.parametrize("way", ["wsgi", "asgi"])
def test_every_answer_is_in_words_and_readable_by_every_page(
    pages_by: Callable[[str], Pages], way: str, method: str, path: str, body: bytes, status: int
) -> None:
    pages = pages_by(way)
    key = pages.key
    reply = pages.http.send(method, path.replace("KEY", key), [], body.replace(b"KEY", key.encode()))
    assert reply.status == status, reply.body
    assert reply.headers["access-control-allow-origin"] == "*"
    if status >= 400:
        assert set(reply.json) == {"code", "message"}
    if method == "HEAD":
        assert reply.body == b""


@pytest.fixture(scope="module")
def pages_by(pages_app: Flask) -> Iterator[Callable[[str], Pages]]:
    """One workspace for all who only ask amiss, by both ways in."""
    asgi = AsgiHttp(pages_app)
    pages = {"wsgi": Pages(pages_app, WsgiHttp(pages_app)), "asgi": Pages(pages_app, asgi)}
    yield lambda way: pages[way]
    asgi.close()


def test_both_ways_in_answer_alike(pages_by: Callable[[str], Pages]) -> None:
    wsgi, asgi = pages_by("wsgi"), pages_by("asgi")
    asgi = Pages(wsgi.app, asgi.http)
    asgi.key, asgi.workspace_id = wsgi.key, wsgi.workspace_id
    wsgi.publish("tour", tour("welcome"), "both")
    replies = [each.get(username="ada") for each in (wsgi, asgi)]
    assert replies[0].json == replies[1].json
    assert replies[0].headers["etag"] == replies[1].headers["etag"]
    assert asgi.get(username="ada", tag=replies[0].headers["etag"]).status == 304
    reported = asgi.report({"type": "track", "event_id": "e-1", "event": "Did"}, username="ada")
    assert (reported.status, reported.json["accepted"]) == (202, 1)


def test_the_snippet_is_served_to_every_origin(pages: Pages) -> None:
    reply = pages.http.send("GET", "/snippet.js")
    assert "max-age=300" in reply.headers["cache-control"]
    assert reply.headers["content-type"].startswith("text/javascript")
    assert pages.http.send("GET", "/snippet.js", [("If-None-Match", reply.headers["etag"])]).status == 304
