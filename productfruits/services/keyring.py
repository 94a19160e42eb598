"""The two keys a server starts with: the session key and the encryption keys, from settings or from key files.

On an empty SQLite store they are made on the first start, so that two commands are enough to begin. Everywhere else
a missing key stops the start: a new one would make every stored secret unreadable, or differ between processes.
"""

import datetime as dt
import os
import secrets
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.config import Settings
from productfruits.errors import ProductFruitsError
from productfruits.models import (
    ConnectionSecret,
    Destination,
    DestinationSecret,
    FunctionInstance,
    IdentitySecret,
)
from productfruits.services.vault import Vault, key_id_of

ENCRYPTION_FILE = "encryption.keys"
SECRET_FILE = "secret.key"


class KeyMissing(ProductFruitsError):
    """A key that this store needs is missing, so the server does not start."""


class NothingEncrypted(ProductFruitsError):
    """No stored secret was encrypted with this key. See which keys are in use with: productfruits keys status"""


@dataclass(frozen=True, slots=True)
class Keyring:
    """What `unlock` found or made. `files` are the key files in use, `made` those that this call created."""

    secret_key: str = field(repr=False)
    vault: Vault
    files: tuple[Path, ...]
    made: tuple[Path, ...]


def unlock(settings: Settings, session: Session, *, make: bool = True) -> Keyring:
    """The keys of this server, made now if this is a SQLite store without encrypted rows and there are none.

    With `make` False nothing is ever made. Raises `KeyMissing` with the id of the key that is needed. Safe to call from
    several processes at once.
    """
    needed = set(usage(session))
    may_make = make and settings.is_sqlite and not needed
    files: list[Path] = []
    made: list[Path] = []

    encryption_keys = settings.encryption_keys
    if not encryption_keys:
        path = settings.data_dir / ENCRYPTION_FILE
        if not path.is_file():
            if not may_make:
                raise KeyMissing(_missing("PRODUCTFRUITS_ENCRYPTION_KEYS", path, needed))
            _make(path, Fernet.generate_key().decode(), made)
        encryption_keys = tuple(line.strip() for line in _read(path).splitlines() if line.strip())
        files.append(path)

    secret_key = settings.secret_key
    if not secret_key:
        path = settings.data_dir / SECRET_FILE
        if not path.is_file():
            if not may_make:
                raise KeyMissing(_missing("PRODUCTFRUITS_SECRET_KEY", path, set()))
            _make(path, secrets.token_urlsafe(48), made)
        secret_key = _read(path).strip()
        if len(secret_key) < 32:
            raise KeyMissing(f"{path} holds no session key of at least 32 characters. Restore it from a backup.")
        files.append(path)

    vault = Vault(encryption_keys)
    if lacking := needed - set(vault.key_ids):
        raise KeyMissing(
            f"Secrets in the store were encrypted with key {', '.join(sorted(lacking))}, and this server has only "
            f"{', '.join(vault.key_ids)}. Add the missing key to PRODUCTFRUITS_ENCRYPTION_KEYS, after the newest one. "
            f"If it is lost for good: productfruits keys give-up {min(lacking)}"
        )
    return Keyring(secret_key, vault, tuple(files), tuple(made))


def reencrypt(session: Session, vault: Vault) -> int:
    """Write every stored secret again with the newest key, so that older keys can go; returns how many there were."""
    count = 0
    for secret in _stored(session):
        if not vault.is_newest(secret.ciphertext):
            secret.ciphertext = vault.encrypt(secret.identity, vault.decrypt(secret.identity, secret.ciphertext))
            count += 1
    return count


def give_up(session: Session, key_id: str, now: dt.datetime) -> int:
    """End every secret that was encrypted with a lost key, so that the server starts again; returns how many.

    The connections refuse what Segment sends until a new secret is made and pasted there; destinations send nothing
    until their address is entered again; and no page can prove who its user is until your servers have a new secret
    for that.
    """
    ended = [secret for secret in _stored(session) if key_id_of(secret.ciphertext) == key_id]
    if not ended:
        raise NothingEncrypted()
    for secret in ended:
        secret.give_up(now)
    session.flush()
    return len(ended)


def usage(session: Session) -> dict[str, int]:
    """How many stored secrets each key encrypts, by key id."""
    return dict(Counter(key_id_of(secret.ciphertext) for secret in _stored(session)))


def _stored(
    session: Session,
) -> list[ConnectionSecret | Destination | DestinationSecret | FunctionInstance | IdentitySecret]:
    """Every row that holds something encrypted."""
    return [
        *session.scalars(
            select(ConnectionSecret).where(ConnectionSecret.ciphertext != b"").order_by(ConnectionSecret.id)
        ),
        *session.scalars(
            select(FunctionInstance).where(FunctionInstance.ciphertext != b"").order_by(FunctionInstance.id)
        ),
        *session.scalars(select(Destination).where(Destination.ciphertext != b"").order_by(Destination.id)),
        *session.scalars(
            select(DestinationSecret).where(DestinationSecret.ciphertext != b"").order_by(DestinationSecret.id)
        ),
        *session.scalars(select(IdentitySecret).where(IdentitySecret.ciphertext != b"").order_by(IdentitySecret.id)),
    ]


def _missing(setting: str, path: Path, needed: set[str]) -> str:
    if not needed:
        return (
            f"{setting} is not set and {path} does not exist. Restore the key from where it was kept, or make one and "
            "set it in the environment of every process."
        )
    return (
        f"{setting} is not set and {path} does not exist. The store needs key {', '.join(sorted(needed))}: restore it "
        "from where it was kept, since a new key cannot read what it wrote. If it is lost for good: productfruits keys "
        f"give-up {min(needed)}"
    )


def _make(path: Path, content: str, made: list[Path]) -> None:
    """Create the key file for the owner alone; when another process is faster, its file stands."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name and then linked: nobody ever reads half a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
            made.append(path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as err:
        raise KeyMissing(f"{path} cannot be read ({err.strerror}). Give it to the user that runs the server.") from err
