"""Who may log in here (an admin), with which role in which workspace, and what they did."""

import datetime as dt
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from productfruits.database import Base, Json, RowId, UtcDateTime
from productfruits.models.workspace import Workspace

#: From most to least rights: owners manage secrets and admins, editors change content and users, viewers read.
ROLES = ("owner", "editor", "viewer")


class Admin(Base):
    __tablename__ = "admin"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    email: Mapped[str]
    #: The e-mail as it is compared: trimmed, NFC, casefolded.
    email_key: Mapped[str] = mapped_column(unique=True)
    #: None until an invited admin has chosen a password.
    password_hash: Mapped[str | None]
    #: Raised on password change, role change and "log out everywhere": sessions and links of an older epoch are void.
    session_epoch: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_login_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    memberships: Mapped[list["Membership"]] = relationship(back_populates="admin", cascade="all, delete-orphan")


class Membership(Base):
    __tablename__ = "membership"
    __table_args__ = (CheckConstraint("role IN ('owner', 'editor', 'viewer')", name="role"),)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    admin_id: Mapped[int] = mapped_column(ForeignKey("admin.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str]

    admin: Mapped[Admin] = relationship(back_populates="memberships")
    workspace: Mapped[Workspace] = relationship()


class LoginThrottle(Base):
    """Failed logins of one account or one address (hashed), so that guessing slows down across restarts."""

    __tablename__ = "login_throttle"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_failure_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    blocked_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class AuditEntry(Base):
    """Append-only: who did what. Holds no secret and no personal data of users; outlives the admin it names."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "workspace_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int | None] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: The admin's e-mail, "cli", or "api key <name>".
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    address: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
