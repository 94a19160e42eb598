"""Secrets of the identity hash: shown once, encrypted, two at a time."""

import datetime as dt

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from productfruits.models import IdentitySecret
from productfruits.services import adoption_settings, identity_secrets, keyring, retention
from productfruits.services.vault import Undecryptable, Vault
from tests.services.factories import NOW, workspace

DAY = dt.timedelta(days=1)


@pytest.fixture
def vault() -> Vault:
    return Vault([Fernet.generate_key().decode()])


def test_a_new_secret_takes_over_while_the_old_one_goes_on(session: Session, vault: Vault) -> None:
    owner = workspace(session)
    first = identity_secrets.rotate(session, owner.id, NOW, vault)
    assert first.secret.startswith("idv_")
    assert first.old_until is None
    second = identity_secrets.rotate(session, owner.id, NOW, vault, DAY)
    assert second.old_until == NOW + DAY
    with pytest.raises(identity_secrets.TooManySecrets):
        identity_secrets.rotate(session, owner.id, NOW, vault)

    def live(at: dt.datetime) -> list[bytes]:
        return [secret.key for secret in identity_secrets.live(session, owner.id, at, vault)]

    assert live(NOW) == [first.secret.encode(), second.secret.encode()]
    assert live(NOW + DAY) == [second.secret.encode()]
    third = identity_secrets.rotate(session, owner.id, NOW, vault, dt.timedelta())
    assert live(NOW) == [third.secret.encode()]


def test_what_has_ended_is_not_readable_any_more(session: Session, vault: Vault) -> None:
    owner = workspace(session)
    made = identity_secrets.rotate(session, owner.id, NOW, vault)
    row = session.get_one(IdentitySecret, made.secret_id)
    assert made.secret.encode() not in row.ciphertext
    identity_secrets.rotate(session, owner.id, NOW, vault, DAY)
    session.flush()
    retention.prune(session, NOW + 2 * DAY, 0)
    session.refresh(row)
    assert row.ciphertext == b""
    with pytest.raises(identity_secrets.NoSuchSecret):
        identity_secrets.revoke(session, owner.id, made.secret_id, NOW + 2 * DAY)


@pytest.mark.parametrize("hours", [0.5, 24 * 31])
def test_an_overlap_has_bounds(session: Session, vault: Vault, hours: float) -> None:
    owner = workspace(session)
    with pytest.raises(identity_secrets.InvalidOverlap):
        identity_secrets.rotate(session, owner.id, NOW, vault, dt.timedelta(hours=hours))


def test_every_change_has_pages_ask_anew(session: Session, vault: Vault) -> None:
    owner = workspace(session)
    made = identity_secrets.rotate(session, owner.id, NOW, vault)
    before = adoption_settings.generation(session, owner.id)
    identity_secrets.revoke(session, owner.id, made.secret_id, NOW)
    assert adoption_settings.generation(session, owner.id) > before


def test_a_lost_key_is_not_no_secret_and_rotating_keys_takes_them_along(session: Session) -> None:
    owner = workspace(session)
    older, newer = (Fernet.generate_key().decode() for _ in range(2))
    made = identity_secrets.rotate(session, owner.id, NOW, Vault([older]))
    with pytest.raises(Undecryptable):
        identity_secrets.live(session, owner.id, NOW, Vault([newer]))

    both = Vault([newer, older])
    assert keyring.reencrypt(session, both) == 1
    [secret] = identity_secrets.live(session, owner.id, NOW, Vault([newer]))
    assert secret.key == made.secret.encode()


def test_nothing_is_enforced_without_a_secret_that_a_hash_could_be_made_with(session: Session, vault: Vault) -> None:
    owner = workspace(session)
    with pytest.raises(adoption_settings.NothingToVerifyWith):
        adoption_settings.change(session, owner.id, verification="enforced")
    made = identity_secrets.rotate(session, owner.id, NOW, vault)
    assert adoption_settings.change(session, owner.id, verification="enforced").verification == "enforced"
    with pytest.raises(identity_secrets.StillEnforced):
        identity_secrets.revoke(session, owner.id, made.secret_id, NOW)
    adoption_settings.change(session, owner.id, verification="report")
    identity_secrets.revoke(session, owner.id, made.secret_id, NOW)
    with pytest.raises(adoption_settings.NothingToVerifyWith):
        adoption_settings.change(session, owner.id, verification="enforced")


def test_what_is_enforced_already_does_not_stop_other_changes(session: Session, vault: Vault) -> None:
    owner = workspace(session)
    identity_secrets.rotate(session, owner.id, NOW, vault)
    newest = identity_secrets.rotate(session, owner.id, NOW, vault, DAY)
    adoption_settings.change(session, owner.id, verification="enforced")
    identity_secrets.revoke(session, owner.id, newest.secret_id, NOW)  # the one that is left ends in a day
    assert not adoption_settings.change(session, owner.id, verification="enforced", trusts_page=False).trusts_page
