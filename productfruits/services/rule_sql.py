"""A rule as a condition on `users`, with the same answer as `adoption.evaluate`; a property test holds both to that.

A condition on the page is null, and AND, OR and NOT of SQL carry it on as what it is: not known. Whoever would meet a
rule on some page is counted.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, String, and_, cast, exists, false, func, not_, null, or_, select, true
from sqlalchemy.orm import Session

from productfruits.adoption import comparisons
from productfruits.adoption.conditions import (
    All,
    Any_,
    Computed,
    Happened,
    InAudience,
    InGroup,
    InState,
    Node,
    Not,
    Rule,
    Trait,
)
from productfruits.adoption.subjects import spellings
from productfruits.models import Content, ContentState, Event, Group, GroupMember, User
from productfruits.services import json_values
from productfruits.services.json_values import Operand, Sql, Truth, certain, contains
from productfruits.services.times import instant, microseconds

SECOND = 1_000_000
#: No time that a rule or a user can have is before or after these.
FIRST_SECOND, LAST_SECOND = -(2**40), 2**40


def condition(
    session: Session, workspace_id: int, rule: Rule, audiences: Mapping[str, Rule], now: dt.datetime
) -> Truth:
    """The users who meet the rule, or would on some page. For selects on this session's connection."""
    json_values.prepare(session)
    asked = rule.contents().union(*(audience.contents() for audience in audiences.values()))
    on_postgres = session.get_bind().dialect.name == "postgresql"
    writing = _Writing(
        on_postgres, workspace_id, audiences, _contents(session, workspace_id, asked), int(now.timestamp())
    )
    return and_(User.workspace_id == workspace_id, func.coalesce(writing.node(rule.root, ()), true(), type_=Boolean))


@dataclass(frozen=True, slots=True)
class _Writing:
    on_postgres: bool
    workspace_id: int
    audiences: Mapping[str, Rule]
    #: Id of a content, and the time in microseconds before which states are void.
    contents: Mapping[str, tuple[int, int]]
    now: int

    def node(self, node: Node, above: tuple[str, ...]) -> Truth:
        match node:
            case All(nodes):
                return and_(true(), *(self.node(each, above) for each in nodes))
            case Any_(nodes):
                return or_(false(), *(self.node(each, above) for each in nodes))
            case Not(inner):
                return not_(self.node(inner, above).self_group())
            case InAudience(key):
                rule = self.audiences.get(key)
                if rule is None or rule.asks_the_page() or key in above:
                    return false()
                return self.node(rule.root, (*above, key))
            case Trait(name, op, value):
                return self._compared(json_values.trait(self.on_postgres, User.traits, spellings(name)), op, value)
            case Computed(name, op, value):
                return self._compared(self._column(name), op, value)
            case InGroup():
                return self._in_group(node)
            case Happened():
                return self._happened(node)
            case InState(key, state):
                return self._in_state(key, state)
            case _:
                return cast(null(), Boolean)

    def _compared(self, known: Operand, op: str, value: Any) -> Truth:
        """One operator of `comparisons`; never null."""
        match op:
            case "is_not":
                return not_(certain(known.same(value)))
            case "not_contains":
                return not_(certain(known.holds(value)))
            case "missing":
                return not_(certain(known.exists()))
            case _:
                return certain(self._met(known, op, value))

    def _met(self, known: Operand, op: str, value: Any) -> Truth:
        days = value * comparisons.DAY if op in ("in_last_days", "more_than_days_ago") else 0
        first, last = (comparisons.day_or_instant(value) or (0, 0)) if op in ("before", "after") else (0, 0)
        match op:
            case "is":
                return known.same(value)
            case "one_of":
                return known.among(value)
            case "contains":
                return known.holds(value)
            case "starts_with":
                return _is_piece(known.text(), 1, value)
            case "ends_with":
                return _is_piece(known.text(), func.length(known.text()) - len(value) + 1, value)
            case "greater":
                return known.number() > known.said_number(value)
            case "less":
                return known.number() < known.said_number(value)
            case "at_least":
                return known.number() >= known.said_number(value)
            case "at_most":
                return known.number() <= known.said_number(value)
            case "before":
                return known.between(FIRST_SECOND, first - 1)
            case "after":
                return known.between(last + 1, LAST_SECOND)
            case "in_last_days":
                return known.between(self.now - days, self.now)
            case "more_than_days_ago":
                return known.between(FIRST_SECOND, self.now - days - 1)
            case _:
                return known.exists()

    def _column(self, name: str) -> Operand:
        match name:
            case "email":
                return _TextColumn(self.on_postgres, User.email)
            case "username":
                return _TextColumn(self.on_postgres, User.username)
            case "first_seen":
                return _TimeColumn(User.first_seen_at)
            case "last_seen":
                return _TimeColumn(User.last_seen_at)
            case _:
                return _NumberColumn(self.on_postgres, User.visits)

    def _in_group(self, node: InGroup) -> Truth:
        wanted = [GroupMember.workspace_id == self.workspace_id, GroupMember.user_id == User.id]
        if node.group_id is not None:
            wanted.append(GroupMember.group_id == node.group_id)
        members = select(GroupMember.user_id)
        if node.name is not None and node.op is not None:
            members = members.outerjoin(
                Group,
                and_(Group.workspace_id == GroupMember.workspace_id, Group.group_id == GroupMember.group_id),
            )
            known = json_values.trait(self.on_postgres, Group.traits, spellings(node.name))
            wanted.append(self._compared(known, node.op, node.value))
        return members.where(*wanted).correlate(User).exists()

    def _happened(self, node: Happened) -> Truth:
        """Counts no further than the answer needs, by the index of a user's events in time."""
        wanted = [
            Event.workspace_id == self.workspace_id,
            Event.user_id == User.id,
            Event.type == "track",
            Event.name == node.name,
        ]
        if node.in_days is not None:
            wanted.append(Event.timestamp >= instant((self.now - node.in_days * comparisons.DAY) * SECOND))
        events = select(Event.id).where(*wanted).correlate(User)
        if node.at_most is None and node.at_least == 1:
            return events.exists()
        if node.at_most == 0:
            never: Truth = not_(events.exists())
            return never
        enough = node.at_least if node.at_most is None else node.at_most + 1
        counted = select(func.count()).select_from(events.limit(enough).subquery()).scalar_subquery()
        return and_(counted >= node.at_least, true() if node.at_most is None else counted <= node.at_most)

    def _in_state(self, key: str, state: str) -> Truth:
        if key not in self.contents:
            return true() if state == "not_started" else false()
        content_id, void_before = self.contents[key]
        rows = exists().where(
            ContentState.workspace_id == self.workspace_id,
            ContentState.user_id == User.id,
            ContentState.content_id == content_id,
            ContentState.state_at >= void_before,
        )
        if state == "not_started":
            return not_(rows.where(ContentState.state != state).correlate(User))
        return rows.where(ContentState.state == state).correlate(User)


class _TextColumn(Operand):
    def __init__(self, on_postgres: bool, column: Sql) -> None:
        self.on_postgres, self.column = on_postgres, column

    def exists(self) -> Truth:
        return self.column.is_not(None)

    def same(self, value: Any) -> Truth:
        return self.column == value if isinstance(value, str) else false()

    def among(self, values: Sequence[Any]) -> Truth:
        return json_values.one_of(self.on_postgres, self.column, [value for value in values if isinstance(value, str)])

    def holds(self, value: Any) -> Truth:
        return contains(self.on_postgres, self.column, value) if isinstance(value, str) else false()

    def text(self) -> Sql:
        return self.column


class _NumberColumn(Operand):
    def __init__(self, on_postgres: bool, column: Sql) -> None:
        self.on_postgres, self.column = on_postgres, column

    def same(self, value: Any) -> Truth:
        return self.column == self.said_number(value)

    def number(self) -> Sql:
        return self.column

    def said_number(self, value: float) -> Sql:
        return json_values.number(self.on_postgres, value)


class _TimeColumn(Operand):
    def __init__(self, column: Sql) -> None:
        self.column = column

    def between(self, first: int, last: int) -> Truth:
        # Cut off to its second or not, a time is before a whole second or is not.
        since = [self.column >= instant(first * SECOND)] if first > FIRST_SECOND else []
        until = [self.column < instant((last + 1) * SECOND)] if last < LAST_SECOND else []
        return and_(*since, *until)


def _is_piece(text: Sql, start: Any, wanted: str) -> Truth:
    found: Truth = func.substr(text, start, len(wanted), type_=String) == wanted
    return found


def _contents(session: Session, workspace_id: int, keys: Collection[str]) -> dict[str, tuple[int, int]]:
    if not keys:
        return {}
    rows = session.execute(
        select(Content.key, Content.id, Content.reset_at).where(
            Content.workspace_id == workspace_id, Content.key.in_(keys)
        )
    )
    return {key: (row_id, microseconds(reset) if reset else 0) for key, row_id, reset in rows}
