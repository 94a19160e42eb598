"""Users (end users of the customer's product), the ids that lead to them, and visitors not yet known."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, UtcDateTime


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("workspace_id", "username"),
        UniqueConstraint("workspace_id", "email_key"),
        Index(None, "workspace_id", "last_seen_at", "id"),
        Index(None, "workspace_id", "id"),
    )

    #: A UUID version 7 as 32 hex digits: made by the writer, so that a group needs no round trip for new ids.
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: Segment's userId.
    username: Mapped[str | None]
    #: The e-mail as it was sent, trimmed.
    email: Mapped[str | None]
    #: The e-mail as it is compared: trimmed, NFC, casefolded.
    email_key: Mapped[str | None]
    #: When the e-mail (or its clearing) was said: microseconds since the epoch.
    email_at: Mapped[int | None] = mapped_column(BigInteger)
    #: Never holds a null: a cleared trait is absent here and keeps its time in trait_times.
    traits: Mapped[dict[str, Any]] = mapped_column(Json)
    #: Per trait the time of the message that set or cleared it: microseconds since the epoch.
    trait_times: Mapped[dict[str, int]] = mapped_column(Json)
    first_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: Visits begin with a message after a while of silence (identity/people.py).
    visits: Mapped[int] = mapped_column(default=1, server_default="1")
    #: When the newest of them began.
    visit_began_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, server_default="1970-01-01 00:00:00.000000")
    #: When anything about the user was last written: a page's copy older than this is stale.
    changed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, server_default="1970-01-01 00:00:00.000000")
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class UserAlias(Base):
    """Another id that leads to a user: a second or former userId, or a linked anonymousId."""

    __tablename__ = "user_alias"
    __table_args__ = (Index(None, "user_id"),)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    #: "user_id" or "anonymous_id".
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    #: Deferred, because a group writes users and aliases in bulk and only the end result must fit.
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )
    #: How it arose: "email", "alias", "merge" or "identify".
    how: Mapped[str]
    message_id: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class Visitor(Base):
    """What an anonymous id has said (traits, groups) before an identify or alias gives it to a user."""

    __tablename__ = "visitor"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    anonymous_id: Mapped[str] = mapped_column(primary_key=True)
    traits: Mapped[dict[str, Any]] = mapped_column(Json)
    trait_times: Mapped[dict[str, int]] = mapped_column(Json)
    group_ids: Mapped[list[str]] = mapped_column(Json)
