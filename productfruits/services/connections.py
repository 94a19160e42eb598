"""The connection of a workspace to Segment: webhook token, shared secrets with rotation, switches, counters."""

import datetime as dt
import hashlib
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Connection, ConnectionSecret, Workspace
from productfruits.services.vault import Vault

DEFAULT_OVERLAP = dt.timedelta(hours=24)
MIN_OVERLAP = dt.timedelta(hours=1)
MAX_OVERLAP = dt.timedelta(days=7)
MAX_LIVE_SECRETS = 3


class AlreadyActive(ProductFruitsError):
    """This workspace is connected to Segment already, and its secret was shown once.

    For a new secret rotate it: productfruits segment rotate --workspace KEY
    """


class NotConnected(ProductFruitsError):
    """This workspace is not connected to Segment yet. Activate it: productfruits segment activate --workspace KEY"""


class InvalidOverlap(ProductFruitsError):
    """The old secret may go on working for 1 hour to 7 days, or 0 to end it at once (what it signed is lost)."""


class TooManySecrets(ProductFruitsError):
    """Three secrets are live already. Revoke the one that Segment no longer uses, or rotate with overlap 0."""


class NoSuchSecret(ProductFruitsError):
    """There is no such secret in this workspace, or it has ended already."""


class LastSecret(ProductFruitsError):
    """This is the only live secret: without it Segment's webhooks are refused.

    Rotate instead (overlap 0 ends the old one at once), or deactivate the connection.
    """


@dataclass(frozen=True, slots=True)
class Activated:
    """What is shown once, right after activating."""

    connection: Connection
    webhook_token: str
    webhook_secret: str = field(repr=False)
    write_key: str
    auth_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new secret, shown once, and until when the older ones go on working (None: ended at once)."""

    secret_id: int
    webhook_secret: str = field(repr=False)
    fingerprint: str
    old_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """A secret that verifies signatures now. `key`: the bytes of the HMAC key."""

    id: int
    key: bytes = field(repr=False)
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """What a way in needs to know about its sender. Plain values: safe to keep in memory and to share by threads.

    `trust` is that of the token or key by which it was found (rule 10); `secrets` only verify the webhook.
    """

    id: int
    workspace_id: int
    workspace_key: str
    active: bool
    accepts_batches: bool
    trust: Literal["server", "public"]
    secrets: tuple[LiveSecret, ...]


def activate(session: Session, workspace: Workspace, now: dt.datetime, vault: Vault) -> Activated:
    """Connect the workspace to Segment; the four values exist in clear only in this answer.

    Raises `AlreadyActive` the second time, also while deactivated: the secret of then still holds.
    """
    if (existing := of_workspace(session, workspace.id)) is not None:
        if not existing.active:
            raise AlreadyActive(
                "This workspace was connected to Segment before and is deactivated. Switch it on again with "
                "productfruits segment reactivate --workspace KEY; its URL and secret are still the same."
            )
        raise AlreadyActive()
    auth_token = _new_auth_token()
    connection = Connection(
        workspace_id=workspace.id,
        token=random.token_urlsafe(24),
        write_key="key_" + random.token_hex(16),
        auth_token_digest=key_digest(auth_token),
        active=True,
        accepts_batches=True,
        created_at=now,
    )
    session.add(connection)
    session.flush()
    secret, _ = _add_secret(session, connection, now, vault)
    return Activated(connection, connection.token, secret, connection.write_key, auth_token)


def rotate(
    session: Session, connection: Connection, now: dt.datetime, vault: Vault, overlap: dt.timedelta = DEFAULT_OVERLAP
) -> Rotated:
    """A new secret; the live ones go on verifying for `overlap`, so that nothing is lost while Segment is changed."""
    if overlap and not MIN_OVERLAP <= overlap <= MAX_OVERLAP:
        raise InvalidOverlap()
    live = live_secrets(connection, now)
    if overlap and len(live) >= MAX_LIVE_SECRETS:
        raise TooManySecrets()
    until = now + overlap
    for old in live:
        if not overlap:
            _end(old, now)
        elif old.expires_at is None or old.expires_at > until:
            old.expires_at = until
    _forget_expired(connection, now)
    secret, row = _add_secret(session, connection, now, vault)
    return Rotated(row.id, secret, row.fingerprint, until if overlap else None)


def revoke(session: Session, connection: Connection, secret_id: int, now: dt.datetime) -> ConnectionSecret:
    """End one secret now: what it signs is refused within two seconds on every process."""
    live = live_secrets(connection, now)
    chosen = next((secret for secret in live if secret.id == secret_id), None)
    if chosen is None:
        raise NoSuchSecret()
    if len(live) == 1 and connection.active:
        raise LastSecret()
    _end(chosen, now)
    session.flush()
    return chosen


def renew_auth_token(session: Session, connection: Connection) -> str:
    """A new auth token, in clear only in this answer. The old one stops working within two seconds on every process."""
    auth_token = _new_auth_token()
    connection.auth_token_digest = key_digest(auth_token)
    session.flush()
    return auth_token


def deactivate(session: Session, connection: Connection) -> None:
    """Refuse everything from now on; URL, secrets and history stay for `reactivate`. Safe to repeat."""
    connection.active = False
    session.flush()


def reactivate(session: Session, connection: Connection, now: dt.datetime) -> None:
    """Accept again what is signed with the live secrets. Safe to repeat."""
    if not live_secrets(connection, now):
        raise NotConnected(
            "No secret of this connection is live any more. Make one first: "
            "productfruits segment rotate --workspace KEY"
        )
    connection.active = True
    session.flush()


def set_accepts_batches(session: Session, connection: Connection, accepts: bool) -> None:
    """Accept or refuse arrays of messages."""
    connection.accepts_batches = accepts
    session.flush()


def set_sends_events(session: Session, connection: Connection, sends: bool) -> None:
    """Switch the other direction: adoption events of the customer's pages to Segment."""
    connection.sends_events = sends
    session.flush()


def of_workspace(session: Session, workspace_id: int) -> Connection | None:
    """The workspace's connection, or None before the first activation."""
    return session.scalar(select(Connection).where(Connection.workspace_id == workspace_id))


def required(session: Session, workspace_id: int) -> Connection:
    """The workspace's connection, or `NotConnected` with advice."""
    connection = of_workspace(session, workspace_id)
    if connection is None:
        raise NotConnected()
    return connection


def live_secrets(connection: Connection, now: dt.datetime) -> Sequence[ConnectionSecret]:
    """The secrets whose signatures are accepted at `now`, oldest first."""
    return [secret for secret in connection.secrets if secret.is_live(now)]


def by_token(session: Session, token: str, now: dt.datetime, vault: Vault) -> LiveConnection | None:
    """The connection behind a webhook URL with its live secrets in clear, or None for an unknown token.

    Raises `vault.Undecryptable` when a live secret cannot be read: that is "not now" (503), never "no secret".
    """
    found = session.execute(
        select(Connection, Workspace.key).join(Connection.workspace).where(Connection.token == token)
    ).one_or_none()
    if found is None:
        return None
    connection, workspace_key = found
    return LiveConnection(
        id=connection.id,
        workspace_id=connection.workspace_id,
        workspace_key=workspace_key,
        active=connection.active,
        accepts_batches=connection.accepts_batches,
        trust="server",
        secrets=tuple(
            LiveSecret(secret.id, vault.decrypt(secret.identity, secret.ciphertext), secret.expires_at)
            for secret in live_secrets(connection, now)
        ),
    )


def by_key(session: Session, key: str) -> LiveConnection | None:
    """The connection whose write key or auth token this is, or None. The write key is public, the token is not."""
    found = session.execute(
        select(Connection, Workspace.key)
        .join(Connection.workspace)
        .where(or_(Connection.write_key == key, Connection.auth_token_digest == key_digest(key)))
    ).one_or_none()
    if found is None:
        return None
    connection, workspace_key = found
    return LiveConnection(
        id=connection.id,
        workspace_id=connection.workspace_id,
        workspace_key=workspace_key,
        active=connection.active,
        accepts_batches=connection.accepts_batches,
        trust="public" if connection.write_key == key else "server",
        secrets=(),
    )


def key_digest(key: str) -> str:
    """The hash under which an auth token is kept."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def webhook_url(base_url: str, token: str) -> str:
    """The URL to paste into Segment."""
    return f"{base_url}/webhooks/segment/{token}"


def _new_auth_token() -> str:
    return "pfa_" + random.token_urlsafe(32)


def _add_secret(
    session: Session, connection: Connection, now: dt.datetime, vault: Vault
) -> tuple[str, ConnectionSecret]:
    # Segment uses the text as it stands as the HMAC key, so the prefix and the base64 are part of the key.
    secret = "whs_" + random.token_urlsafe(32)
    row = ConnectionSecret(
        uid=random.token_hex(16), fingerprint=hashlib.sha256(secret.encode()).hexdigest()[:8], created_at=now
    )
    row.ciphertext = vault.encrypt(row.identity, secret.encode())
    connection.secrets.append(row)
    session.flush()
    return secret, row


def _end(secret: ConnectionSecret, now: dt.datetime) -> None:
    secret.revoked_at = now
    secret.ciphertext = b""  # what never verifies again need not be readable


def _forget_expired(connection: Connection, now: dt.datetime) -> None:
    for secret in connection.secrets:
        if secret.expires_at is not None and secret.expires_at <= now:
            secret.ciphertext = b""
