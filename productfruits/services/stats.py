"""Numbers of a workspace."""

from dataclasses import dataclass

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from productfruits.models import Event, Group, User


@dataclass(frozen=True, slots=True)
class Stats:
    """`anonymous`: distinct anonymous ids that have events and no user. `events` leaves deletes out."""

    users: int
    anonymous: int
    groups: int
    events: int
    events_by_type: dict[str, int]


def of_workspace(session: Session, workspace_id: int) -> Stats:
    """The workspace's numbers, counted now."""
    by_type: dict[str, int] = {
        kind: count
        for kind, count in session.execute(
            select(Event.type, func.count())
            .where(Event.workspace_id == workspace_id, Event.type != "delete")
            .group_by(Event.type)
            .order_by(Event.type)
        )
    }
    users = select(func.count()).select_from(User).where(User.workspace_id == workspace_id)
    groups = select(func.count()).select_from(Group).where(Group.workspace_id == workspace_id)
    anonymous = select(func.count(distinct(Event.anonymous_id))).where(
        Event.workspace_id == workspace_id, Event.user_id.is_(None), Event.anonymous_id.is_not(None)
    )
    return Stats(
        users=session.scalar(users) or 0,
        anonymous=session.scalar(anonymous) or 0,
        groups=session.scalar(groups) or 0,
        events=sum(by_type.values()),
        events_by_type=by_type,
    )
