"""The way in: setup, login, throttle, sessions, one-time links."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

import productfruits
from productfruits.config import Settings
from productfruits.models import Admin, AuditEntry
from productfruits.services import admins, passwords
from tests.web.admin_world import PASSWORD, Person, runtime_of, token_in

NOW = dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC)


def setup_address(app: Flask) -> str:
    return admins.setup_link("", str(app.secret_key))


def set_up(client: FlaskClient, address: str, **changes: str) -> TestResponse:
    form = {
        "csrf_token": token_in(client.get(address)),
        "token": address.partition("token=")[2],
        "workspace": "Acme",
        "email": "ada@example.com",
        "password": PASSWORD,
    }
    return client.post("/setup", data=form | changes)


def log_in(client: FlaskClient, email: str = "ada@example.com", password: str = PASSWORD, **more: str) -> TestResponse:
    token = token_in(client.get("/login"))
    return client.post("/login", data={"csrf_token": token, "email": email, "password": password, **more})


@pytest.fixture
def ada(app: Flask) -> Admin:
    with runtime_of(app).writing() as session:
        return admins.set_up(session, "ada@example.com", PASSWORD, "Acme", dt.datetime.now(dt.UTC))


class TestSetup:
    def test_it_makes_admin_and_workspace_and_logs_in(self, client: FlaskClient, app: Flask) -> None:
        assert set_up(client, setup_address(app)).headers["Location"] == "/"
        home = client.get("/", follow_redirects=True)
        assert home.status_code == 200
        assert "<h1>Acme</h1>" in home.text
        assert "ada@example.com" in home.text
        with runtime_of(app).reading() as session:
            assert session.scalars(select(AuditEntry.action)).all() == ["admin.first_created"]

    def test_the_link_is_dead_once_it_was_used(self, client: FlaskClient, app: Flask) -> None:
        set_up(client, setup_address(app))
        again = app.test_client().get(setup_address(app))
        assert again.status_code == 410
        assert "has its first admin already" in again.text

    def test_a_form_that_stood_open_makes_no_second_admin(self, client: FlaskClient, app: Flask) -> None:
        late = app.test_client()
        token = token_in(late.get(setup_address(app)))
        set_up(client, setup_address(app))
        form = {"csrf_token": token, "token": setup_address(app).partition("token=")[2]}
        answer = late.post("/setup", data=form | {"email": "eve@example.com", "password": PASSWORD})
        assert answer.status_code == 410
        with runtime_of(app).reading() as session:
            assert [admin.email for admin in admins.every(session)] == ["ada@example.com"]

    @pytest.mark.parametrize("address", ["/setup", "/setup?token=", "/setup?token=forged", "/setup?token=%ff"])
    def test_it_needs_the_link(self, client: FlaskClient, address: str) -> None:
        answer = client.get(address)
        assert answer.status_code == 403
        assert "productfruits setup-link" in answer.text

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"password": "short"}, "The password is too short"),
            ({"password": "password1234"}, "one of the first that anybody would try"),
            ({"email": "ada"}, "not an e-mail address"),
            ({"workspace": " "}, "A workspace needs a name"),
        ],
    )
    def test_it_says_what_is_wrong_beside_the_field(
        self, client: FlaskClient, app: Flask, changes: dict[str, str], sentence: str
    ) -> None:
        answer = set_up(client, setup_address(app), **changes)
        assert answer.status_code == 400
        assert re.search(rf'<p class="field-error" id="({"|".join(changes)})-note">[^<]*{sentence}', answer.text)
        assert PASSWORD not in answer.text
        with runtime_of(app).reading() as session:
            assert not admins.exist(session)

    def test_an_empty_server_sends_the_login_to_setup(self, client: FlaskClient) -> None:
        assert client.get("/login").headers["Location"] == "/setup"

    def test_it_refuses_a_field_that_no_page_of_ours_sends(self, client: FlaskClient, app: Flask) -> None:
        assert set_up(client, setup_address(app), is_admin="1").status_code == 400


class TestLogin:
    def test_it_leads_to_the_workspace(self, client: FlaskClient, ada: Admin) -> None:
        assert log_in(client).headers["Location"] == "/"
        assert client.get("/account").status_code == 200

    def test_it_stands_in_the_audit_log_with_the_address(self, client: FlaskClient, ada: Admin) -> None:
        log_in(client)
        workspace = client.get("/").headers["Location"]
        page = client.get(f"{workspace}settings/audit").text
        assert "Logged in" in page
        assert "127.0.0.1" in page

    def test_it_leads_back_to_the_page_that_was_asked_for(self, client: FlaskClient, ada: Admin) -> None:
        wanted = client.get("/account").headers["Location"]
        assert wanted == "/login?next=/account"
        assert log_in(client, next="/account").headers["Location"] == "/account"

    @pytest.mark.parametrize(
        "bait",
        ["https://evil.example", "//evil.example", "/\\evil.example", "/w/\\..", "javascript:alert(1)", "/logout"],
    )
    def test_it_never_leads_elsewhere(self, client: FlaskClient, ada: Admin, bait: str) -> None:
        assert log_in(client, next=bait).headers["Location"] == "/"

    def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(self, client: FlaskClient, ada: Admin) -> None:
        answers = [log_in(client, email, "wrong") for email in ("ada@example.com", "eve@example.com")]
        assert [answer.status_code for answer in answers] == [400, 400]
        said = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
        assert said[0] == said[1]
        assert "E-mail and password do not fit" in said[0]

    def test_an_unknown_account_costs_the_same_work(
        self, client: FlaskClient, ada: Admin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[str | None] = []
        real = passwords._hash.verify

        def verify(password: str, kept: str) -> bool:
            compared.append(kept)
            return real(password, kept)

        monkeypatch.setattr(passwords._hash, "verify", verify)
        log_in(client, "eve@example.com")
        log_in(client, "ada@example.com", "wrong")
        assert len(compared) == 2

    def test_the_sixth_guess_has_to_wait(self, client: FlaskClient, ada: Admin) -> None:
        for _ in range(5):
            assert log_in(client, password="wrong").status_code == 400
        blocked = log_in(client)
        assert blocked.status_code == 429
        assert "Try again in 1 minute" in blocked.text
        assert int(blocked.headers["Retry-After"]) <= 30
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=31), tick=False):
            assert log_in(client).status_code == 303

    def test_what_was_in_the_session_before_is_thrown_away(self, client: FlaskClient, ada: Admin) -> None:
        token_in(client.get("/login"))
        with client.session_transaction() as cookie:
            planted = cookie["csrf_token"]
            cookie["planted"] = "x"
        log_in(client)
        with client.session_transaction() as cookie:
            assert "planted" not in cookie
            assert cookie.get("csrf_token") != planted

    def test_logging_out_ends_the_session(self, client: FlaskClient, ada: Admin) -> None:
        log_in(client)
        client.post("/logout", data={"csrf_token": token_in(client.get("/account"))})
        assert client.get("/account").status_code == 303


class TestSession:
    def test_it_ends_after_twelve_hours_without_a_click(self, client: FlaskClient, ada: Admin) -> None:
        with time_machine.travel(NOW, tick=False) as clock:
            log_in(client)
            clock.shift(dt.timedelta(hours=11))
            assert client.get("/account").status_code == 200
            clock.shift(dt.timedelta(hours=11))
            assert client.get("/account").status_code == 200
            clock.shift(dt.timedelta(hours=12, seconds=1))
            assert client.get("/account").status_code == 303

    def test_it_ends_after_a_week(self, client: FlaskClient, ada: Admin) -> None:
        with time_machine.travel(NOW, tick=False) as clock:
            log_in(client)
            for _ in range(14):
                assert client.get("/account").status_code == 200
                clock.shift(dt.timedelta(hours=12))
            clock.shift(dt.timedelta(seconds=1))
            assert client.get("/account").status_code == 303

    def test_a_page_that_polls_does_not_keep_it_alive(self, client: FlaskClient, ada: Admin, app: Flask) -> None:
        with time_machine.travel(NOW, tick=False) as clock:
            log_in(client)
            address = client.get("/").headers["Location"] + "settings/segment/live"
            for _ in range(12):
                clock.shift(dt.timedelta(hours=1))
                assert client.get(address).status_code == 204
            clock.shift(dt.timedelta(seconds=1))
            assert client.get(address).status_code == 401

    def test_a_new_password_ends_the_other_sessions_and_not_this_one(
        self, client: FlaskClient, ada: Admin, app: Flask
    ) -> None:
        other = Person(app.test_client(), ada)
        log_in(client)
        form = {"current": PASSWORD, "password": "another good sentence"}
        client.post("/account/password", data={"csrf_token": token_in(client.get("/account")), **form})
        assert client.get("/account").status_code == 200
        assert other.get("/account").status_code == 303
        assert log_in(app.test_client()).status_code == 400
        assert log_in(app.test_client(), password="another good sentence").status_code == 303

    def test_a_new_password_needs_the_current_one(self, client: FlaskClient, ada: Admin) -> None:
        log_in(client)
        form = {"current": "a guess that is wrong", "password": "another good sentence"}
        answer = client.post("/account/password", data={"csrf_token": token_in(client.get("/account")), **form})
        assert answer.status_code == 400
        assert "not your current password" in answer.text

    def test_logging_out_everywhere_ends_all_sessions(self, client: FlaskClient, ada: Admin, app: Flask) -> None:
        other = Person(app.test_client(), ada)
        log_in(client)
        client.post("/account/sessions/end", data={"csrf_token": token_in(client.get("/account"))})
        assert client.get("/account").status_code == 303
        assert other.get("/account").status_code == 303

    @pytest.mark.parametrize(
        "cookie", [{"admin": "1"}, {"admin": 1}, {"admin": True, "epoch": None}, {"admin": 10**30, "epoch": 0}]
    )
    def test_a_cookie_that_says_half_logs_nobody_in(
        self, client: FlaskClient, ada: Admin, cookie: dict[str, object]
    ) -> None:
        with client.session_transaction() as session:
            session.update(cookie)
        assert client.get("/account").status_code == 303

    @pytest.mark.parametrize(
        ("public_url", "name", "secure"),
        [("https://onboarding.example", "__Host-productfruits", True), (None, "productfruits", False)],
    )
    def test_the_cookie_is_as_strict_as_the_address_allows(
        self, settings: Callable[..., Settings], public_url: str | None, name: str, secure: bool
    ) -> None:
        app = productfruits.create_app(settings(public_url=public_url))
        try:
            answer = app.test_client().get(setup_address(app), base_url=public_url)
        finally:
            runtime_of(app).close()
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{name}=")
        attributes = {part.strip() for part in cookie.split(";")[1:]}
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= attributes
        assert ("Secure" in attributes) is secure
        assert not any(part.startswith("Domain") for part in attributes)
        assert ("Strict-Transport-Security" in answer.headers) is secure


class TestOneTimeLinks:
    def invite(self, app: Flask, ada: Admin) -> str:
        owner = Person(app.test_client(), ada)
        key = owner.get("/").headers["Location"]
        page = owner.post(f"{key}settings/admins/invite", {"email": "bob@example.com", "role": "editor"})
        found = re.search(r'value="http://127.0.0.1:8000(/password\?token=[^"]+)"', page.text)
        assert found, page.text
        return found.group(1)

    def choose(self, client: FlaskClient, address: str, password: str = "bob has a fine sentence") -> TestResponse:
        form = {"csrf_token": token_in(client.get(address)), "token": address.partition("token=")[2]}
        return client.post("/password", data={**form, "password": password})

    def test_an_invited_admin_chooses_a_password_and_is_in(self, app: Flask, ada: Admin, client: FlaskClient) -> None:
        address = self.invite(app, ada)
        assert self.choose(client, address).status_code == 303
        page = client.get("/", follow_redirects=True)
        assert "bob@example.com" in page.text
        assert "<h1>Acme</h1>" in page.text

    def test_the_link_works_once(self, app: Flask, ada: Admin, client: FlaskClient) -> None:
        address = self.invite(app, ada)
        late = app.test_client()
        token = token_in(late.get(address))
        self.choose(client, address)
        form = {"csrf_token": token, "token": address.partition("token=")[2], "password": "a sentence of a thief"}
        assert late.post("/password", data=form).status_code == 410
        assert late.get(address).status_code == 410
        assert log_in(app.test_client(), "bob@example.com", "bob has a fine sentence").status_code == 303

    def test_the_link_ends_after_a_day(self, app: Flask, ada: Admin, client: FlaskClient) -> None:
        address = self.invite(app, ada)
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=25), tick=False):
            answer = client.get(address)
        assert answer.status_code == 410
        assert "productfruits admin reset EMAIL" in answer.text

    def test_a_weak_password_leaves_the_link_alive(self, app: Flask, ada: Admin, client: FlaskClient) -> None:
        address = self.invite(app, ada)
        assert self.choose(client, address, "short").status_code == 400
        assert self.choose(client, address).status_code == 303

    def test_an_invited_admin_without_a_password_cannot_log_in(
        self, app: Flask, ada: Admin, client: FlaskClient
    ) -> None:
        self.invite(app, ada)
        assert log_in(client, "bob@example.com", "the password of nobody").status_code == 400
