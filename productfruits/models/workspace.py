"""A workspace is one customer application; staging and production are two workspaces."""

import datetime as dt

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from productfruits.database import Base, RowId, UtcDateTime


class Workspace(Base):
    __tablename__ = "workspace"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    #: Public: stands in URLs, in the snippet's data-workspace and after --workspace.
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    #: Salts the hashes of erased ids, so that tombstones of two workspaces cannot be compared.
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    #: True: an erased user's ids stay unusable. False: a later new message may create the user afresh.
    suppress_erased: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
