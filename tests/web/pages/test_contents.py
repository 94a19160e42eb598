"""What a page gets, and when it is told that nothing has changed."""

import datetime as dt

from productfruits.adoption import documents
from productfruits.models import Content, Workspace
from productfruits.services import (
    adoption_settings,
    connections,
    contents,
    publishing,
)
from tests.services.contents import checklist, tour
from tests.services.messages import message
from tests.unit.adoption import authored
from tests.web.pages.world import ON_PROJECTS, PRO, Pages, shown, told, why


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
