"""The audit log: who did what, when, from where. Append-only."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import AuditEntry


def record(
    session: Session,
    *,
    workspace_id: int | None,
    actor: str,
    action: str,
    now: dt.datetime,
    detail: Mapping[str, Any] | None = None,
    address: str | None = None,
) -> None:
    """Add an entry in the transaction of what it speaks about, so that neither is kept without the other.

    `actor`: the admin's e-mail, "cli", or "api key <name>". `action`: object and past verb, like "secret.rotated".
    `detail` names ids, fingerprints and switches; never a secret, never a trait or e-mail of a user.
    """
    session.add(
        AuditEntry(
            workspace_id=workspace_id,
            actor=actor,
            action=action,
            detail=dict(detail or {}),
            address=address,
            created_at=now,
        )
    )
    session.flush()


def newest(session: Session, workspace_id: int, limit: int = 100, before_id: int | None = None) -> Sequence[AuditEntry]:
    """The workspace's entries, newest first; `before_id` continues after the last one of a page."""
    query = select(AuditEntry).where(AuditEntry.workspace_id == workspace_id)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)).all()
