"""How far a user or visitor is in a content: one row, so that the page's question is one query."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, RowId, UtcDateTime

STATES = ("not_started", "in_progress", "completed", "dismissed", "snoozed")


class ContentState(Base):
    __tablename__ = "content_state"
    __table_args__ = (
        UniqueConstraint("workspace_id", "user_id", "content_id"),
        UniqueConstraint("workspace_id", "anonymous_id", "content_id"),
        Index(None, "content_id", "state"),
        CheckConstraint("(user_id IS NULL) <> (anonymous_id IS NULL)", name="owner"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    content_id: Mapped[int] = mapped_column(ForeignKey("content.id", ondelete="CASCADE"))
    #: Whose state: a user's, or an anonymous visitor's until the visitor joins a user. Deferred as in UserAlias.
    user_id: Mapped[str | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )
    anonymous_id: Mapped[str | None]
    state: Mapped[str]
    #: The version that the attempt began with: whoever is in the middle of a tour stays on it.
    version: Mapped[int]
    #: One attempt, from started to its one terminal event; made by the page.
    session_id: Mapped[str | None]
    #: The step of a tour that is shown, or was shown last.
    step_id: Mapped[str | None]
    #: Item id -> when it was done and how, of a checklist.
    items: Mapped[dict[str, Any]] = mapped_column(Json)
    times_shown: Mapped[int] = mapped_column(default=0)
    first_shown_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_shown_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: When and why the last attempt ended.
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None]
    snoozed_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: Time of the event that set it, in microseconds since the epoch: an older one that comes late changes nothing.
    state_at: Mapped[int] = mapped_column(BigInteger)
