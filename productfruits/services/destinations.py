"""Destinations of a workspace: where to, what, signed with which secret; switched on and off."""

import datetime as dt
import hashlib
import re
import secrets as random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Destination, DestinationSecret
from productfruits.outgoing import schemas, signature
from productfruits.outgoing.urls import BadRequest, read_target
from productfruits.services import audiences
from productfruits.services.documents import Document, instant
from productfruits.services.vault import Vault

MAX_DESTINATIONS = 1_000
#: The kind of those through which functions are given their events.
OF_FUNCTIONS = "function"
OVERLAP = dt.timedelta(hours=24)
MAX_LIVE_SECRETS = 3


class NoSuchDestination(ProductFruitsError):
    """There is no such destination in this workspace."""


class KeyTaken(ProductFruitsError):
    """Another destination of this workspace has this key. Choose another one, or change that destination."""


class TooManyDestinations(ProductFruitsError):
    """This workspace has 1,000 destinations, which is the limit. Delete some that are no longer needed."""


class TooManySigningSecrets(ProductFruitsError):
    """Three secrets sign already. Wait until the oldest ends, or rotate without overlap to end them all now."""


class SecretNeeded(ProductFruitsError):
    """A header or the write key was left empty, and there is none to keep: give its value."""


class UnknownAudience(ProductFruitsError):
    """The filter names an audience that is not in this workspace."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(
            f"The filter names audiences that are not in this workspace: {', '.join(keys)}. Make them first, or "
            "correct the keys."
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a destination leads, in clear. Each part may be a secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    write_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A new destination, or a new secret of one. The secret exists in clear only in this answer."""

    destination: Destination
    secret: str = field(repr=False)
    fingerprint: str
    #: Until when the older secrets sign as well; None where there is none.
    old_until: dt.datetime | None = None


def create(session: Session, workspace_id: int, shape: Mapping[str, Any], now: dt.datetime, vault: Vault) -> Made:
    """A new destination from what `schemas.DestinationShape` loaded.

    Raises `KeyTaken`, `SecretNeeded` or `UnknownAudience`.
    """
    taken = set(session.scalars(select(Destination.key).where(Destination.workspace_id == workspace_id)))
    if len(taken) >= MAX_DESTINATIONS:
        raise TooManyDestinations()
    key = shape.get("key") or _free_key(shape["name"], taken)
    if key in taken:
        raise KeyTaken()
    destination = Destination(
        workspace_id=workspace_id, key=key, uid=random.token_hex(12), created_at=now, leased_until=now, unanswered=0
    )
    _check_audiences(session, workspace_id, shape)
    _fill(destination, shape, Endpoint("", {}, None), vault)
    session.add(destination)
    session.flush()
    secret, row = _add_secret(session, destination, now, vault)
    return Made(destination, secret, row.fingerprint)


def change(session: Session, destination: Destination, shape: Mapping[str, Any], vault: Vault) -> None:
    """Make it what `schemas.DestinationShape` loaded. The key stays; null for a header or the write key keeps those."""
    was_on = destination.enabled
    _check_audiences(session, destination.workspace_id, shape)
    _fill(destination, shape, endpoint(destination, vault), vault)
    if destination.enabled and not was_on:
        _begin_anew(destination)
    # What was failing may be repaired by this, so it need not rest any longer.
    destination.rests_until, destination.unanswered = None, 0
    session.flush()


def switch(session: Session, destination: Destination, on: bool) -> None:
    """Send again, or stop sending; what waits goes on waiting. Safe to repeat."""
    if on and not destination.enabled:
        _begin_anew(destination)
    destination.enabled = on
    session.flush()


def delete(session: Session, destination: Destination) -> None:
    """Remove it with its secrets, what waits for it, and its log."""
    session.delete(destination)
    session.flush()


def by_key(session: Session, workspace_id: int, key: str) -> Destination:
    """The destination, or `NoSuchDestination`."""
    found = find(session, workspace_id, key)
    if found is None:
        raise NoSuchDestination()
    return found


def find(session: Session, workspace_id: int, key: str) -> Destination | None:
    """The destination, or None."""
    if "\0" in key:
        return None
    query = select(Destination).where(Destination.workspace_id == workspace_id, Destination.key == key)
    return session.scalar(query.where(Destination.kind != OF_FUNCTIONS))


def of_workspace(session: Session, workspace_id: int) -> Sequence[Destination]:
    """All destinations, by name; those of functions are shown with their functions."""
    query = select(Destination).where(Destination.workspace_id == workspace_id, Destination.kind != OF_FUNCTIONS)
    return session.scalars(query.order_by(func.lower(Destination.name), Destination.id)).all()


def stopped(session: Session, workspace_id: int) -> int:
    """How many this server has switched off itself."""
    query = select(func.count()).where(Destination.workspace_id == workspace_id, Destination.stopped_at.is_not(None))
    return session.scalar(query.where(Destination.kind != OF_FUNCTIONS)) or 0


def rotate(session: Session, destination: Destination, now: dt.datetime, vault: Vault, *, overlap: bool = True) -> Made:
    """A new secret. With `overlap` the others sign as well for a day, so that the receiver can change over."""
    live = live_secrets(destination, now)
    if overlap and len(live) >= MAX_LIVE_SECRETS:
        raise TooManySigningSecrets()
    until = now + OVERLAP if overlap else now
    for old in destination.secrets:
        if old.expires_at is None or old.expires_at > until:
            old.expires_at = until
        if old.expires_at <= now:
            old.ciphertext = b""  # what never signs again need not be readable
    secret, row = _add_secret(session, destination, now, vault)
    return Made(destination, secret, row.fingerprint, until if overlap else None)


def live_secrets(destination: Destination, now: dt.datetime) -> Sequence[DestinationSecret]:
    """The secrets that sign at `now`, newest first."""
    return [secret for secret in reversed(destination.secrets) if secret.is_live(now)]


def endpoint(destination: Destination, vault: Vault) -> Endpoint:
    """Where it leads, in clear. Raises `vault.Undecryptable`."""
    if not destination.ciphertext:  # given up with a lost key
        return Endpoint("", {}, None)
    stored = msgspec.json.decode(vault.decrypt(destination.identity, destination.ciphertext))
    return Endpoint(stored["url"], stored["headers"], stored["write_key"])


def document(destination: Destination, where: Endpoint) -> Document:
    """The public document: what can be sent back to the API or kept in a file, and how it stands."""
    return {
        **definition(destination, where),
        "status": status(destination),
        "failing_since": instant(destination.failing_since),
        "last_delivered_at": instant(destination.last_delivered_at),
        "created_at": instant(destination.created_at),
    }


def definition(destination: Destination, where: Endpoint) -> Document:
    """What `schemas.DestinationShape` reads; header values and the write key are left out as null, which keeps them."""
    defined = {
        "key": destination.key,
        "name": destination.name,
        "kind": destination.kind,
        "enabled": destination.enabled,
        "url": where.url,
        "method": destination.method,
        "headers": dict.fromkeys(where.headers),
        "filter": destination.filter,
        "body": destination.body,
    }
    return {**defined, "write_key": None} if destination.kind == "segment" else defined


def status(destination: Destination) -> str:
    """on, failing, off, or stopped (by this server)."""
    if destination.stopped_at is not None:
        return "stopped"
    if not destination.enabled:
        return "off"
    return "failing" if destination.failing_since is not None else "on"


def _fill(destination: Destination, shape: Mapping[str, Any], former: Endpoint, vault: Vault) -> None:
    headers = {}
    for name, value in shape["headers"].items():
        kept = {old.lower(): text for old, text in former.headers.items()}.get(name.lower())
        headers[name] = value if value is not None else kept
    write_key = shape.get("write_key") or former.write_key if shape["kind"] == "segment" else None
    if None in headers.values() or (shape["kind"] == "segment" and not write_key):
        raise SecretNeeded()
    destination.name = shape["name"]
    destination.kind = shape["kind"]
    destination.enabled = shape["enabled"]
    destination.method = shape["method"]
    destination.address = _address(shape["url"])
    destination.filter = dict(shape["filter"])
    destination.body = schemas.stored_body(shape["body"])
    destination.ciphertext = vault.encrypt(
        destination.identity,
        msgspec.json.encode({"url": shape["url"], "headers": headers, "write_key": write_key}),
    )


def _check_audiences(session: Session, workspace_id: int, shape: Mapping[str, Any]) -> None:
    if missing := audiences.missing(session, workspace_id, shape["filter"]["audiences"]):
        raise UnknownAudience(missing)


def _address(url: str) -> str:
    """What of the URL may be shown."""
    try:
        target = read_target(url)
    except BadRequest:
        return "decided for each event"
    return f"{target.scheme}://{target.authority}"


def _begin_anew(destination: Destination) -> None:
    destination.stopped_at = destination.stopped_because = None
    destination.failing_since = destination.rests_until = None
    destination.unanswered = 0


def _add_secret(
    session: Session, destination: Destination, now: dt.datetime, vault: Vault
) -> tuple[str, DestinationSecret]:
    secret = signature.new_secret()
    row = DestinationSecret(
        workspace_id=destination.workspace_id,
        uid=random.token_hex(16),
        fingerprint=hashlib.sha256(secret.encode()).hexdigest()[:8],
        created_at=now,
    )
    row.ciphertext = vault.encrypt(row.identity, secret.encode())
    destination.secrets.append(row)
    session.flush()
    return secret, row


def _free_key(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain)[:48].strip("-") or "destination"
    taken = taken | {*schemas.RESERVED_KEYS}
    if key not in taken:
        return key
    return next(f"{key}-{number}" for number in range(2, MAX_DESTINATIONS + 2) if f"{key}-{number}" not in taken)
