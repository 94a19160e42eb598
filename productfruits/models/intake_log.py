"""What intake could not simply store: refused input, conflicts between users, poison, erasures."""

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, RowId, UtcDateTime


class Rejection(Base):
    """A refused request or element with the reason. Bounded a workspace; holds no body, no secret, no signature."""

    __tablename__ = "rejection"
    __table_args__ = (Index(None, "workspace_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    source: Mapped[str]
    #: A code such as "invalid_signature", "invalid_json", "delete_not_first".
    reason: Mapped[str]
    #: The same in words, with what to do.
    detail: Mapped[str]


class Conflict(Base):
    """Two users that one message speaks of, left for an admin to merge or to dismiss."""

    __tablename__ = "conflict"
    __table_args__ = (Index(None, "workspace_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: "email_and_id", "email_taken" or "alias".
    kind: Mapped[str]
    #: The user that was updated, and the one that was left alone.
    user_id: Mapped[str] = mapped_column(index=True)
    other_user_id: Mapped[str] = mapped_column(index=True)
    email: Mapped[str | None]
    username: Mapped[str | None]
    message_id: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: "merged", "dismissed", or "gone" when one of the two no longer exists.
    resolution: Mapped[str | None]


class DeadLetter(Base):
    """An arrival that the store could not digest. Failures are counted; the fifth keeps the bytes for the operator."""

    __tablename__ = "dead_letter"
    __table_args__ = (UniqueConstraint("workspace_id", "digest"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    failures: Mapped[int]
    #: The raw request, once it has failed often enough to be acknowledged and set aside.
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    source: Mapped[str]
    reason: Mapped[str]
    first_failed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_failed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class Tombstone(Base):
    """A salted hash of an id of an erased user: late messages that carry it are acknowledged and dropped."""

    __tablename__ = "tombstone"
    __table_args__ = ({"sqlite_with_rowid": False},)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    #: The delete's time, in microseconds since the epoch: messages not after it are dropped.
    at: Mapped[int] = mapped_column(BigInteger)


class Erasure(Base):
    """The proof that a user was erased: when, by whom, how much. No personal data."""

    __tablename__ = "erasure"
    __table_args__ = (Index(None, "workspace_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: "segment", "api", "cli" or "admin".
    requested_by: Mapped[str]
    users: Mapped[int]
    events: Mapped[int]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
