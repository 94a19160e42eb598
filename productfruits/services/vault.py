"""Secrets at rest: Segment's shared secrets must be readable to verify signatures, so they are encrypted, not hashed.

A stored value is the id of its key, a colon, and a Fernet token (https://github.com/fernet/spec). Inside the token
stands the identity of the row before the secret, so that nobody who can write to the store can swap two rows.
"""

import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken

from productfruits.errors import ProductFruitsError


class Undecryptable(ProductFruitsError):
    """A stored secret cannot be read with the encryption keys of this server.

    Put the key it was written with back into PRODUCTFRUITS_ENCRYPTION_KEYS (or the key file) and start again.
    """


class InvalidKey(ProductFruitsError):
    """An encryption key is not a Fernet key (32 bytes as URL-safe base64).

    Make one with: python3 -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"
    """


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    fernet: Fernet


class Vault:
    """Encrypts with the newest key and reads what any of its keys has written."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: Fernet keys, newest first; at least one."""
        if not keys:
            raise InvalidKey()
        self._keys = tuple(_read_key(key) for key in keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The fingerprints of the keys, newest first. Public: they name a key without helping to guess it."""
        return tuple(key.id for key in self._keys)

    def encrypt(self, identity: str, secret: bytes) -> bytes:
        """`secret` under the newest key, bound to the row that `identity` names."""
        newest = self._keys[0]
        return newest.id.encode() + b":" + newest.fernet.encrypt(identity.encode() + b"\0" + secret)

    def decrypt(self, identity: str, stored: bytes) -> bytes:
        """The secret of the row that `identity` names, or `Undecryptable`."""
        written_with, _, token = stored.partition(b":")
        for key in self._keys:
            if key.id.encode() == written_with:
                try:
                    owner, _, secret = key.fernet.decrypt(token).partition(b"\0")
                except InvalidToken as err:
                    raise Undecryptable() from err
                if owner != identity.encode():
                    raise Undecryptable("A stored secret belongs to another row: the store was tampered with.")
                return secret
        raise Undecryptable()

    def is_newest(self, stored: bytes) -> bool:
        """True when `stored` was written with the newest key, so that rotating the keys may leave it alone."""
        return key_id_of(stored) == self._keys[0].id


def key_id(key: str) -> str:
    """The fingerprint of a key: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(key.strip().encode()).hexdigest()[:8]


def key_id_of(stored: bytes) -> str:
    """The id of the key that a stored value was written with."""
    return stored.partition(b":")[0].decode("ascii", "replace")


def _read_key(key: str) -> _Key:
    try:
        return _Key(key_id(key), Fernet(key.strip().encode()))
    except (ValueError, binascii.Error) as err:
        raise InvalidKey() from err
