"""Who a page speaks for, what a proof opens, and what nobody gets without one."""

import datetime as dt
from typing import Any

import pytest

from productfruits.identity import verification
from productfruits.models import Event, User
from productfruits.services import (
    adoption_settings,
    coverage,
    identity_secrets,
)
from tests.services.contents import tour
from tests.services.messages import message
from tests.web.pages.world import PRO, Pages, shown, told, why


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
