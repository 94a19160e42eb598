"""Every command but `serve` and `replay`, on both databases: exact documents, exit codes, advice."""

import re
import sqlite3
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session, sessionmaker

from productfruits.cli import main
from productfruits.models import AuditEntry
from productfruits.services import admins, api_keys, audit, connections, workspaces
from productfruits.services.vault import key_id
from tests.cli.conftest import Run, document, refusal
from tests.services import factories
from tests.services.factories import NOW

PASSWORD = "a sentence for the tests"


@pytest.fixture
def acme(run: Run) -> str:
    """The key of the only workspace."""
    key: str = document(run("workspace", "create", "Acme", "--json"))["workspace"]
    return key


@pytest.fixture
def ann(acme: str, sessions: sessionmaker[Session]) -> str:
    """Our id of a user with a bit of everything."""
    with sessions.begin() as session:
        owner = workspaces.by_key(session, acme)
        user = factories.user(session, owner, "ann", "Ann@Example.com", traits={"plan": "pro", "evil": "a\x1b[2Jb\nc"})
        factories.alias(session, user, "anon-1", kind="anonymous_id")
        factories.event(session, owner, user)
        factories.member(session, user, "crew")
        factories.user(session, owner, "bob", "bob@example.com")
        return user.id


def actions(sessions: sessionmaker[Session], workspace_key: str) -> list[AuditEntry]:
    with sessions() as session:
        return list(audit.newest(session, workspaces.by_key(session, workspace_key).id))[::-1]


def test_a_workspace_is_made_and_listed(run: Run) -> None:
    assert "workspace create" in run("workspace", "list").stdout
    made = document(run("workspace", "create", "Acme  Shop", "--json"))
    assert set(made) == {"workspace", "name"} and made["name"] == "Acme Shop"
    assert document(run("workspace", "list", "--json")) == {"workspaces": [made]}
    assert made["workspace"] in run("workspace", "list").stdout
    assert "1 to 100 characters" in refusal(run("workspace", "create", " ", "--json"))


def test_segment_is_activated_once(run: Run, acme: str) -> None:
    made = document(run("segment", "activate", "--workspace", acme, "--json"))
    assert list(made) == ["webhook_url", "webhook_secret", "write_key", "auth_token"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/webhooks/segment/[\w-]{32}", made["webhook_url"])
    assert "segment rotate" in refusal(run("segment", "activate", "--workspace", acme, "--json"))


def test_an_auth_token_is_renewed(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    old = document(run("segment", "activate", "--json"))["auth_token"]
    new = document(run("segment", "renew-token", "--json"))["auth_token"]
    with sessions() as session:
        assert connections.by_key(session, old) is None
        found = connections.by_key(session, new)
    assert found is not None and (found.trust, found.workspace_key) == ("server", acme)
    assert actions(sessions, acme)[-1].action == "connection.token_renewed"


def test_the_url_is_the_public_one(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCTFRUITS_PUBLIC_URL", "https://onboarding.example.com/")
    made = document(run("segment", "activate", "--json"))
    assert made["webhook_url"].startswith("https://onboarding.example.com/webhooks/segment/")


def test_secrets_are_rotated_and_revoked(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    run("segment", "activate")
    first = document(run("segment", "rotate", "--json"))
    assert set(first) == {"webhook_secret", "fingerprint", "old_until"} and first["old_until"].endswith("Z")
    status = document(run("segment", "status", "--json"))
    assert [secret["expires_at"] is None for secret in status["secrets"]] == [False, True]
    old = str(status["secrets"][0]["id"])
    assert document(run("segment", "revoke", old, "--json"))["id"] == int(old)
    assert "no such secret" in refusal(run("segment", "revoke", old))
    assert "only live secret" in refusal(run("segment", "revoke", str(status["secrets"][1]["id"])))
    assert document(run("segment", "rotate", "--overlap-hours", "0", "--json"))["old_until"] is None
    assert len(document(run("segment", "status", "--json"))["secrets"]) == 1
    told = " ".join(str(entry.detail) for entry in actions(sessions, acme))
    assert first["fingerprint"] in told and first["webhook_secret"] not in told


def test_a_connection_is_switched_off_and_on(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    for command in ("status", "rotate", "deactivate", "reactivate"):
        assert "segment activate" in refusal(run("segment", command))
    run("segment", "activate")
    assert document(run("segment", "deactivate", "--json")) == {"active": False}
    assert document(run("segment", "status", "--json"))["active"] is False
    assert "segment reactivate" in refusal(run("segment", "activate"))
    assert document(run("segment", "reactivate", "--json")) == {"active": True}
    assert document(run("segment", "batches", "off", "--json")) == {"accepts_batches": False}
    status = document(run("segment", "status", "--json"))
    assert status["active"] is True and status["accepts_batches"] is False
    assert [entry.action for entry in actions(sessions, acme)] == [
        "workspace.created",
        "connection.activated",
        "connection.deactivated",
        "connection.reactivated",
        "connection.batches_off",
    ]


def test_which_workspace_must_be_clear(run: Run, acme: str) -> None:
    run("workspace", "create", "Second")
    assert "--workspace KEY" in refusal(run("segment", "activate"))
    assert "no such workspace" in refusal(run("segment", "activate", "--workspace", "acme"))
    assert run("segment", "activate", "--workspace", acme).exit_code == 0


def test_an_api_key_is_made_listed_and_revoked(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    made = document(run("api-key", "create", "--workspace", acme, "--json"))
    assert list(made) == ["api_key"]
    with sessions() as session:
        assert api_keys.verify(session, made["api_key"], NOW) is not None
    (listed,) = document(run("api-key", "list", "--json"))["api_keys"]
    assert listed["name"] == "cli" and made["api_key"].startswith(listed["hint"]) and len(listed["hint"]) == 8
    assert run("api-key", "revoke", str(listed["id"])).exit_code == 0
    assert "no such API key" in refusal(run("api-key", "revoke", str(listed["id"])))
    assert document(run("api-key", "list", "--json")) == {"api_keys": []}


def test_an_admin_is_made_with_a_password_from_stdin(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    assert "--password-stdin" in refusal(run("admin", "create", "ada@example.com"))
    made = run("admin", "create", "ada@example.com", "--password-stdin", "--json", given=PASSWORD + "\n")
    assert document(made) == {"email": "ada@example.com"}
    assert PASSWORD not in made.output
    with sessions() as session:
        ada = admins.required(session, "ada@example.com")
        assert [found.role for found in admins.memberships(session, ada.id)] == ["owner"]
    again = run("admin", "create", "ADA@example.com", "--password-stdin", given=PASSWORD)
    assert "admin reset" in refusal(again)
    assert "12" in refusal(run("admin", "create", "b@example.com", "--password-stdin", given="short\n"))


def test_an_admin_is_invited_and_gets_a_new_link(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    made = document(run("admin", "invite", "bea@example.com", "--role", "viewer", "--json"))
    assert made["email"] == "bea@example.com" and "/password?token=" in made["link"]
    with sessions() as session:
        bea = admins.required(session, "bea@example.com")
        assert [found.role for found in admins.memberships(session, bea.id)] == ["viewer"]
    assert document(run("admin", "reset", "bea@example.com", "--json"))["link"] != ""
    assert "no admin" in refusal(run("admin", "reset", "nobody@example.com"))
    run("admin", "create", "ada@example.com", "--password-stdin", given=PASSWORD)
    assert "already" in refusal(run("admin", "invite", "ada@example.com"))
    assert [entry.action for entry in actions(sessions, acme)][1:] == [
        "admin.invited",
        "admin.link_created",
        "admin.created",
    ]


def test_the_setup_link_is_the_same_until_it_is_used(run: Run, acme: str) -> None:
    link = document(run("setup-link", "--json"))["setup_link"]
    assert re.match(r"http://127\.0\.0\.1:\d+/setup\?token=", link)
    assert run("setup-link").stdout == link + "\n"
    run("admin", "create", "ada@example.com", "--password-stdin", given=PASSWORD)
    assert "Log in" in refusal(run("setup-link"))


def test_users_are_listed_and_found(run: Run, acme: str, ann: str) -> None:
    listed = document(run("users", "list", "--workspace", acme, "--json"))
    assert [user["username"] for user in listed["users"]] == ["ann", "bob"] and listed["next_cursor"] is None
    assert [user["id"] for user in document(run("users", "list", "--anonymous-id", "anon-1", "--json"))["users"]] == [
        ann
    ]
    first = document(run("users", "list", "--limit", "1", "--json"))
    second = document(run("users", "list", "--limit", "1", "--cursor", first["next_cursor"], "--json"))
    assert [user["username"] for user in second["users"]] == ["bob"]
    assert "next_cursor" in refusal(run("users", "list", "--cursor", "x"))
    assert run("users", "list", "--limit", "0").exit_code == 2


@pytest.mark.parametrize("who", ["ann", "ANN@example.com", "anon-1"])
def test_a_user_is_shown_by_any_id(run: Run, ann: str, who: str) -> None:
    assert document(run("users", "show", who, "--json"))["id"] == ann


def test_traits_cannot_drive_the_terminal(run: Run, ann: str) -> None:
    shown = run("users", "show", ann).stdout
    assert "\x1b" not in shown and "a\ufffd[2Jb\ufffdc" in shown
    assert "no such user" in refusal(run("users", "show", "nobody"))


def test_a_user_is_exported_and_erased(run: Run, acme: str, ann: str, sessions: sessionmaker[Session]) -> None:
    exported = document(run("users", "export", ann))
    assert exported["user"]["id"] == ann and len(exported["events"]) == 1
    erased = document(run("users", "erase", ann, "--workspace", acme, "--json"))
    assert erased == {
        "erased": {"users": 1, "aliases": 1, "events": 1, "memberships": 1, "conflicts": 0, "dead_letters": 0}
    }
    assert "no such user" in refusal(run("users", "show", ann))
    assert [user["username"] for user in document(run("users", "list", "--json"))["users"]] == ["bob"]
    entries = actions(sessions, acme)
    assert [entry.action for entry in entries][1:] == ["export.made", "user.erased"]
    assert {entry.actor for entry in entries} == {"cli"}


def test_doctor_is_content_with_a_fresh_store(run: Run, acme: str) -> None:
    found = document(run("doctor", "--json"))
    statuses = {check["check"]: check["status"] for check in found["checks"]}
    assert found["ok"] is True
    assert statuses["schema"] == statuses["keys"] == statuses["disk"] == "ok"
    assert statuses["public address"] == "warning"
    assert all(check["remedy"] for check in found["checks"] if check["status"] != "ok")


def test_doctor_names_the_missing_key(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("segment", "activate")
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=")
    result = run("doctor")
    assert result.exit_code == 1
    assert "PROBLEM  keys: Secrets in the store were encrypted with key" in result.stdout


def test_doctor_tells_wrong_settings_and_a_store_that_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    result = run("doctor")
    assert result.exit_code == 1 and "PROBLEM  store: " in result.stdout
    monkeypatch.setenv("PRODUCTFRUITS_PRT", "1")
    result = run("doctor")
    assert result.exit_code == 1 and "PROBLEM  settings: PRODUCTFRUITS_PRT is not a setting" in result.stdout


def test_doctor_makes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    assert run("doctor").exit_code == 0
    assert not (tmp_path / "new").exists() and not (tmp_path / "data").exists()


def test_a_backup_is_a_whole_store_for_its_owner_alone(
    run: Run, ann: str, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.db"
    result = run("backup", str(file), "--json")
    if database_url.startswith("postgresql"):
        assert "pg_dump" in refusal(result)
        assert not file.exists()
        return
    assert document(result)["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]
    with sqlite3.connect(file) as copy:
        assert copy.execute("SELECT count(*) FROM users").fetchone() == (2,)
    copy.close()
    assert "another name" in refusal(run("backup", str(file)))
    assert "cannot be written" in refusal(run("backup", str(tmp_path / "nowhere" / "x.db")))
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", f"sqlite:///{file}")
    assert document(run("users", "show", "ann", "--json"))["id"] == ann


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("segment", "nonsense"), ("workspace", "create"), ("users", "show"), ("replay",)]
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_a_missing_key_on_postgres_is_told_before_anything_is_done(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODUCTFRUITS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PRODUCTFRUITS_DATABASE_URL", postgres_url)
    result = CliRunner().invoke(main, ["workspace", "list"])
    assert "PRODUCTFRUITS_ENCRYPTION_KEYS" in refusal(result)
    assert list((tmp_path / "data").iterdir()) == []


def test_nothing_secret_stands_in_the_audit_log(run: Run, acme: str, sessions: sessionmaker[Session]) -> None:
    made = document(run("segment", "activate", "--json"))
    key = document(run("api-key", "create", "--json"))["api_key"]
    run("admin", "create", "ada@example.com", "--password-stdin", given=PASSWORD)
    told = " ".join(f"{entry.action} {entry.detail}" for entry in actions(sessions, acme))
    for secret in (made["webhook_secret"], made["auth_token"], key, PASSWORD):
        assert secret not in told
    with sessions() as session:
        assert connections.of_workspace(session, workspaces.by_key(session, acme).id) is not None


def test_a_key_is_changed_without_a_pause(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", old)
    run("segment", "activate")
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", f"{new},{old}")
    assert document(run("keys", "reencrypt", "--json")) == {"key": key_id(new), "secrets": 1}
    assert document(run("keys", "reencrypt", "--json"))["secrets"] == 0
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", new)
    assert document(run("keys", "status", "--json")) == {
        "keys": [{"key": key_id(new), "here": True, "newest": True, "secrets": 1}]
    }


def test_a_lost_key_is_given_up(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, new = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", lost)
    run("segment", "activate")
    monkeypatch.setenv("PRODUCTFRUITS_ENCRYPTION_KEYS", new)
    assert f"keys give-up {key_id(lost)}" in refusal(run("segment", "rotate"))
    status = run("keys", "status", "--json")
    assert f"keys give-up {key_id(lost)}" in status.stderr
    assert document(status)["keys"] == [{"key": key_id(lost), "here": False, "newest": False, "secrets": 1}]
    assert "keys status" in refusal(run("keys", "give-up", key_id(new)))
    assert document(run("keys", "give-up", key_id(lost), "--json")) == {"key": key_id(lost), "secrets": 1}
    assert document(run("segment", "status", "--json"))["secrets"] == []
    assert document(run("segment", "rotate", "--json"))["webhook_secret"].startswith("whs_")
    assert len(document(run("segment", "status", "--json"))["secrets"]) == 1
