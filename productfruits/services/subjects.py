"""What the store knows of one user or visitor, as rules and gates ask for it: a few statements, whatever they ask."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from productfruits.adoption.subjects import EventCount, Subject
from productfruits.identity.people import VISIT_GAP
from productfruits.models import Content, ContentState, Event, Group, GroupMember, User
from productfruits.services.times import microseconds

GAP = dt.timedelta(microseconds=VISIT_GAP)


def load(
    session: Session,
    workspace_id: int,
    user_id: str | None,
    anonymous_id: str | None,
    asks: Collection[EventCount],
    now: dt.datetime,
) -> Subject:
    """The user with our id, or whoever is behind an anonymous id that belongs to no user.

    Of such a visitor only the progress in contents counts: rules about what is known of users are not for visitors.
    """
    if user_id is not None:
        user = session.execute(
            select(
                User.username,
                User.email,
                User.traits,
                User.first_seen_at,
                User.last_seen_at,
                User.visits,
                User.visit_began_at,
            ).where(User.workspace_id == workspace_id, User.id == user_id)
        ).one_or_none()
        if user is not None:
            # Whoever comes back after the gap is in a new visit, though no message has said so yet.
            begins = now - user.last_seen_at > GAP
            return Subject(
                is_known=True,
                username=user.username,
                email=user.email,
                traits=user.traits,
                first_seen=user.first_seen_at,
                last_seen=user.last_seen_at,
                visits=user.visits,
                visit_began=now if begins else user.visit_began_at,
                groups=groups(session, workspace_id, user_id),
                event_counts=counts(session, workspace_id, user_id, asks, now),
                contents=_contents(session, workspace_id, ContentState.user_id == user_id),
            )
    contents = {}
    if anonymous_id is not None:
        contents = _contents(session, workspace_id, ContentState.anonymous_id == anonymous_id)
    return Subject(contents=contents, visit_began=now - GAP)


def groups(session: Session, workspace_id: int, user_id: str) -> dict[str, Mapping[str, Any]]:
    joined = and_(Group.workspace_id == GroupMember.workspace_id, Group.group_id == GroupMember.group_id)
    rows = session.execute(
        select(GroupMember.group_id, Group.traits)
        .outerjoin(Group, joined)
        .where(GroupMember.workspace_id == workspace_id, GroupMember.user_id == user_id)
    )
    return {group_id: traits or {} for group_id, traits in rows}


def counts(
    session: Session, workspace_id: int, user_id: str, asks: Collection[EventCount], now: dt.datetime
) -> dict[EventCount, int]:
    """Every count in one statement: a column for each time span, a row for each name."""
    if not asks:
        return {}
    whole = now.replace(microsecond=0)
    spans = sorted({ask.days for ask in asks}, key=lambda days: days or 0)
    since = {days: None if days is None else whole - dt.timedelta(days=days) for days in spans}
    counts = [
        func.count() if begin is None else func.sum(case((Event.timestamp >= begin, 1), else_=0))
        for begin in since.values()
    ]
    begins = [begin for begin in since.values() if begin is not None]
    rows = session.execute(
        select(Event.name, *counts)
        .where(
            Event.workspace_id == workspace_id,
            Event.user_id == user_id,
            Event.type == "track",
            Event.name.in_({ask.name for ask in asks}),
            *([Event.timestamp >= min(begins)] if len(begins) == len(spans) else []),
        )
        .group_by(Event.name)
    ).all()
    return {EventCount(row[0], days): int(row[n]) for row in rows for n, days in enumerate(spans, 1)}


def _contents(session: Session, workspace_id: int, whose: ColumnElement[bool]) -> dict[str, str]:
    rows = session.execute(
        select(Content.key, ContentState.state, ContentState.state_at, Content.reset_at)
        .join(Content, Content.id == ContentState.content_id)
        .where(ContentState.workspace_id == workspace_id, whose)
    )
    return {key: state for key, state, at, reset in rows if reset is None or at >= microseconds(reset)}
