"""Workspaces: one for each application of a customer."""

import datetime as dt
import re
import secrets
import unicodedata
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.models import Workspace

NAME_MAX = 100
#: No vowels and no look-alikes: keys are read out, and must not spell words.
SUFFIX_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


class InvalidName(ProductFruitsError):
    """A workspace needs a name of 1 to 100 characters, like "Acme production"."""


class NoSuchWorkspace(ProductFruitsError):
    """There is no such workspace. List them with: productfruits workspace list"""


def create(session: Session, name: str, now: dt.datetime) -> Workspace:
    """A new workspace. Its key is made from the name and a random end, so that it cannot be guessed or taken."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX:
        raise InvalidName()
    suffix = "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(8))
    workspace = Workspace(
        key=f"{_slug(name)}-{suffix}", name=name, salt=secrets.token_bytes(32), suppress_erased=False, created_at=now
    )
    session.add(workspace)
    session.flush()
    return workspace


def by_key(session: Session, key: str) -> Workspace:
    """The workspace with this key, or `NoSuchWorkspace`."""
    workspace = session.scalar(select(Workspace).where(Workspace.key == key))
    if workspace is None:
        raise NoSuchWorkspace()
    return workspace


def every(session: Session) -> Sequence[Workspace]:
    """All workspaces, oldest first."""
    return session.scalars(select(Workspace).order_by(Workspace.id)).all()


def rename(session: Session, workspace: Workspace, name: str) -> None:
    """Change the name; the key stays, since it stands in customers' pages."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX:
        raise InvalidName()
    workspace.name = name


def set_suppression(session: Session, workspace: Workspace, on: bool) -> None:
    """Keep erased users out for good, or let a later new message create them afresh."""
    workspace.suppress_erased = on
    session.flush()


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:32].strip("-") or "workspace"
