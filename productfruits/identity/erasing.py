"""Rule 7: a delete erases a user, and what was said before it about the user is not listened to any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from productfruits.identity.people import Person, Placement, Sighting
from productfruits.identity.register import Register

#: Makes a salted hash of a key; the kind is "email", "user_id" or "anonymous_id".
Digest = Callable[[str, str], bytes]


@dataclass(slots=True)
class Tombstones:
    """Hashes of the keys of erased users, each with the time of the delete.

    With `suppress` such a key is never listened to again, else only what was said after the delete counts.
    """

    known: dict[bytes, int]
    digest: Digest
    suppress: bool
    new: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Mapping[bytes, int], digest: Digest, suppress: bool) -> "Tombstones":
        return cls(dict(known), digest, suppress)

    def cover(self, sighting: Sighting) -> bool:
        """Tell whether a message carries a key of an erased user and came too early, or must not come at all."""
        return any(
            at is not None and (self.suppress or sighting.at <= at)
            for at in (self.known.get(self.digest(kind, value)) for kind, value in _carried(sighting))
        )

    def cover_delete(self, sighting: Sighting, user_id: str) -> bool:
        """Tell whether a delete is older than one that was already obeyed: what is there now came after both.

        Only the id to be erased counts, and suppression does not: nothing else may keep a delete from erasing.
        """
        at = self.known.get(self.digest("user_id", user_id))
        return at is not None and sighting.at <= at

    def raise_for(self, kind: str, value: str, at: int) -> None:
        """Note that a key was erased; of two deletes the later time holds."""
        digest = self.digest(kind, value)
        known_at = self.known.get(digest)
        if known_at is None or known_at < at:
            self.known[digest] = self.new[digest] = at


def delete(register: Register, tombstones: Tombstones, sighting: Sighting) -> Placement:
    """Erase the user whom the userId leads to. A tombstone is raised even if it leads to nobody yet."""
    user_id = sighting.user_id
    if sighting.trust != "server":
        return Placement(sighting, None, "none", "rejected", "public_delete")
    if user_id is None:
        return Placement(sighting, None, "none", "no_id")
    if tombstones.cover_delete(sighting, user_id):
        return Placement(sighting, None, "none", "tombstoned")
    user = register.by_id(user_id)
    keys = _keys(user, user_id)
    for kind, value in keys:
        tombstones.raise_for(kind, value, sighting.at)
    if user is not None:
        register.erase(user)
    register.erase_loose(tuple(value for kind, value in keys if kind == "user_id"))
    return Placement(sighting, None, "none", "erased")


def _keys(user: Person | None, user_id: str) -> list[tuple[str, str]]:
    """Return every key of the user, the id of the delete first; each once, in an order that is always the same."""
    keys = {("user_id", user_id): None}
    if user is not None:
        if user.username is not None:
            keys["user_id", user.username] = None
        if user.email_key is not None:
            keys["email", user.email_key] = None
        keys |= dict.fromkeys(sorted((link.kind, link.value) for link in user.links))
    return list(keys)


def _carried(sighting: Sighting) -> list[tuple[str, str]]:
    """Return the keys that a message carries. A previous id may be either kind of id."""
    keys: list[tuple[str, str]] = []
    if sighting.user_id is not None:
        keys.append(("user_id", sighting.user_id))
    if sighting.email.key is not None:
        keys.append(("email", sighting.email.key))
    if sighting.anonymous_id is not None:
        keys.append(("anonymous_id", sighting.anonymous_id))
    if sighting.previous_id is not None:
        keys += (("user_id", sighting.previous_id), ("anonymous_id", sighting.previous_id))
    return keys
