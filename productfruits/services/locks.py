"""The one lock of a workspace: everything that reads users in order to write them takes it first.

Without it two writers interleave their read and their write, and one loses traits while both answer 200.
"""

import hashlib

from sqlalchemy.orm import Session

from productfruits.database import begin_immediate

LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"


def write_lock(session: Session, workspace_id: int) -> None:
    """Hold the workspace until the transaction ends. Call it before the transaction's first read.

    SQLite: the store's write lock, at once. Postgres: an advisory lock, waited for at most lock_timeout.
    """
    begin_immediate(session)
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql(LOCK, {"key": _lock_key(workspace_id)})


def _lock_key(workspace_id: int) -> int:
    """A signed 64-bit number of our own range: advisory locks are shared with whatever else uses the database."""
    digest = hashlib.blake2b(f"productfruits workspace {workspace_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
