"""Tombstones: salted hashes of the ids of erased users, by which late messages about them are known and dropped."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import Tombstone, Workspace
from productfruits.services import bulk

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


def load(session: Session, workspace_id: int, salt: bytes, ids: Iterable[tuple[str, str]]) -> dict[bytes, int]:
    """The tombstones of these (kind, value) pairs: hash to the delete's time in microseconds."""
    return _times(session, workspace_id, {digest(salt, kind, value) for kind, value in ids})


def bury(session: Session, workspace_id: int, digests: Mapping[bytes, int]) -> None:
    """Remember the hashes with the erasure's time (microseconds); a later time replaces an earlier one.

    The caller holds the workspace's write lock.
    """
    if not digests:
        return
    known = _times(session, workspace_id, set(digests))
    rows = [
        {"workspace_id": workspace_id, "digest": key, "at": max(at, known.get(key, at))} for key, at in digests.items()
    ]
    bulk.insert(session, Tombstone, rows, known_by=("workspace_id", "digest"), replacing=("at",))


def _times(session: Session, workspace_id: int, digests: set[bytes]) -> dict[bytes, int]:
    bulk.settle(session)
    rows = session.execute(
        select(Tombstone.digest, Tombstone.at).where(
            Tombstone.workspace_id == workspace_id, Tombstone.digest.in_(digests)
        )
    )
    return {row.digest: row.at for row in rows}
