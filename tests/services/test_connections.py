"""Connections: activating, rotating, revoking, and what the webhook gets to know."""

import datetime as dt
import re

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from productfruits.models import Connection
from productfruits.services import connections
from productfruits.services.vault import Undecryptable, Vault
from tests.services.factories import NOW, workspace

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def vault() -> Vault:
    return Vault([Fernet.generate_key().decode()])


@pytest.fixture
def active(session: Session, vault: Vault) -> connections.Activated:
    connections.activate(session, workspace(session, "Noise"), NOW, vault)
    return connections.activate(session, workspace(session), NOW, vault)


def live(session: Session, vault: Vault, connection: Connection, now: dt.datetime) -> list[bytes]:
    found = connections.by_token(session, connection.token, now, vault)
    assert found is not None
    return [secret.key for secret in found.secrets]


def test_it_shows_four_values_once_and_verifies_with_the_secret(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    assert re.fullmatch(r"whs_[\w-]{43}", active.webhook_secret)
    assert len({active.webhook_token, active.webhook_secret, active.write_key, active.auth_token}) == 4
    found = connections.by_token(session, active.webhook_token, NOW, vault)
    assert found is not None
    assert found.active and found.accepts_batches
    assert [secret.key for secret in found.secrets] == [active.webhook_secret.encode()]


def test_it_never_prints_a_secret_by_accident(session: Session, vault: Vault, active: connections.Activated) -> None:
    rotated = connections.rotate(session, active.connection, NOW, vault)
    found = connections.by_token(session, active.webhook_token, NOW, vault)
    for value in (active, rotated, found):
        assert active.webhook_secret not in repr(value)
        assert active.auth_token not in repr(value)
        assert rotated.webhook_secret not in repr(value)


def test_it_keeps_no_secret_in_clear(session: Session, active: connections.Activated) -> None:
    (secret,) = active.connection.secrets
    assert active.webhook_secret.encode() not in secret.ciphertext
    assert secret.fingerprint not in active.webhook_secret
    assert active.auth_token not in active.connection.auth_token_digest


@pytest.mark.parametrize("active_now", [True, False])
def test_it_refuses_to_activate_twice(
    session: Session, vault: Vault, active: connections.Activated, active_now: bool
) -> None:
    active.connection.active = active_now
    with pytest.raises(connections.AlreadyActive, match="rotate" if active_now else "reactivate"):
        connections.activate(session, active.connection.workspace, NOW, vault)


def test_it_knows_no_other_token(session: Session, vault: Vault, active: connections.Activated) -> None:
    assert connections.by_token(session, active.webhook_token[:-1], NOW, vault) is None


@pytest.mark.parametrize(
    ("overlap", "after", "old_works"),
    [
        (24 * HOUR, 24 * HOUR - dt.timedelta(seconds=1), True),
        (24 * HOUR, 24 * HOUR, False),
        (HOUR, HOUR, False),
        (0 * HOUR, 0 * HOUR, False),
        (168 * HOUR, 167 * HOUR, True),
    ],
)
def test_an_old_secret_works_until_the_overlap_ends(
    session: Session,
    vault: Vault,
    active: connections.Activated,
    overlap: dt.timedelta,
    after: dt.timedelta,
    old_works: bool,
) -> None:
    new = connections.rotate(session, active.connection, NOW, vault, overlap)
    works = live(session, vault, active.connection, NOW + after)
    assert (active.webhook_secret.encode() in works) is old_works
    assert new.webhook_secret.encode() in works


@pytest.mark.parametrize("overlap", [dt.timedelta(minutes=59), dt.timedelta(days=7, seconds=1), -HOUR])
def test_it_refuses_an_overlap_that_loses_events_or_never_ends(
    session: Session, vault: Vault, active: connections.Activated, overlap: dt.timedelta
) -> None:
    with pytest.raises(connections.InvalidOverlap):
        connections.rotate(session, active.connection, NOW, vault, overlap)


def test_at_most_three_secrets_are_live(session: Session, vault: Vault, active: connections.Activated) -> None:
    for _ in range(2):
        connections.rotate(session, active.connection, NOW, vault)
    assert len(live(session, vault, active.connection, NOW)) == 3
    with pytest.raises(connections.TooManySecrets):
        connections.rotate(session, active.connection, NOW, vault)
    emergency = connections.rotate(session, active.connection, NOW, vault, dt.timedelta(0))
    assert live(session, vault, active.connection, NOW) == [emergency.webhook_secret.encode()]


def test_a_second_rotation_does_not_prolong_the_first_secret(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    connections.rotate(session, active.connection, NOW, vault, HOUR)
    connections.rotate(session, active.connection, NOW, vault, 24 * HOUR)
    assert active.webhook_secret.encode() not in live(session, vault, active.connection, NOW + HOUR)


def test_a_revoked_secret_is_gone_at_once_and_unreadable(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    old = active.connection.secrets[0]
    connections.rotate(session, active.connection, NOW, vault)
    connections.revoke(session, active.connection, old.id, NOW)
    assert active.webhook_secret.encode() not in live(session, vault, active.connection, NOW)
    assert old.ciphertext == b""
    with pytest.raises(connections.NoSuchSecret):
        connections.revoke(session, active.connection, old.id, NOW)


def test_the_last_live_secret_goes_only_from_a_deactivated_connection(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    (only,) = active.connection.secrets
    with pytest.raises(connections.LastSecret, match="Rotate"):
        connections.revoke(session, active.connection, only.id, NOW)
    connections.deactivate(session, active.connection)
    connections.revoke(session, active.connection, only.id, NOW)
    with pytest.raises(connections.NotConnected, match="rotate"):
        connections.reactivate(session, active.connection, NOW)


def test_it_does_not_revoke_a_secret_of_another_workspace(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    other = connections.activate(session, workspace(session), NOW, vault)
    connections.rotate(session, other.connection, NOW, vault)
    with pytest.raises(connections.NoSuchSecret):
        connections.revoke(session, active.connection, other.connection.secrets[0].id, NOW)


def test_deactivating_and_reactivating_keep_url_and_secret(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    connections.deactivate(session, active.connection)
    found = connections.by_token(session, active.webhook_token, NOW, vault)
    assert found is not None and not found.active
    connections.reactivate(session, active.connection, NOW)
    found = connections.by_token(session, active.webhook_token, NOW, vault)
    assert found is not None and found.active
    assert [secret.key for secret in found.secrets] == [active.webhook_secret.encode()]


def test_it_refuses_arrays_when_told_so(session: Session, vault: Vault, active: connections.Activated) -> None:
    connections.set_accepts_batches(session, active.connection, False)
    found = connections.by_token(session, active.webhook_token, NOW, vault)
    assert found is not None and not found.accepts_batches


def test_an_unreadable_secret_is_an_error_and_not_no_secret(
    session: Session, vault: Vault, active: connections.Activated
) -> None:
    with pytest.raises(Undecryptable):
        connections.by_token(session, active.webhook_token, NOW, Vault([Fernet.generate_key().decode()]))


def test_swapped_rows_are_noticed(session: Session, vault: Vault, active: connections.Activated) -> None:
    other = connections.activate(session, workspace(session), NOW, vault)
    active.connection.secrets[0].ciphertext = other.connection.secrets[0].ciphertext
    session.flush()
    with pytest.raises(Undecryptable, match="another row"):
        connections.by_token(session, active.webhook_token, NOW, vault)
