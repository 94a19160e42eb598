"""Requests that the store cannot digest: failures are counted, and the fifth sets the request aside for the operator.

Without this one message that trips over a bug of ours would come back for four hours and then be lost.
"""

import datetime as dt
import hashlib

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import DeadLetter
from productfruits.services.locks import write_lock

#: So many failures in a row are answered "come again"; the last one is acknowledged and kept here instead.
FAILURES_TO_SET_ASIDE = 5


def record_failure(
    session: Session, workspace_id: int, body: bytes, *, source: str, reason: str, now: dt.datetime
) -> bool:
    """Count one more failure of exactly these bytes; True once they are kept here and may be acknowledged.

    `reason` names the error and where it arose, never what the body said.
    """
    write_lock(session, workspace_id)
    digest = hashlib.blake2b(body, digest_size=16).digest()
    letter = session.scalar(
        select(DeadLetter).where(DeadLetter.workspace_id == workspace_id, DeadLetter.digest == digest)
    )
    if letter is None:
        letter = DeadLetter(
            workspace_id=workspace_id, digest=digest, failures=0, body=None, source=source, first_failed_at=now
        )
        session.add(letter)
    letter.failures += 1
    letter.reason = reason
    letter.last_failed_at = now
    if letter.failures >= FAILURES_TO_SET_ASIDE:
        letter.body = body
    session.flush()
    return letter.body is not None
