"""Which messages were seen before, by hashes of their ids: one that comes again is acknowledged and changes nothing."""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping

from sqlalchemy.orm import Session

from productfruits.models import SeenMessage
from productfruits.services import bulk, lookups


def digest(message_id: str) -> str:
    """The hash under which a messageId is kept."""
    return hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()


def question(session: Session, workspace_id: int, digests: Collection[str]) -> lookups.Question:
    """Asks which of the digests (each a `digest`) the workspace has seen."""
    return lookups.by_keys(session, (SeenMessage.digest,), SeenMessage.digest, workspace_id, digests)


def insert(session: Session, workspace_id: int, seen: Mapping[str, bool], now: dt.datetime) -> None:
    """Keep the digests; those of deletes (True) for ever."""
    # In the order of the index, so that neighbours meet a page that is still at hand.
    bulk.insert(
        session,
        SeenMessage,
        [
            {"workspace_id": workspace_id, "digest": each, "seen_at": None if for_ever else now}
            for each, for_ever in sorted(seen.items())
        ],
        # Nobody can know the id of an event that the server writes, but somebody could have guessed it.
        known_by=("workspace_id", "digest"),
    )
