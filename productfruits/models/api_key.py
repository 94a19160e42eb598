"""Bearer keys of the HTTP API. Only a hash is kept: the key is shown once."""

import datetime as dt

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, RowId, UtcDateTime


class ApiKey(Base):
    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    #: Hex SHA-256 of the key. A fast hash is enough for 256 random bits.
    digest: Mapped[str] = mapped_column(unique=True)
    #: The first characters, so that a person can tell two keys apart.
    hint: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
