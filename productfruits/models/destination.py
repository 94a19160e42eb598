"""Destinations: where events of a workspace are sent to, what is still to be sent, and what became of each attempt."""

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from productfruits.database import Base, Json, RowId, UtcDateTime
from productfruits.models.workspace import Workspace


class Destination(Base):
    __tablename__ = "destination"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: Names it in the API, in files and in addresses; does not change.
    key: Mapped[str]
    #: Random and public: the row's identity inside its ciphertext, and the beginning of every webhook-id.
    uid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    #: "generic", "slack", "teams", "discord" or "segment".
    kind: Mapped[str]
    enabled: Mapped[bool]
    method: Mapped[str]
    #: Scheme and host of the URL, to show. The rest of it may be a secret.
    address: Mapped[str]
    #: URL, headers and write key as JSON, encrypted: each of them may let somebody in.
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    filter: Mapped[dict[str, Any]] = mapped_column(Json)
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    #: Attempts in a row that nobody answered; from a few on it is left in peace until `rests_until`.
    unanswered: Mapped[int] = mapped_column(default=0)
    rests_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: The first failure since the last success.
    failing_since: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_delivered_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    #: Set when this server switched it off: "gone" (410), "failing" (for days) or "key_lost".
    stopped_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    stopped_because: Mapped[str | None]

    #: One worker at a time sends to a destination, and only until then unless it says that it is still at it.
    leased_by: Mapped[str | None]
    leased_until: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    workspace: Mapped[Workspace] = relationship()
    secrets: Mapped[list["DestinationSecret"]] = relationship(
        back_populates="destination", cascade="all, delete-orphan", order_by="DestinationSecret.id"
    )

    @property
    def identity(self) -> str:
        """Names this row inside its ciphertext."""
        return f"destination:{self.uid}"

    def give_up(self, now: dt.datetime) -> None:
        """Its address can never be read again: send nothing until somebody enters it anew."""
        self.ciphertext, self.enabled = b"", False
        self.stopped_at, self.stopped_because = now, "key_lost"


class DestinationSecret(Base):
    """A secret that signs what is sent, encrypted at rest; several while the receiver changes over."""

    __tablename__ = "destination_secret"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    destination_id: Mapped[int] = mapped_column(ForeignKey("destination.id", ondelete="CASCADE"), index=True)
    uid: Mapped[str] = mapped_column(unique=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    #: First 8 hex digits of the secret's SHA-256.
    fingerprint: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: Set when a newer secret takes over.
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    destination: Mapped[Destination] = relationship(back_populates="secrets")

    @property
    def identity(self) -> str:
        """Names this row inside its ciphertext."""
        return f"destination_secret:{self.uid}"

    def give_up(self, now: dt.datetime) -> None:
        """It can never be read again."""
        self.ciphertext, self.expires_at = b"", now

    def is_live(self, now: dt.datetime) -> bool:
        """True while requests are signed with it."""
        return self.expires_at is None or self.expires_at > now


class Delivery(Base):
    """One event or change for one destination. Holds no body: that is made of the stored event when it is sent."""

    __tablename__ = "delivery"
    __table_args__ = (
        # An event goes to a destination once, however often it is replayed; also finds the deliveries of an event.
        UniqueConstraint("workspace_id", "event_id", "destination_id"),
        Index(
            "ix_delivery_due",
            "destination_id",
            "due_at",
            sqlite_where=text("status = 'pending'"),
            postgresql_where=text("status = 'pending'"),
        ),
        Index(None, "destination_id", "id"),
        Index(
            "ix_delivery_subject",
            "workspace_id",
            "subject",
            sqlite_where=text("subject IS NOT NULL"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    destination_id: Mapped[int] = mapped_column(ForeignKey("destination.id", ondelete="CASCADE"))
    #: "event.stored", "user.created", "user.updated", "user.deleted", "user.conflict" or "test".
    kind: Mapped[str]
    #: No foreign key, as the event itself has none: who deletes events deletes their deliveries.
    event_id: Mapped[int | None] = mapped_column(RowId)
    #: The user of a change, or the number of the conflict.
    subject: Mapped[str | None]
    #: How many destinations of servers like this one it has come through.
    depth: Mapped[int] = mapped_column(default=0)
    #: "pending", "delivered", "failed" (given up) or "dropped" (there is nothing to send any more).
    status: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class DeliveryAttempt(Base):
    """One try: when, how long, what was answered. Never the request, never a secret."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (Index(None, "destination_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    destination_id: Mapped[int] = mapped_column(ForeignKey("destination.id", ondelete="CASCADE"))
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), index=True)
    at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    took_ms: Mapped[int]
    #: The HTTP status, where there was an answer.
    status: Mapped[int | None]
    #: "delivered", "failed", "gone", "unreachable", "timed_out", "not_sendable", "loop", "nothing_left" or
    #: "left_out".
    outcome: Mapped[str]
    #: The outcome in words, where the status does not say it all.
    detail: Mapped[str | None]
    #: The first KiB of the answer as text.
    answer: Mapped[str | None]
