"""What a workspace decides about its content and about the pages that show it."""

import datetime as dt
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, RowId, UtcDateTime

#: How far the identity hash of the snippet is asked for: not at all, counted only, or required.
VERIFICATION = ("off", "report", "enforced")


class AdoptionSettings(Base):
    """One row a workspace, made with its first change; without one the defaults hold."""

    __tablename__ = "adoption_settings"
    __table_args__ = (CheckConstraint("verification IN ('off', 'report', 'enforced')", name="verification"),)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    #: Raised by every change that can change what a page shows: content, themes, audiences, these settings.
    generation: Mapped[int] = mapped_column(default=0)
    verification: Mapped[str] = mapped_column(default="off")
    #: Content aimed at stored knowledge is served also to a page whose user is not verified.
    trusts_page: Mapped[bool] = mapped_column(default=True)
    #: Visitors without a userId see content that is not aimed at stored knowledge, and have a state.
    allows_anonymous: Mapped[bool] = mapped_column(default=True)
    #: IANA name, for schedules.
    time_zone: Mapped[str] = mapped_column(default="UTC")
    #: Raw name of an adoption event -> its name for Segment, or None where it is switched off; the others keep theirs.
    event_names: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: At most so many tours start by themselves for one user in so many days; None: no limit.
    limit_count: Mapped[int | None]
    limit_days: Mapped[int | None]
    #: After a dismissal nothing starts by itself for so many hours.
    quiet_hours: Mapped[int] = mapped_column(default=0)
    #: When a page last reported an event, and when the snippet last asked for content.
    last_reported_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class IdentitySecret(Base):
    """The secret of the identity hash, apart from Segment's; encrypted at rest, two live while it is rotated."""

    __tablename__ = "identity_secret"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    #: Random and public: the row's identity inside the ciphertext, so that rows cannot be swapped.
    uid: Mapped[str] = mapped_column(unique=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @property
    def identity(self) -> str:
        """Names this row inside its ciphertext."""
        return f"identity_secret:{self.uid}"

    def give_up(self, now: dt.datetime) -> None:
        """It can never be read again."""
        self.ciphertext, self.revoked_at = b"", self.revoked_at or now


class IdentityCoverage(Base):
    """How many syncs of pages a day spoke for a user with a right hash, without one, and with a wrong one."""

    __tablename__ = "identity_coverage"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    verified: Mapped[int] = mapped_column(default=0)
    unverified: Mapped[int] = mapped_column(default=0)
    wrong: Mapped[int] = mapped_column(default=0)
