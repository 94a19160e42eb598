"""Groups (accounts, companies) of Segment's group call, and which users belong to them."""

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, Json, UtcDateTime


class Group(Base):
    __tablename__ = "groups"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    #: Segment's groupId.
    group_id: Mapped[str] = mapped_column(primary_key=True)
    traits: Mapped[dict[str, Any]] = mapped_column(Json)
    trait_times: Mapped[dict[str, int]] = mapped_column(Json)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class GroupMember(Base):
    __tablename__ = "group_member"
    __table_args__ = (Index(None, "user_id"),)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    joined_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
