"""Events: stored messages, and the message ids seen so far."""

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, RowId, UtcDateTime


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (
        Index(None, "workspace_id", "user_id", "timestamp"),
        Index(None, "workspace_id", "type"),
        # Finds what an anonymous id did before it joined a user; small, since most events have a user.
        Index(
            "ix_event_unclaimed",
            "workspace_id",
            "anonymous_id",
            sqlite_where=text("user_id IS NULL"),
            postgresql_where=text("user_id IS NULL"),
        ),
        # The funnel of a content; small, since few events are about content.
        Index(
            "ix_event_of_content",
            "workspace_id",
            "content_id",
            "timestamp",
            sqlite_where=text("content_id IS NOT NULL"),
            postgresql_where=text("content_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: No foreign key: this is the hot table, later split by month, and the writer alone moves and erases its rows.
    user_id: Mapped[str | None]
    type: Mapped[str]
    #: The event's name for track, the page's or screen's name; else None.
    name: Mapped[str | None]
    message_id: Mapped[str]
    #: When it happened, by the sender's clock as sent; the store's time of receipt where none was sent.
    timestamp: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: The way in: "webhook" (replays and test events come through it as well), "tracking", "function" or "api".
    source: Mapped[str]
    #: False for elements of an array that Segment's signature does not cover.
    signed: Mapped[bool]
    #: Which rule found the user: email, username, alias, created, anonymous, none.
    matched_by: Mapped[str]
    sent_user_id: Mapped[str | None]
    anonymous_id: Mapped[str | None]
    previous_id: Mapped[str | None]
    group_id: Mapped[str | None]
    #: Of an adoption event, the tour or checklist it is about. No foreign key: as with user_id.
    content_id: Mapped[int | None] = mapped_column(RowId)
    #: The properties of track, page and screen; the traits of identify and group.
    properties: Mapped[dict[str, Any]] = mapped_column(Json)
    context: Mapped[dict[str, Any]] = mapped_column(Json)


class SeenMessage(Base):
    """One row a messageId: a message that comes again is acknowledged and changes nothing."""

    __tablename__ = "seen_message"
    __table_args__ = (Index(None, "seen_at"), {"sqlite_with_rowid": False})

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    #: What services.seen_messages.digest makes of the messageId.
    digest: Mapped[str] = mapped_column(primary_key=True)
    #: None for deletes: a captured delete must never work again, so its id is kept for ever.
    seen_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
