"""Stored messages: the timeline of one user, and the stream of a workspace."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.models import Event
from productfruits.services import pages
from productfruits.services.pages import Page


def of_user(
    session: Session, workspace_id: int, user_id: str, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Event]:
    """A user's events by the time at which they happened, newest first. Raises `pages.InvalidCursor`."""
    query = select(Event).where(Event.workspace_id == workspace_id, Event.user_id == user_id)
    if cursor is not None:
        at, last_id = pages.decode("timeline", cursor, tuple[dt.datetime, int])
        query = query.where((Event.timestamp < at) | ((Event.timestamp == at) & (Event.id < last_id)))
    rows = session.scalars(query.order_by(Event.timestamp.desc(), Event.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda event: pages.encode("timeline", event.timestamp, event.id))


def page(
    session: Session, workspace_id: int, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Event]:
    """The workspace's events by order of receipt, newest first. Raises `pages.InvalidCursor`.

    By receipt and not by time, so that a late message stands where a reader of the newest page will see it.
    """
    query = select(Event).where(Event.workspace_id == workspace_id)
    if cursor is not None:
        (last_id,) = pages.decode("events", cursor, tuple[int])
        query = query.where(Event.id < last_id)
    rows = session.scalars(query.order_by(Event.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda event: pages.encode("events", event.id))
