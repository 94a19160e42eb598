"""Bearer keys of the HTTP API: shown once, kept as a hash."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import ApiKey, Workspace

PREFIX = "pfk_"
#: "Last used" is a hint for people; writing it on every request would make each read a write.
TOUCH_EVERY = dt.timedelta(minutes=5)


class NoSuchApiKey(ProductFruitsError):
    """There is no such API key in this workspace, or it is revoked already."""


class InvalidKeyName(ProductFruitsError):
    """An API key's name has 1 to 100 characters and says what uses the key, like "nightly export"."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new key in clear, shown once."""

    id: int
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """Who a Bearer key speaks for. `stale`: its last use was recorded long enough ago to record it again."""

    id: int
    name: str
    workspace_id: int
    stale: bool


def create(session: Session, workspace: Workspace, name: str, now: dt.datetime) -> Created:
    """A new key for everything in the workspace."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100:
        raise InvalidKeyName()
    key = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(workspace_id=workspace.id, name=name, digest=_digest(key), hint=key[:8], created_at=now)
    session.add(row)
    session.flush()
    return Created(row.id, key)


def verify(session: Session, key: str, now: dt.datetime) -> Verified | None:
    """The live key, or None. Found by its hash, so the time taken says nothing about how much of a guess was right."""
    row = session.scalar(select(ApiKey).where(ApiKey.digest == _digest(key), ApiKey.revoked_at.is_(None)))
    if row is None:
        return None
    stale = row.last_used_at is None or now - row.last_used_at >= TOUCH_EVERY
    return Verified(row.id, row.name, row.workspace_id, stale)


def touch(session: Session, key_id: int, now: dt.datetime) -> None:
    """Record that the key was used."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def revoke(session: Session, workspace_id: int, key_id: int, now: dt.datetime) -> ApiKey:
    """End a key now."""
    row = session.scalar(
        select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    )
    if row is None:
        raise NoSuchApiKey()
    row.revoked_at = now
    session.flush()
    return row


def of_workspace(session: Session, workspace_id: int) -> Sequence[ApiKey]:
    """The workspace's live keys, oldest first."""
    return session.scalars(
        select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    ).all()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
