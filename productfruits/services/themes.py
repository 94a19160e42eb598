"""Themes of a workspace: made, changed, chosen as the default, and as the pages get them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from productfruits.adoption import documents, themes
from productfruits.adoption.documents import Document
from productfruits.adoption.fields import ID
from productfruits.errors import ProductFruitsError
from productfruits.models import Theme
from productfruits.services import adoption_settings, contents


class NoSuchTheme(ProductFruitsError):
    """There is no such theme in this workspace."""


class ThemeKeyTaken(ProductFruitsError):
    """Another theme of this workspace has this key. Choose another one; it never changes."""


class ThemeInUse(ProductFruitsError):
    """Content that users see has this theme."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(
            f"Content that users see has this theme: {', '.join(keys)}. Publish it with another theme first."
        )


@dataclass(frozen=True, slots=True)
class Looks:
    """All themes of a workspace as pages get them."""

    by_key: Mapping[str, Mapping[str, Any]]
    default: Mapping[str, Any]

    def of(self, key: str | None) -> Mapping[str, Any]:
        """The theme with this key; the default for None, and for a theme that is gone since."""
        return self.default if key is None else self.by_key.get(key, self.default)


def looks(session: Session, workspace_id: int) -> Looks:
    """Every theme of the workspace; the default is the built-in look where the workspace has chosen none."""
    rows = every(session, workspace_id)
    default = next((row.document for row in rows if row.is_default), None)
    return Looks({row.key: themes.resolve(row.document) for row in rows}, themes.resolve(default))


def every(session: Session, workspace_id: int) -> Sequence[Theme]:
    """All themes by key."""
    rows = session.scalars(select(Theme).where(Theme.workspace_id == workspace_id))
    return sorted(rows, key=lambda row: row.key)


def by_key(session: Session, workspace_id: int, key: str) -> Theme:
    """The theme, or `NoSuchTheme`."""
    query = select(Theme).where(Theme.workspace_id == workspace_id, Theme.key == key)
    row = session.scalar(query) if ID.fullmatch(key) else None
    if row is None:
        raise NoSuchTheme()
    return row


def document(row: Theme) -> Document:
    """The theme as its author writes it."""
    return documents.ordered("theme", {**row.document, "default": row.is_default})


def create(session: Session, workspace_id: int, said: Document, now: dt.datetime) -> Theme:
    """A new theme from a document as `documents.load` returns it."""
    row = Theme(workspace_id=workspace_id, key=said["key"], name="", document={}, is_default=False, updated_at=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as err:
        raise ThemeKeyTaken() from err
    return change(session, row, said, now)


def change(session: Session, row: Theme, said: Document, now: dt.datetime) -> Theme:
    """Have the theme look like the document; all content with it changes at once. The key stays."""
    row.name = said["name"]
    row.document = {**said, "key": row.key, "default": False}
    row.is_default = said["default"]
    row.updated_at = now
    session.flush()
    if row.is_default:
        session.execute(
            update(Theme).where(Theme.workspace_id == row.workspace_id, Theme.id != row.id).values(is_default=False)
        )
    adoption_settings.bump_generation(session, row.workspace_id)
    return row


def remove(session: Session, row: Theme) -> None:
    """Delete a theme that no live content names."""
    users = [live.key for live in contents.live(session, row.workspace_id) if live.document["theme"] == row.key]
    if users:
        raise ThemeInUse(users)
    session.delete(row)
    session.flush()
    adoption_settings.bump_generation(session, row.workspace_id)
