"""Functions: code in versions, the instances that run it with settings of their own, what failed, what they keep."""

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from productfruits.database import Base, Json, RowId, UtcDateTime


class Function(Base):
    """A function as it is written; instances of it are what runs."""

    __tablename__ = "function"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    #: Names it in the API, in files and in addresses; does not change.
    key: Mapped[str]
    name: Mapped[str]
    #: "source" or "destination".
    kind: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    #: The last part of the address that catches a request for the editor.
    test_token: Mapped[str] = mapped_column(unique=True)
    #: Until then the next request there is kept; of one that came, until when it stays.
    catches_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    caught: Mapped[dict[str, Any] | None] = mapped_column(Json)

    versions: Mapped[list["FunctionVersion"]] = relationship(
        back_populates="function", cascade="all, delete-orphan", order_by="FunctionVersion.number"
    )
    instances: Mapped[list["FunctionInstance"]] = relationship(
        back_populates="function", cascade="all, delete-orphan", order_by="FunctionInstance.id"
    )

    @property
    def latest(self) -> "FunctionVersion":
        return self.versions[-1]


class FunctionVersion(Base):
    """Code and the settings that it asks for; never changed once it is saved."""

    __tablename__ = "function_version"
    __table_args__ = (UniqueConstraint("function_id", "number"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    function_id: Mapped[int] = mapped_column(ForeignKey("function.id", ondelete="CASCADE"))
    number: Mapped[int]
    code: Mapped[str]
    #: Definitions: key, label, type, description, required, sensitive.
    settings: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    #: What the code was found to define.
    handlers: Mapped[list[str]] = mapped_column(Json)
    #: The admin's e-mail, "cli", or "api key <name>".
    saved_by: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    function: Mapped[Function] = relationship(back_populates="versions")


class FunctionInstance(Base):
    """A function in use: a version, values for its settings, and where its input comes from."""

    __tablename__ = "function_instance"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    function_id: Mapped[int] = mapped_column(ForeignKey("function.id", ondelete="CASCADE"), index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("function_version.id", ondelete="CASCADE"))
    #: Random and public: the row's identity inside its ciphertext.
    uid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    enabled: Mapped[bool]
    #: The values of all settings as JSON, encrypted; empty when they were given up with a lost key.
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    #: The last part of a source's address.
    token: Mapped[str | None] = mapped_column(unique=True)
    #: The outlet through which a destination is given its events.
    destination_id: Mapped[int | None] = mapped_column(ForeignKey("destination.id", ondelete="CASCADE"), unique=True)
    succeeded: Mapped[int] = mapped_column(RowId, default=0)
    failed: Mapped[int] = mapped_column(RowId, default=0)
    last_run_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    function: Mapped[Function] = relationship(back_populates="instances")
    version: Mapped[FunctionVersion] = relationship()

    @property
    def identity(self) -> str:
        """Names this row inside its ciphertext."""
        return f"function_instance:{self.uid}"

    def give_up(self, now: dt.datetime) -> None:
        """The values cannot be read any more: it runs again once they are entered anew."""
        self.ciphertext = b""


class FunctionError(Base):
    """A run that failed: input, log and error; the newest of an instance."""

    __tablename__ = "function_error"
    __table_args__ = (Index(None, "instance_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("function_instance.id", ondelete="CASCADE"))
    at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    #: "bad_request", "invalid_settings", "message_rejected", "unsupported_event_type", "retry", "timeout" or
    #: "message_too_large".
    kind: Mapped[str]
    name: Mapped[str]
    message: Mapped[str]
    stack: Mapped[str]
    #: Pairs of level and text.
    log: Mapped[list[list[str]]] = mapped_column(Json)
    #: The event or the HTTP request, as JSON text, cut where it is long.
    input: Mapped[str]
    attempts: Mapped[int]
    took_ms: Mapped[int]


class FunctionRequest(Base):
    """A request to a source function that is to be tried again."""

    __tablename__ = "function_request"
    __table_args__ = (Index(None, "due_at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("function_instance.id", ondelete="CASCADE"), index=True)
    #: Method, URL, headers and body.
    request: Mapped[dict[str, Any]] = mapped_column(Json)
    attempts: Mapped[int]
    due_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class StoredObject(Base):
    """What a source function set: something that is neither a user nor an event, such as a product."""

    __tablename__ = "stored_object"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    collection: Mapped[str] = mapped_column(primary_key=True)
    object_id: Mapped[str] = mapped_column(primary_key=True)
    properties: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
