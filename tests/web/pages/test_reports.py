"""What pages report, and what becomes of it."""

import datetime as dt
from typing import Any

from sqlalchemy import select

from productfruits.identity import verification
from productfruits.models import ContentState, Event, Group, GroupMember, User
from productfruits.services import (
    adoption_settings,
)
from tests.services.contents import checklist, tour
from tests.web.pages.world import Pages, shown, told


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
