"""The settings page of the Segment connection, and what the other pages show of what came in."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

import productfruits
from productfruits.config import Settings
from productfruits.models import AuditEntry
from productfruits.segment.signature import sign
from productfruits.services import admins
from tests.web.admin_world import PASSWORD, Person, runtime_of

BAIT = "<script>window.__adv=1</script><img src=x onerror=alert(1)>\"'"


class Owner(Person):
    """The first admin with one workspace."""

    def __init__(self, app: Flask) -> None:
        with runtime_of(app).writing() as session:
            admin = admins.set_up(session, "ada@example.com", PASSWORD, "Acme", dt.datetime.now(dt.UTC))
            self.key = admins.memberships(session, admin.id)[0].workspace.key
        super().__init__(app.test_client(), admin)

    @property
    def page(self) -> str:
        return f"/w/{self.key}/settings/segment"

    def activate(self) -> tuple[str, str]:
        """The webhook's path and the secret, read off the page as a person would."""
        shown = self.post(f"{self.page}/activate").text
        return path_in(shown), secret_in(shown)

    def send(self, path: str, secret: str, message: dict[str, Any]) -> int:
        """Deliver a signed message, and wait until it is stored. The status of the answer."""
        body = json.dumps(message).encode()
        headers = {"X-Signature": sign(body, secret.encode())}
        return self.client.post(path, data=body, headers=headers).status_code

    def audited(self, app: Flask) -> list[str]:
        with runtime_of(app).reading() as session:
            return [f"{entry.action} {json.dumps(entry.detail)}" for entry in session.scalars(select(AuditEntry))]


def path_in(page: str) -> str:
    return value_of(page, "webhook-url").removeprefix("http://127.0.0.1:8000")


def secret_in(page: str) -> str:
    return value_of(page, "webhook-secret")


def value_of(page: str, element: str) -> str:
    found = re.search(rf'id="{element}" value="([^"]+)"', page)
    assert found, page
    return found.group(1)


def message(**changes: Any) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": "m1",
        "userId": "u1",
        "traits": {"email": "grace@example.com", "name": "Grace"},
    } | changes


@pytest.fixture
def owner(app: Flask) -> Owner:
    return Owner(app)


class TestSenders:
    def test_it_says_what_each_sdk_is_to_be_told(self, owner: Owner, app: Flask) -> None:
        answer = owner.post(f"{owner.page}/activate")
        write_key = value_of(answer.text, "write-key")
        page = owner.get(owner.page).text
        assert value_of(page, "write-key") == write_key
        assert value_of(page, "sdk-host") == "http://127.0.0.1:8000"
        assert value_of(page, "api-host") == "127.0.0.1:8000/v1"
        assert is_taken(app, value_of(page, "function-url"), value_of(answer.text, "auth-token"))
        assert value_of(answer.text, "auth-token") not in page

    def test_a_new_auth_token_ends_the_old_one(self, owner: Owner, app: Flask) -> None:
        old = value_of(owner.post(f"{owner.page}/activate").text, "auth-token")
        answer = owner.post(f"{owner.page}/auth-token")
        new = value_of(answer.text, "auth-token")
        assert "webhook-secret" not in answer.text
        url = value_of(answer.text, "function-url")
        assert (is_taken(app, url, old), is_taken(app, url, new)) == (False, True)
        assert new not in owner.get(owner.page).text
        assert owner.audited(app)[-1].startswith("connection.token_renewed")


def is_taken(app: Flask, url: str, token: str) -> bool:
    path = url.removeprefix("http://127.0.0.1:8000")
    return app.test_client().post(path, json=message(), headers={"X-Auth-Token": token}).status_code == 200


class TestActivating:
    def test_it_shows_url_and_secret_once(self, owner: Owner, app: Flask) -> None:
        assert "Not connected" in owner.get(f"/w/{owner.key}/").text
        answer = owner.post(f"{owner.page}/activate")
        secret = secret_in(answer.text)
        assert secret.startswith("whs_")
        assert answer.headers["Cache-Control"] == "no-store"
        for path in (owner.page, f"{owner.page}/live", f"/w/{owner.key}/", f"/w/{owner.key}/settings/audit"):
            assert secret not in owner.get(path).text
        assert secret not in json.dumps(owner.audited(app))
        assert path_in(owner.get(owner.page).text) == path_in(answer.text)

    def test_a_second_time_it_says_what_to_do(self, owner: Owner) -> None:
        owner.activate()
        again = owner.post(f"{owner.page}/activate", follow_redirects=True).text
        assert "activated already" in again
        assert "webhook-secret" not in again

    def test_it_names_the_fields_of_both_forms_of_segment(self, owner: Owner) -> None:
        owner.activate()
        page = re.sub(r"<[^>]+>", "", owner.get(owner.page).text)
        assert "Settings → Shared Secret: the shared secret from here" in page
        assert "Mappings → New mapping → Send → URL: the webhook URL from here" in page
        assert "Settings → Webhook URL: the webhook URL from here" in page
        assert "Settings → Advanced → Shared Secret: the shared secret from here" in page

    @pytest.mark.parametrize(
        ("public_url", "warning"),
        [
            (None, "Segment cannot reach this server yet"),
            ("http://192.168.1.20:8000", "Segment cannot reach this server yet"),
            ("https://[fd00::1]", "Segment cannot reach this server yet"),
            ("https://box.local", "Segment cannot reach this server yet"),
            ("https://intranet", "Segment cannot reach this server yet"),
            ("http://onboarding.example.com", "The webhook address is not encrypted"),
            ("https://onboarding.example.com", None),
            ("https://8.8.8.8", None),
        ],
    )
    def test_it_warns_of_an_address_that_segment_cannot_use(
        self, settings: Callable[..., Settings], public_url: str | None, warning: str | None
    ) -> None:
        app = productfruits.create_app(settings(public_url=public_url))
        try:
            owner = Owner(app) if not (public_url or "").startswith("https") else None
            if owner is None:
                # The cookie insists on https, so the browser has to use it as well.
                app.config["SESSION_COOKIE_SECURE"] = False
                owner = Owner(app)
            page = owner.get(owner.page).text
        finally:
            runtime_of(app).close()
        for title in ("Segment cannot reach this server yet", "The webhook address is not encrypted"):
            assert (title in page) is (title == warning)
        assert ("PRODUCTFRUITS_PUBLIC_URL" in page) is (warning is not None)


class TestLiveStatus:
    def test_it_turns_from_waiting_to_receiving(self, owner: Owner) -> None:
        path, secret = owner.activate()
        page = owner.get(owner.page).text
        assert "Waiting for the first event" in page
        seen = value_of(page, "live-seen")
        assert owner.get(f"{owner.page}/live?seen={seen}").status_code == 204
        assert owner.send(path, secret, message()) == 200
        fragment = owner.get(f"{owner.page}/live?seen={seen}")
        assert fragment.status_code == 200
        assert "Receiving events" in fragment.text
        assert "<html" not in fragment.text
        assert 'data-count="accepted">1<' in fragment.text
        assert owner.get(f"{owner.page}/live?seen={value_of(fragment.text, 'live-seen')}").status_code == 204

    def test_it_counts_and_tells_what_was_refused_in_words(self, owner: Owner) -> None:
        path, secret = owner.activate()
        owner.send(path, secret, message())
        owner.send(path, secret, message())
        owner.send(path, secret, message(type="heartbeat", messageId="m2"))
        assert owner.send(path, "whs_wrong", message(messageId="m3")) == 401
        # The refusal was handed to the writer behind the answer; one more accepted message comes after it.
        owner.send(path, secret, message(messageId="m4"))
        page = owner.get(owner.page).text
        counts = dict(re.findall(r'data-count="([a-z]+)">(\d+)<', page))
        assert counts == {"accepted": "2", "duplicates": "1", "ignored": "1", "rejected": "1"}
        assert "Signature does not match" in page
        assert "is the secret of this page the one in Segment?" in page
        assert "whs_wrong" not in page


class TestSecrets:
    def test_rotating_keeps_the_old_one_for_the_overlap(self, owner: Owner, app: Flask) -> None:
        path, old = owner.activate()
        shown = owner.post(f"{owner.page}/rotate", {"overlap_hours": "24"})
        new = secret_in(shown.text)
        assert new != old
        assert "in 23 hours" in shown.text or "in 1 day" in shown.text
        assert [owner.send(path, secret, message(messageId=secret[:9])) for secret in (old, new)] == [200, 200]
        assert new not in json.dumps(owner.audited(app))

    def test_revoking_ends_a_secret(self, owner: Owner, app: Flask) -> None:
        path, old = owner.activate()
        page = owner.post(f"{owner.page}/rotate", {"overlap_hours": "24"}).text
        first = re.findall(r'name="secret" value="(\d+)"', page)[0]
        revoked = owner.post(f"{owner.page}/revoke", {"secret": first}, follow_redirects=True).text
        assert "is revoked" in revoked
        assert owner.send(path, old, message()) == 401

    def test_the_last_secret_cannot_be_revoked(self, owner: Owner) -> None:
        owner.activate()
        assert "Revoke now" not in owner.get(owner.page).text
        said = owner.post(f"{owner.page}/revoke", {"secret": "1"}, follow_redirects=True).text
        assert "This is the only live secret" in said

    @pytest.mark.parametrize("hours", ["2", "-1", "x", ""])
    def test_an_overlap_that_the_page_does_not_offer_is_refused(self, owner: Owner, hours: str) -> None:
        owner.activate()
        assert owner.post(f"{owner.page}/rotate", {"overlap_hours": hours}).status_code == 400


class TestSwitches:
    @pytest.mark.parametrize(
        ("action", "form", "said"),
        [
            ("batches", {"on": "0"}, "Batches are refused"),
            ("events", {"on": "0"}, "switched off"),
            ("deactivate", {}, "Segment is deactivated"),
        ],
    )
    def test_it_switches_and_says_so(
        self, owner: Owner, app: Flask, action: str, form: dict[str, str], said: str
    ) -> None:
        owner.activate()
        page = owner.post(f"{owner.page}/{action}", form, follow_redirects=True).text
        assert said in page
        assert len(owner.audited(app)) == 3

    def test_a_deactivated_connection_can_be_activated_again(self, owner: Owner) -> None:
        owner.activate()
        page = owner.post(f"{owner.page}/deactivate", follow_redirects=True).text
        assert "Deactivated: everything Segment sends is refused" in page
        page = owner.post(f"{owner.page}/reactivate", follow_redirects=True).text
        assert "Waiting for the first event" in page

    def test_it_says_what_an_unsigned_batch_means(self, owner: Owner) -> None:
        owner.activate()
        assert "Segment signs only the first event of a batch" in owner.get(owner.page).text

    def test_the_other_direction_says_when_an_event_last_left_a_browser(self, owner: Owner) -> None:
        owner.activate()
        assert "None has left a browser yet." in owner.get(owner.page).text


def test_a_test_event_without_a_listening_server_says_what_to_set(settings: Callable[..., Settings]) -> None:
    app = productfruits.create_app(settings(port=1))
    try:
        owner = Owner(app)
        owner.activate()
        said = owner.post(f"{owner.page}/test", follow_redirects=True).text
    finally:
        runtime_of(app).close()
    assert "does not answer at 127.0.0.1:1" in said
    assert "PRODUCTFRUITS_PORT" in said


class TestWhatCameIn:
    @pytest.fixture
    def stories(self, owner: Owner) -> Iterator[Owner]:
        path, secret = owner.activate()
        for number, said in enumerate(
            [
                message(messageId=None, anonymousId="anon-1"),
                message(messageId=None, userId="second-id", traits={"email": "GRACE@example.com", "plan": "pro"}),
                {"type": "track", "userId": "second-id", "event": "Report Exported"},
                {"type": "track", "userId": BAIT, "event": BAIT, "properties": {BAIT: BAIT}},
                {"type": "identify", "userId": BAIT, "traits": {BAIT: BAIT, "name": BAIT}},
                {"type": "group", "userId": "u1", "groupId": BAIT, "traits": {"name": BAIT}},
            ]
        ):
            assert owner.send(path, secret, {**said, "messageId": f"story-{number}"}) == 200
        yield owner

    def test_a_user_says_who_it_is_and_why_each_event_matched(self, stories: Owner) -> None:
        listed = stories.get(f"/w/{stories.key}/users?q=grace").text
        address = re.search(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)
        assert address, listed
        page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", stories.get(address.group(1)).text))
        assert "Grace" in page
        assert "Matched by e-mail" in page
        assert "Matched by a linked id" in page
        assert "New user" in page
        assert "It came with the userId second-id" in page
        assert "Came with this user&#39;s e-mail address" in page
        assert "anonymousId anon-1" in page
        assert "plan" in page

    def test_no_page_gives_markup_of_users_back(self, stories: Owner) -> None:
        listed = stories.get(f"/w/{stories.key}/users").text
        addresses = re.findall(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)
        assert len(addresses) == 2
        for path in ("", "users", "conflicts", "settings/segment", "settings/audit"):
            assert "<script>window" not in stories.get(f"/w/{stories.key}/{path}").text
        pages = [stories.get(address).text for address in addresses]
        assert sum("&lt;script&gt;window" in page for page in pages) == 2
        assert not any("<script>window" in page or "<img src=x" in page for page in pages)

    def test_a_search_that_finds_nobody_says_so_without_markup(self, stories: Owner) -> None:
        page = stories.get(f"/w/{stories.key}/users", query_string={"q": f"zzz{BAIT}"}).text
        assert "Nobody found" in page
        assert "<img src=x" not in page

    @pytest.mark.parametrize(
        "path", ["users?after=%00", "conflicts?after=x", "users/x?after=x", "settings/audit?after=x"]
    )
    def test_a_cursor_made_up_is_no_500(self, stories: Owner, path: str) -> None:
        assert stories.get(f"/w/{stories.key}/{path}").status_code in (200, 404)

    def test_unlinking_parts_two_people(self, stories: Owner) -> None:
        listed = stories.get(f"/w/{stories.key}/users?q=grace").text
        address = re.search(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)
        assert address
        form = {"kind": "user_id", "value": "second-id"}
        said = stories.post(f"{address.group(1)}/unlink", form, follow_redirects=True).text
        assert "It is a user of its own now" in said
        assert "second-id" in stories.get(f"/w/{stories.key}/users").text

    def test_an_id_is_unlinked_only_from_the_user_it_leads_to(self, stories: Owner) -> None:
        listed = stories.get(f"/w/{stories.key}/users").text
        grace = re.search(
            rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', stories.get(f"/w/{stories.key}/users?q=grace").text
        )
        assert grace
        others = set(re.findall(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)) - {grace.group(1)}
        form = {"kind": "user_id", "value": "second-id"}
        assert [stories.post(f"{other}/unlink", form).status_code for other in others] == [404]
        assert "second-id" in stories.get(grace.group(1)).text

    def test_exporting_gives_everything_and_is_audited(self, stories: Owner, app: Flask) -> None:
        listed = stories.get(f"/w/{stories.key}/users?q=grace").text
        address = re.search(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)
        assert address
        answer = stories.post(f"{address.group(1)}/export")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.json is not None
        assert answer.json["user"]["email"] == "GRACE@example.com"
        assert len(answer.json["events"]) == 4
        assert any(entry.startswith("export.made") for entry in stories.audited(app))

    def test_erasing_needs_the_tick_and_leaves_no_trace_in_the_audit_log(self, stories: Owner, app: Flask) -> None:
        listed = stories.get(f"/w/{stories.key}/users?q=grace").text
        address = re.search(rf'href="(/w/{stories.key}/users/[0-9a-f]+)"', listed)
        assert address
        assert stories.post(f"{address.group(1)}/erase").status_code == 400
        said = stories.post(f"{address.group(1)}/erase", {"confirm": "erase"}, follow_redirects=True).text
        assert "The user is erased, with 4 events" in said
        assert stories.get(address.group(1)).status_code == 404
        assert "grace" not in json.dumps(stories.audited(app)).lower()
