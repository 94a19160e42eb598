"""Content: tours and checklists with their versions, and what several of them share (themes, audiences)."""

import datetime as dt
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, RowId, UtcDateTime

KINDS = ("tour", "checklist")


class Content(Base):
    """A tour or a checklist: the draft that is being written, and which of its versions users see."""

    __tablename__ = "content"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("kind IN ('tour', 'checklist')", name="kind"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    kind: Mapped[str]
    #: Short name in rules, buttons, files and the browser's API; never changes.
    key: Mapped[str]
    name: Mapped[str]
    #: The document as it is being written; what was published last until somebody changes it.
    draft: Mapped[dict[str, Any]] = mapped_column(Json)
    #: True when the draft says something else than the newest version.
    draft_differs: Mapped[bool] = mapped_column(default=True)
    #: The version that users see; None before the first publishing and after unpublishing.
    published_version: Mapped[int | None]
    #: The version that users saw before, for going back by one click.
    previous_version: Mapped[int | None]
    #: Put away: in no list, never shown, kept for its numbers.
    archived_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: When an admin had everybody start anew: states older than this are void.
    reset_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    @property
    def status(self) -> str:
        """draft, published or archived."""
        if self.archived_at is not None:
            return "archived"
        return "draft" if self.published_version is None else "published"


class ContentVersion(Base):
    """What was published under one number. Never changed afterwards."""

    __tablename__ = "content_version"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    content_id: Mapped[int] = mapped_column(ForeignKey("content.id", ondelete="CASCADE"), primary_key=True)
    #: 1, 2, 3, … within the content.
    number: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(Json)
    published_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: As in the audit log: the admin's e-mail, "cli", or "api key <name>".
    published_by: Mapped[str]


class Theme(Base):
    """How content looks: colours, corners, typeface, place."""

    __tablename__ = "theme"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key: Mapped[str]
    name: Mapped[str]
    document: Mapped[dict[str, Any]] = mapped_column(Json)
    #: Content that names no theme has this one; at most one in a workspace, and without one the built-in look.
    is_default: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class Audience(Base):
    """A rule with a name, used by many contents."""

    __tablename__ = "audience"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    key: Mapped[str]
    name: Mapped[str]
    rule: Mapped[dict[str, Any]] = mapped_column(Json)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
