"""Which messages were seen before, by hashes of their ids: one that comes again is acknowledged and changes nothing."""

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Mapping

from sqlalchemy.orm import Session

from productfruits.models import SeenMessage
from productfruits.services import bulk, lookups

#: Where ids say when they were made: those of Segment's own libraries (`ajs-next-<ms>-<uuid>`), and UUIDs of version 7.
_MILLISECONDS = re.compile(r"[a-z]+-next-([0-9]{13})-")
_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def digest(message_id: str, *, kind: bytes = b"") -> str:
    """What a messageId is kept under, or an id of another `kind`: 32 hex digits, of which 20 or all are a hash.

    It begins with the time that the id says, if it says one: what comes at the same time then lies side by side in the
    index, where a hash would have each message write a page of its own. The time decides nothing else.
    """
    found = hashlib.blake2b(message_id.encode(), digest_size=16, person=kind).hexdigest()
    if timed := _MILLISECONDS.match(message_id):
        return f"{int(timed[1]):012x}{found[12:]}"
    if timed := _UUID7.fullmatch(message_id):
        return f"{timed[1]}{timed[2]}".lower() + found[12:]
    return found


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
