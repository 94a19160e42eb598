"""A connection is one Segment integration of a workspace: URL token, secrets, keys, counters."""

import datetime as dt

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from productfruits.database import Base, RowId, UtcDateTime
from productfruits.models.workspace import Workspace


class Connection(Base):
    __tablename__ = "connection"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    #: One connection a workspace; deactivating keeps the row, so that its history stays.
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), unique=True)
    #: The last part of the webhook URL. It finds the connection; the signature is what proves the sender.
    token: Mapped[str] = mapped_column(unique=True)
    #: Public: sits in the customer's pages as Segment's write key does.
    write_key: Mapped[str] = mapped_column(unique=True)
    #: Hex SHA-256 of the token that servers send (X-Auth-Token). Shown once.
    auth_token_digest: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    #: Arrays of messages are accepted; elements after the first are not covered by Segment's signature.
    accepts_batches: Mapped[bool] = mapped_column(default=True)
    #: The other direction: adoption events of this workspace go to the page's window.analytics.track().
    sends_events: Mapped[bool] = mapped_column(default=True)

    accepted: Mapped[int] = mapped_column(RowId, default=0)
    duplicates: Mapped[int] = mapped_column(RowId, default=0)
    ignored: Mapped[int] = mapped_column(RowId, default=0)
    rejected: Mapped[int] = mapped_column(RowId, default=0)
    first_received_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_received_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    workspace: Mapped[Workspace] = relationship()
    secrets: Mapped[list["ConnectionSecret"]] = relationship(
        back_populates="connection", cascade="all, delete-orphan", order_by="ConnectionSecret.id"
    )


class ConnectionSecret(Base):
    """A shared secret of Segment's webhook, encrypted at rest, readable only to verify signatures."""

    __tablename__ = "connection_secret"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    #: Random and public: the row's identity inside the ciphertext, so that rows cannot be swapped.
    uid: Mapped[str] = mapped_column(unique=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    #: First 8 hex digits of the secret's SHA-256: enough to tell which one it is, no help in guessing it.
    fingerprint: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: Set when a newer secret takes over: it goes on verifying until then.
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    connection: Mapped[Connection] = relationship(back_populates="secrets")

    @property
    def identity(self) -> str:
        """Names this row inside its ciphertext."""
        return f"connection_secret:{self.uid}"

    def give_up(self, now: dt.datetime) -> None:
        """It can never be read again."""
        self.ciphertext, self.revoked_at = b"", self.revoked_at or now

    def is_live(self, now: dt.datetime) -> bool:
        """True while signatures made with this secret are accepted."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
