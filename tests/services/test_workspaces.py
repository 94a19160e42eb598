"""Workspaces, API keys and the audit log."""

import datetime as dt
import re

import pytest
from sqlalchemy.orm import Session

from productfruits.services import api_keys, audit, workspaces
from tests.services.factories import NOW, workspace


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme", r"acme"),
        ("  Acme   Production! ", r"acme-production"),
        ("Ärzte Ödland", r"arzte-odland"),
        ("日本", r"workspace"),
        ("x" * 100, "x{32}"),
    ],
)
def test_a_key_says_which_workspace_it_is_and_cannot_be_guessed(session: Session, name: str, key: str) -> None:
    one, other = workspaces.create(session, name, NOW), workspaces.create(session, name, NOW)
    assert re.fullmatch(key + "-[a-z0-9]{8}", one.key)
    assert one.key != other.key and one.salt != other.salt
    assert workspaces.by_key(session, one.key) is one
    assert list(workspaces.every(session)) == [one, other]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_workspace_needs_a_name(session: Session, name: str) -> None:
    with pytest.raises(workspaces.InvalidName):
        workspaces.create(session, name, NOW)
    with pytest.raises(workspaces.InvalidName):
        workspaces.rename(session, workspace(session), name)


def test_an_unknown_key_is_no_workspace(session: Session) -> None:
    workspace(session)
    with pytest.raises(workspaces.NoSuchWorkspace):
        workspaces.by_key(session, "acme")


def test_an_api_key_opens_its_workspace_until_it_is_revoked(session: Session) -> None:
    mine, noise = workspace(session), workspace(session)
    api_keys.create(session, noise, "noise", NOW)
    created = api_keys.create(session, mine, "export", NOW)
    found = api_keys.verify(session, created.key, NOW)
    assert found is not None and (found.workspace_id, found.name, found.stale) == (mine.id, "export", True)
    with pytest.raises(api_keys.NoSuchApiKey):
        api_keys.revoke(session, noise.id, created.id, NOW)
    api_keys.revoke(session, mine.id, created.id, NOW)
    assert api_keys.verify(session, created.key, NOW) is None
    assert api_keys.of_workspace(session, mine.id) == []


def test_the_use_of_an_api_key_is_recorded_now_and_then(session: Session) -> None:
    created = api_keys.create(session, workspace(session), "export", NOW)
    api_keys.touch(session, created.id, NOW)
    for later, stale in ((dt.timedelta(minutes=4), False), (dt.timedelta(minutes=5), True)):
        session.expire_all()
        found = api_keys.verify(session, created.key, NOW + later)
        assert found is not None and found.stale is stale


@pytest.mark.parametrize("wrong", ["", "pfk_", "pfk_\udcff", "\0"])
def test_a_wrong_api_key_opens_nothing(session: Session, wrong: str) -> None:
    api_keys.create(session, workspace(session), "export", NOW)
    assert api_keys.verify(session, wrong, NOW) is None


def test_the_audit_log_is_read_newest_first_by_workspace(session: Session) -> None:
    mine, noise = workspace(session), workspace(session)
    for number in range(3):
        audit.record(
            session, workspace_id=mine.id, actor="cli", action="secret.rotated", now=NOW, detail={"number": number}
        )
        audit.record(session, workspace_id=noise.id, actor="cli", action="noise", now=NOW)
    first = audit.newest(session, mine.id, limit=2)
    rest = audit.newest(session, mine.id, before_id=first[-1].id)
    assert [entry.detail for entry in (*first, *rest)] == [{"number": 2}, {"number": 1}, {"number": 0}]
