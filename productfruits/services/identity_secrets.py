"""The secrets of the identity hash: made, rotated, revoked, and read by whoever verifies."""

import datetime as dt
import hashlib
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import IdentitySecret
from productfruits.services import adoption_settings
from productfruits.services.vault import Vault

PREFIX = "idv_"
DEFAULT_OVERLAP = dt.timedelta(hours=24)
MIN_OVERLAP = dt.timedelta(hours=1)
MAX_OVERLAP = dt.timedelta(days=30)
MAX_LIVE_SECRETS = 2


class InvalidOverlap(ProductFruitsError):
    """The old secret may go on working for 1 hour to 30 days, or 0 to end it at once (what it signed is refused)."""


class TooManySecrets(ProductFruitsError):
    """Two secrets are live already. Revoke the one that your server no longer uses, or rotate with overlap 0."""


class NoSuchSecret(ProductFruitsError):
    """There is no such secret in this workspace, or it has ended already."""


class StillEnforced(ProductFruitsError):
    """This is the only live secret, and verification is enforced: without it no user would see anything.

    Rotate instead, or set verification to report or off first.
    """


@dataclass(frozen=True, slots=True)
class Made:
    """A new secret, shown once, and until when the older one goes on working (None: there is none)."""

    secret_id: int
    secret: str = field(repr=False)
    fingerprint: str
    old_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """A secret that verifies hashes now. `key`: the bytes of the HMAC key."""

    id: int
    key: bytes = field(repr=False)
    expires_at: dt.datetime | None

    def is_live(self, now: dt.datetime) -> bool:
        return self.expires_at is None or self.expires_at > now


def rotate(
    session: Session, workspace_id: int, now: dt.datetime, vault: Vault, overlap: dt.timedelta = DEFAULT_OVERLAP
) -> Made:
    """Make a secret, the first one or a new one; a live one goes on verifying for `overlap`."""
    if overlap and not MIN_OVERLAP <= overlap <= MAX_OVERLAP:
        raise InvalidOverlap()
    live = live_rows(session, workspace_id, now)
    if overlap and len(live) >= MAX_LIVE_SECRETS:
        raise TooManySecrets()
    until = now + overlap
    for old in live:
        if not overlap:
            _end(old, now)
        elif old.expires_at is None or old.expires_at > until:
            old.expires_at = until
    # Your server uses the text as it stands as the HMAC key, so the prefix is part of the key.
    secret = PREFIX + random.token_urlsafe(32)
    row = IdentitySecret(
        workspace_id=workspace_id,
        uid=random.token_hex(16),
        fingerprint=hashlib.sha256(secret.encode()).hexdigest()[:8],
        created_at=now,
    )
    row.ciphertext = vault.encrypt(row.identity, secret.encode())
    session.add(row)
    session.flush()
    adoption_settings.bump_generation(session, workspace_id)
    return Made(row.id, secret, row.fingerprint, until if live and overlap else None)


def revoke(session: Session, workspace_id: int, secret_id: int, now: dt.datetime) -> IdentitySecret:
    """End one secret now: what it signs is refused within two seconds on every process."""
    live = live_rows(session, workspace_id, now)
    chosen = next((row for row in live if row.id == secret_id), None)
    if chosen is None:
        raise NoSuchSecret()
    if len(live) == 1 and adoption_settings.of(session, workspace_id).verification == "enforced":
        raise StillEnforced()
    _end(chosen, now)
    session.flush()
    adoption_settings.bump_generation(session, workspace_id)
    return chosen


def live_rows(session: Session, workspace_id: int, now: dt.datetime) -> Sequence[IdentitySecret]:
    """The secrets whose hashes are accepted at `now`, oldest first."""
    rows = session.scalars(
        select(IdentitySecret)
        .where(IdentitySecret.workspace_id == workspace_id, IdentitySecret.revoked_at.is_(None))
        .order_by(IdentitySecret.id)
    )
    return [row for row in rows if row.expires_at is None or row.expires_at > now]


def live(session: Session, workspace_id: int, now: dt.datetime, vault: Vault) -> tuple[LiveSecret, ...]:
    """The same in clear. Raises `vault.Undecryptable`: that is "not now", never "no secret"."""
    return tuple(
        LiveSecret(row.id, vault.decrypt(row.identity, row.ciphertext), row.expires_at)
        for row in live_rows(session, workspace_id, now)
    )


def _end(row: IdentitySecret, now: dt.datetime) -> None:
    row.revoked_at = now
    row.ciphertext = b""  # what never verifies again need not be readable
