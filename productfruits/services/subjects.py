"""What the store knows of one user or visitor, as rules and gates ask for it: a few statements, whatever they ask."""

import datetime as dt
import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from productfruits.adoption.subjects import EventCount, Subject
from productfruits.database import UtcDateTime
from productfruits.identity.people import VISIT_GAP
from productfruits.models import Content, ContentState, Event, Group, GroupMember, User
from productfruits.services.times import microseconds

Counts = Mapping[EventCount, int]
GAP = dt.timedelta(microseconds=VISIT_GAP)
#: The groups of some users.
GROUPS = (
    select(GroupMember.user_id, GroupMember.group_id, Group.traits)
    .outerjoin(Group, and_(Group.workspace_id == GroupMember.workspace_id, Group.group_id == GroupMember.group_id))
    .where(
        GroupMember.workspace_id == bindparam("of_workspace"),
        GroupMember.user_id.in_(bindparam("of_users", expanding=True)),
    )
)


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


def groups(session: Session, workspace_id: int, user_id: str) -> Mapping[str, Mapping[str, Any]]:
    """The groups that the user is in, with their traits."""
    rows = session.execute(GROUPS, {"of_workspace": workspace_id, "of_users": [user_id]})
    return by_user(rows).get(user_id, {})


def by_user(rows: Iterable[Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """What the rows of `GROUPS` say."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.user_id, {})[row.group_id] = row.traits or {}
    return found


def counts(session: Session, workspace_id: int, user_id: str, asks: Collection[EventCount], now: dt.datetime) -> Counts:
    """Every count in one statement: a column for each time span, a row for each name."""
    if not asks:
        return {}
    question = Counting.of(frozenset(asks))
    rows = session.execute(question.statement, question.values(workspace_id, [user_id], now))
    return question.answers(rows).get(user_id, {})


@dataclass(frozen=True, slots=True)
class Counting:
    """A statement that answers some counts for some users; made once for the rules of a workspace."""

    statement: Select[*tuple[Any, ...]]
    spans: tuple[int | None, ...]

    @classmethod
    @functools.lru_cache(maxsize=256)
    def of(cls, asks: frozenset[EventCount]) -> "Counting":
        spans = tuple(sorted({ask.days for ask in asks}, key=lambda days: days or 0))
        begins = {days: bindparam(f"since_{days}", type_=UtcDateTime) for days in spans if days is not None}
        numbers = [
            func.count() if days is None else func.sum(case((Event.timestamp >= begins[days], 1), else_=0))
            for days in spans
        ]
        statement = select(
            Event.user_id, Event.name, *(number.label(f"n_{n}") for n, number in enumerate(numbers))
        ).where(
            Event.workspace_id == bindparam("of_workspace"),
            Event.user_id.in_(bindparam("of_users", expanding=True)),
            Event.type == "track",
            or_(*(Event.name == name for name in sorted({ask.name for ask in asks}))),
        )
        if None not in spans:
            statement = statement.where(Event.timestamp >= begins[max(days for days in spans if days is not None)])
        return cls(statement.group_by(Event.user_id, Event.name), spans)

    def values(self, workspace_id: int, user_ids: Sequence[str], now: dt.datetime) -> dict[str, Any]:
        whole = now.replace(microsecond=0)
        since = {f"since_{days}": whole - dt.timedelta(days=days) for days in self.spans if days is not None}
        return {"of_workspace": workspace_id, "of_users": user_ids, **since}

    def answers(self, rows: Iterable[Any]) -> dict[str, dict[EventCount, int]]:
        """By user; what did not happen is not there."""
        found: dict[str, dict[EventCount, int]] = {}
        for user_id, name, *numbers in rows:
            mine = found.setdefault(user_id, {})
            for days, number in zip(self.spans, numbers, strict=True):
                mine[EventCount(name, days)] = int(number)
        return found


def _contents(session: Session, workspace_id: int, whose: ColumnElement[bool]) -> dict[str, str]:
    rows = session.execute(
        select(Content.key, ContentState.state, ContentState.state_at, Content.reset_at)
        .join(Content, Content.id == ContentState.content_id)
        .where(ContentState.workspace_id == workspace_id, whose)
    )
    return {key: state for key, state, at, reset in rows if reset is None or at >= microseconds(reset)}
