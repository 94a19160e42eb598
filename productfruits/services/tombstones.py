"""Tombstones: salted hashes of the ids of erased users, by which late messages about them are known and dropped."""

import hashlib
from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import Tombstone, Workspace

DIGEST_BYTES = 16


def digest(salt: bytes, kind: str, value: str) -> bytes:
    """The hash under which a key ("email" with its compared form, "user_id", "anonymous_id") is remembered.

    Keyed with the workspace's salt: the hash of a known e-mail cannot be looked up in another workspace's tombstones.
    """
    return hashlib.blake2b(
        kind.encode() + b"\0" + value.encode("utf-8", "surrogatepass"), key=salt[:64], digest_size=DIGEST_BYTES
    ).digest()


def digester(session: Session, workspace_id: int) -> Callable[[str, str], bytes]:
    """`digest` with the salt of this workspace."""
    salt = session.scalars(select(Workspace.salt).where(Workspace.id == workspace_id)).one()
    return lambda kind, value: digest(salt, kind, value)


def bury(session: Session, workspace_id: int, digests: Iterable[bytes], at: int) -> None:
    """Remember the hashes with the erasure's time (microseconds); a later time replaces an earlier one.

    The caller holds the workspace's write lock.
    """
    wanted = set(digests)
    known = {
        row.digest: row
        for row in session.scalars(
            select(Tombstone).where(Tombstone.workspace_id == workspace_id, Tombstone.digest.in_(wanted))
        )
    }
    for row in known.values():
        row.at = max(row.at, at)
    session.add_all(Tombstone(workspace_id=workspace_id, digest=new, at=at) for new in wanted - set(known))
    session.flush()
