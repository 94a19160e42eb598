"""The log of refused input: bounded, in words, without bodies, secrets or signatures."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from productfruits.models import Rejection
from productfruits.services import pages
from productfruits.services.pages import Page

#: Newest refusals that are kept of one workspace.
KEPT = 200

#: Why a message by the write key, which everybody can read in the page, was not obeyed (rule 10).
NOT_TRUSTED = {
    "public_delete": "A delete came from a public sender. Only the signed webhook, the auth token and the API erase.",
    "public_alias": "A public sender tried to fold two known users into one. Send the alias from your server.",
    "public_email": "A public sender spoke of a known user by e-mail alone. Send the userId as well.",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was not taken: when, by which way in, a code, and the reason in words with what to do."""

    received_at: dt.datetime
    source: str
    reason: str
    detail: str


def record(session: Session, workspace_id: int, refused: Sequence[Refused]) -> None:
    """Add to the log and forget what is older than the newest `KEPT`."""
    if not refused:
        return
    session.execute(
        insert(Rejection),
        [
            {
                "workspace_id": workspace_id,
                "received_at": entry.received_at,
                "source": entry.source,
                "reason": entry.reason,
                "detail": entry.detail,
            }
            for entry in refused[-KEPT:]
        ],
    )
    oldest_kept = (
        select(Rejection.id)
        .where(Rejection.workspace_id == workspace_id)
        .order_by(Rejection.id.desc())
        .offset(KEPT)
        .limit(1)
        .scalar_subquery()
    )
    session.execute(delete(Rejection).where(Rejection.workspace_id == workspace_id, Rejection.id <= oldest_kept))


def page(
    session: Session, workspace_id: int, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Rejection]:
    """What was refused, newest first. Raises `pages.InvalidCursor`."""
    query = select(Rejection).where(Rejection.workspace_id == workspace_id)
    if cursor is not None:
        (last_id,) = pages.decode("rejections", cursor, tuple[int])
        query = query.where(Rejection.id < last_id)
    rows = session.scalars(query.order_by(Rejection.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda rejection: pages.encode("rejections", rejection.id))
