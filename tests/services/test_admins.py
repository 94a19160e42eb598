"""Admins, their passwords, links and sessions, on both databases."""

import datetime as dt
from collections.abc import Callable

import pytest
from pwdlib import PasswordHash
from sqlalchemy.orm import Session, sessionmaker

from productfruits.models import Admin
from productfruits.services import admins, invitations, login_throttle, one_time_links, passwords, workspaces

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
KEY = "k" * 40
BASE = "https://onboarding.example"
GOOD = "a sentence for the tests"


def later(**delta: float) -> dt.datetime:
    return NOW + dt.timedelta(**delta)


def token_of(link: str) -> str:
    return link.split("token=")[1]


@pytest.fixture
def ada(session: Session) -> Admin:
    """The first admin, owner of the workspace Acme."""
    return admins.set_up(session, "Ada@Example.com", GOOD, "Acme", NOW)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "too short"),
        ("aaaaaaaaaaaaaa", "first that anybody"),
        ("abcabcabcabcabc", "first that anybody"),
        ("Password1234", "first that anybody"),
        ("correct horse battery staple", "first that anybody"),
        ("ada@example.com", "made of your e-mail"),
        ("2718281828459045", "digits only"),
        ("x" * 10 + "long" * 300, "too long"),
    ],
)
def test_it_refuses_a_password_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(passwords.WeakPassword, match=reason):
        passwords.check(password, email="ada@example.com")


def test_it_keeps_a_password_as_argon2id_with_its_own_salt(
    real_password_hash: PasswordHash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hash", real_password_hash)
    first, second = passwords.hashed(GOOD), passwords.hashed(GOOD)
    assert first.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert first != second
    assert passwords.matches(GOOD, first)
    assert not passwords.matches(GOOD + " ", first)


def test_it_matches_nothing_against_an_account_without_a_password() -> None:
    assert not passwords.matches("the password of nobody", None)


def test_setup_makes_the_first_admin_owner_of_the_first_workspace(session: Session, ada: Admin) -> None:
    (membership,) = admins.memberships(session, ada.id)
    assert (membership.role, membership.workspace.name) == ("owner", "Acme")
    assert admins.by_email(session, " ADA@example.com ") is ada


def test_setup_works_once(session: Session, ada: Admin) -> None:
    with pytest.raises(admins.SetupDone):
        admins.set_up(session, "mallory@example.com", GOOD, "Mine", later(seconds=1))


def test_setup_takes_over_a_workspace_made_on_the_command_line(session: Session) -> None:
    workspaces.create(session, "Made before", NOW)
    session.commit()
    ada = admins.set_up(session, "ada@example.com", GOOD, None, NOW)
    assert [found.workspace.name for found in admins.memberships(session, ada.id)] == ["Made before"]


def test_it_refuses_a_second_admin_with_the_same_email_in_another_spelling(session: Session, ada: Admin) -> None:
    with pytest.raises(admins.AdminExists):
        admins.create(session, "ADA@EXAMPLE.COM", GOOD, NOW)


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.com", "ada@exa mple.com", "a\0@example.com"])
def test_it_refuses_what_is_no_email(session: Session, email: str) -> None:
    with pytest.raises(admins.InvalidEmail):
        admins.create(session, email, GOOD, NOW)


class TestLinks:
    def test_the_setup_link_is_the_same_each_time_and_signed(self) -> None:
        link = admins.setup_link(BASE, KEY)
        assert link == admins.setup_link(BASE, KEY)
        assert link.startswith(f"{BASE}/setup?token=")
        assert one_time_links.opens_setup(token_of(link), KEY)

    @pytest.mark.parametrize("token", ["", "x", "ImZpcnN0IGFkbWluIg.forged", "\udcff", "ImZpcnN0IGFkbWluIg"])
    def test_a_forged_setup_token_opens_nothing(self, token: str) -> None:
        assert not one_time_links.opens_setup(token, KEY)

    def test_a_setup_token_of_another_key_opens_nothing(self) -> None:
        assert not one_time_links.opens_setup(token_of(admins.setup_link(BASE, "other" * 10)), KEY)

    def test_a_link_for_a_password_works_until_the_password_is_chosen(self, session: Session, ada: Admin) -> None:
        token = token_of(admins.reset_link(ada, BASE, KEY, NOW))
        link = one_time_links.read(session, token, KEY, later(hours=23))
        assert (link.admin, link.purpose) == (ada, "reset")
        admins.set_password(session, ada, passwords.hashed("another good sentence"))
        with pytest.raises(one_time_links.InvalidLink):
            one_time_links.read(session, token, KEY, later(hours=23))

    def test_a_link_for_a_password_ends_after_a_day(self, session: Session, ada: Admin) -> None:
        token = token_of(admins.reset_link(ada, BASE, KEY, NOW))
        with pytest.raises(one_time_links.InvalidLink):
            one_time_links.read(session, token, KEY, later(hours=24, seconds=1))

    def test_a_setup_token_is_no_link_for_a_password(self, session: Session, ada: Admin) -> None:
        with pytest.raises(one_time_links.InvalidLink):
            one_time_links.read(session, token_of(admins.setup_link(BASE, KEY)), KEY, NOW)


class TestSessions:
    def alive(self, session: Session, ada: Admin, now: dt.datetime, seen_at: dt.datetime = NOW) -> bool:
        return (
            admins.in_session(session, admin_id=ada.id, epoch=self.epoch, started_at=NOW, seen_at=seen_at, now=now)
            is ada
        )

    @pytest.fixture(autouse=True)
    def remember_epoch(self, ada: Admin) -> None:
        self.epoch = ada.session_epoch

    def test_a_session_ends_after_twelve_idle_hours(self, session: Session, ada: Admin) -> None:
        assert self.alive(session, ada, later(hours=12))
        assert not self.alive(session, ada, later(hours=12, seconds=1))

    def test_a_session_ends_after_a_week_however_busy(self, session: Session, ada: Admin) -> None:
        assert self.alive(session, ada, later(days=7), seen_at=later(days=6, hours=23))
        assert not self.alive(session, ada, later(days=7, seconds=1), seen_at=later(days=7))

    @pytest.mark.parametrize(
        "act",
        [
            lambda session, ada: admins.set_password(session, ada, passwords.hashed("another good sentence")),
            lambda session, ada: admins.end_sessions(session, ada),
        ],
        ids=["password", "everywhere"],
    )
    def test_sessions_end_with_what_the_admin_does(
        self, session: Session, ada: Admin, act: Callable[[Session, Admin], None]
    ) -> None:
        act(session, ada)
        assert not self.alive(session, ada, NOW)

    def test_sessions_end_when_the_role_changes(self, session: Session, ada: Admin) -> None:
        (own,) = admins.memberships(session, ada.id)
        bob = admins.create(session, "bob@example.com", GOOD, NOW)
        assert admins.member(session, own.workspace_id, bob.id).role == "owner"
        admins.change_role(session, own, "viewer")
        assert not self.alive(session, ada, NOW)


class TestMembers:
    @pytest.fixture
    def workspace_id(self, session: Session, ada: Admin) -> int:
        return admins.memberships(session, ada.id)[0].workspace_id

    def invite(self, session: Session, inviter: Admin, workspace_id: int, email: str) -> invitations.Invited:
        return invitations.invite(
            session,
            email,
            inviter=inviter,
            workspace_id=workspace_id,
            role="viewer",
            base_url=BASE,
            secret_key=KEY,
            now=NOW,
        )

    def other_owner(self, session: Session) -> tuple[Admin, int]:
        other = workspaces.create(session, "Other", NOW)
        return admins.create(session, "eve@example.com", GOOD, NOW, workspace_ids=[other.id]), other.id

    def test_an_invitation_gives_the_role_and_a_link(self, session: Session, ada: Admin, workspace_id: int) -> None:
        invited = self.invite(session, ada, workspace_id, "bob@example.com")
        assert admins.member(session, workspace_id, invited.admin.id).role == "viewer"
        assert invited.link is not None
        assert one_time_links.read(session, token_of(invited.link), KEY, NOW).purpose == "invite"

    def test_an_admin_with_a_password_gets_access_and_no_link(
        self, session: Session, ada: Admin, workspace_id: int
    ) -> None:
        eve, _ = self.other_owner(session)
        assert self.invite(session, ada, workspace_id, "eve@example.com").link is None
        assert admins.member(session, workspace_id, eve.id).role == "viewer"

    def test_nobody_gets_a_link_that_opens_somebody_elses_workspace(
        self, session: Session, ada: Admin, workspace_id: int
    ) -> None:
        eve, other_id = self.other_owner(session)
        bob = self.invite(session, eve, other_id, "bob@example.com").admin
        with pytest.raises(invitations.NotYours):
            self.invite(session, ada, workspace_id, "bob@example.com")
        admins.join(session, bob, workspace_id, "viewer")
        with pytest.raises(invitations.NotYours):
            invitations.new_link(session, bob, maker=ada, base_url=BASE, secret_key=KEY, now=NOW)

    def test_the_last_owner_stays(self, session: Session, ada: Admin, workspace_id: int) -> None:
        own = admins.member(session, workspace_id, ada.id)
        with pytest.raises(admins.LastOwner):
            admins.remove(session, own)
        with pytest.raises(admins.LastOwner):
            admins.change_role(session, own, "editor")

    def test_access_that_was_taken_away_is_gone(self, session: Session, ada: Admin, workspace_id: int) -> None:
        bob = self.invite(session, ada, workspace_id, "bob@example.com").admin
        admins.remove(session, admins.member(session, workspace_id, bob.id))
        assert admins.memberships(session, bob.id) == []
        with pytest.raises(admins.NoSuchAdmin):
            admins.member(session, workspace_id, bob.id)


class TestThrottle:
    def attempts(self, sessions: sessionmaker[Session], count: int, **who: str) -> None:
        subject = {"email_key": "ada@example.com", "address": "192.0.2.1"} | who
        for _ in range(count):
            with sessions.begin() as session:
                login_throttle.count_attempt(session, **subject, now=NOW)

    def test_the_sixth_failure_pauses_the_account_from_every_address(self, sessions: sessionmaker[Session]) -> None:
        self.attempts(sessions, 5)
        with pytest.raises(login_throttle.TooManyAttempts, match="Try again in 1 minute"):
            self.attempts(sessions, 1, address="198.51.100.7")

    def test_the_pause_ends_and_doubles(self, sessions: sessionmaker[Session]) -> None:
        self.attempts(sessions, 5)
        with sessions.begin() as session:
            login_throttle.count_attempt(
                session, email_key="ada@example.com", address="192.0.2.1", now=later(seconds=31)
            )
        with sessions() as session, pytest.raises(login_throttle.TooManyAttempts) as refused:
            login_throttle.count_attempt(
                session, email_key="ada@example.com", address="192.0.2.1", now=later(seconds=32)
            )
        assert refused.value.wait_s == 59

    def test_an_address_that_tries_many_accounts_is_paused(self, sessions: sessionmaker[Session]) -> None:
        for number in range(20):
            self.attempts(sessions, 1, email_key=f"{number}@example.com")
        with pytest.raises(login_throttle.TooManyAttempts):
            self.attempts(sessions, 1, email_key="new@example.com")
        self.attempts(sessions, 1, email_key="new@example.com", address="198.51.100.7")

    def test_an_ipv6_network_counts_as_one_address(self, sessions: sessionmaker[Session]) -> None:
        for number in range(20):
            self.attempts(sessions, 1, email_key=f"{number}@example.com", address=f"2001:db8::{number:x}")
        with pytest.raises(login_throttle.TooManyAttempts):
            self.attempts(sessions, 1, email_key="new@example.com", address="2001:db8::ffff")

    def test_a_success_clears_the_account_but_not_the_address(self, sessions: sessionmaker[Session]) -> None:
        for number in range(19):
            self.attempts(sessions, 1, email_key=f"{number}@example.com")
        self.attempts(sessions, 1)
        with sessions.begin() as session:
            login_throttle.succeeded(session, email_key="ada@example.com", address="192.0.2.1")
        self.attempts(sessions, 1)
        with pytest.raises(login_throttle.TooManyAttempts):
            self.attempts(sessions, 1)
