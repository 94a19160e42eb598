"""Baseline A: the webhook receiver as many would write it with Flask and the SQLAlchemy ORM. Frozen.

It is tuned decently (WAL, indexes, a connection pool, one commit a request) and has the habits of its kind: parse with
the json module, look the user up by e-mail, then by username, merge the traits in Python, add the event, commit. It
keeps no message id apart, so a retry counts twice, and two requests that merge the same user's traits at once lose one.
"""

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import JSON, Engine, ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    traits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    message_id: Mapped[str | None] = mapped_column(index=True)
    type: Mapped[str]
    name: Mapped[str | None]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    received_at: Mapped[datetime]


def make_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=20)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def tune(connection: Any, record: ConnectionPoolEntry) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA busy_timeout=30000")

    return engine


def find_user(session: Session, message: dict[str, Any]) -> User:
    traits = message.get("traits") or {}
    email, username = traits.get("email"), message.get("userId")
    user = session.query(User).filter_by(email=email).first() if email else None
    if user is None and username:
        user = session.query(User).filter_by(username=username).first()
    now = datetime.now(UTC)
    if user is None:
        user = User(username=username, email=email, traits={}, created_at=now)
        session.add(user)
    user.username = user.username or username
    user.email = email or user.email
    user.traits = {**user.traits, **traits}
    user.last_seen_at = now
    return user


def create_app() -> Flask:
    app = Flask(__name__)
    secret = os.environ["BASELINE_SECRET"].encode()
    engine = make_engine(os.environ["BASELINE_DATABASE_URL"])
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    app.extensions["engine"] = engine

    @app.get("/")
    def ready() -> ResponseReturnValue:
        return "ready"

    @app.post("/webhook")
    def webhook() -> ResponseReturnValue:
        payload = json.loads(request.data)
        covered = request.data
        if isinstance(payload, list):
            # Segment signs the first element only; it ends where the raw JSON of element 0 ends.
            body = covered.decode()
            covered = body[1 : json.JSONDecoder().raw_decode(body, 1)[1]].encode()
        expected = hmac.new(secret, covered, hashlib.sha1).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
            abort(401)
        with sessions() as session:
            for message in payload if isinstance(payload, list) else [payload]:
                user = find_user(session, message)
                session.flush()
                session.add(
                    Event(
                        user_id=user.id,
                        message_id=message.get("messageId"),
                        type=message["type"],
                        name=message.get("event"),
                        body=message,
                        received_at=datetime.now(UTC),
                    )
                )
            session.commit()
        return {"success": True}

    return app
