"""Who is behind pages, and what nearly every question of a page reads: in few statements for all that ask at once."""

import datetime as dt
import functools
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Dialect, bindparam, select
from sqlalchemy.orm import Session

from productfruits.adoption.subjects import EventCount
from productfruits.models import ContentState, User, UserAlias
from productfruits.services import content_states, prepared, subjects
from productfruits.services.content_states import Owner
from productfruits.services.prepared import AnySelect
from productfruits.services.subjects import Counting, Counts
from productfruits.services.times import microseconds


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page says about itself. Ids have been through `keys.identifier`."""

    username: str | None = None
    anonymous_id: str | None = None
    verified: bool = False
    language: str | None = None
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Whoever is behind the ids of a page: a user, or a visitor whose states may be those of a user by now."""

    owner: Owner | None = None
    #: The user whom the page names; a visitor's page names none, even if the visitor has joined one.
    user: Any = None
    #: Changes whenever an answer about this one could.
    changed: str = ""


_WORKSPACE: BindParameter[int] = bindparam("of_workspace")
_USER = (
    User.id,
    User.username,
    User.email,
    User.traits,
    User.first_seen_at,
    User.last_seen_at,
    User.visits,
    User.visit_began_at,
    User.changed_at,
)
_BY_USERNAME = select(*_USER).where(
    User.workspace_id == _WORKSPACE, User.username.in_(bindparam("of_usernames", expanding=True))
)
_BY_ALIAS = (
    select(UserAlias.value, *_USER)
    .join(User, (UserAlias.workspace_id == User.workspace_id) & (UserAlias.user_id == User.id))
    .where(
        UserAlias.workspace_id == _WORKSPACE,
        UserAlias.kind == bindparam("of_kind"),
        UserAlias.value.in_(bindparam("of_ids", expanding=True)),
    )
)
_OF_USERS = select(*content_states.COLUMNS).where(
    ContentState.workspace_id == _WORKSPACE, ContentState.user_id.in_(bindparam("of_users", expanding=True))
)
_OF_VISITORS = select(*content_states.COLUMNS).where(
    ContentState.workspace_id == _WORKSPACE, ContentState.anonymous_id.in_(bindparam("of_visitors", expanding=True))
)


class Reads:
    """What nearly every question of a page reads, by a connection of the driver: in a tenth of the ORM's time."""

    def __init__(self, open_session: Callable[[], Session], driver: Any, dialect: Dialect) -> None:
        self._open_session = open_session
        self._driver = driver
        self._dialect = dialect

    @functools.cached_property
    def session(self) -> Session:
        """For what is seldom read; opened with the first use."""
        return self._open_session()

    def rows(self, statement: AnySelect, values: Mapping[str, Any]) -> Sequence[Any]:
        return prepared.of(statement, self._dialect).rows(self._driver, values)

    def users(self, workspace_id: int, usernames: Collection[str]) -> dict[str, Any]:
        """The users to whom these usernames lead, also former and aliased ones."""
        if not usernames:
            return {}
        found = self.rows(_BY_USERNAME, {"of_workspace": workspace_id, "of_usernames": list(usernames)})
        users = {user.username: user for user in found}
        if len(users) < len(usernames):
            users |= self.users_by_alias(workspace_id, "user_id", usernames - users.keys())
        return users

    def users_by_alias(self, workspace_id: int, kind: str, ids: Collection[str]) -> dict[str, Any]:
        """The users to whom these ids lead."""
        if not ids:
            return {}
        found = self.rows(_BY_ALIAS, {"of_workspace": workspace_id, "of_kind": kind, "of_ids": list(ids)})
        return {user.value: user for user in found}

    def states(self, workspace_id: int, owners: Collection[Owner]) -> dict[Owner, list[Any]]:
        """The rows of the owners' states, void ones among them."""
        states: dict[Owner, list[Any]] = {owner: [] for owner in owners}
        user_ids = [owner for kind, owner in states if kind == "user"]
        visitors = [owner for kind, owner in states if kind == "visitor"]
        if user_ids:
            for row in self.rows(_OF_USERS, {"of_workspace": workspace_id, "of_users": user_ids}):
                states["user", row.user_id].append(row)
        if visitors:
            for row in self.rows(_OF_VISITORS, {"of_workspace": workspace_id, "of_visitors": visitors}):
                states["visitor", row.anonymous_id].append(row)
        return states

    def groups(self, workspace_id: int, user_ids: Sequence[str]) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """By user the groups with their traits."""
        return subjects.by_user(self.rows(subjects.GROUPS, {"of_workspace": workspace_id, "of_users": user_ids}))

    def counts(
        self, workspace_id: int, user_ids: Sequence[str], asks: frozenset[EventCount], now: dt.datetime
    ) -> Mapping[str, Counts]:
        """By user how often what is asked for has happened."""
        question = Counting.of(asks)
        return question.answers(self.rows(question.statement, question.values(workspace_id, user_ids, now)))


def find(reads: Reads, workspace_id: int, asked: Collection[Asked]) -> list[Found]:
    """Who is it, of each? One indexed read where the pages name users by username."""
    users = reads.users(workspace_id, {each.username for each in asked if each.username is not None})
    visitors = {each.anonymous_id for each in asked if each.username not in users and each.anonymous_id is not None}
    joined = reads.users_by_alias(workspace_id, "anonymous_id", visitors) if visitors else {}
    alone: list[Owner] = [("visitor", visitor) for visitor in visitors if visitor not in joined]
    states = reads.states(workspace_id, alone) if alone else {}
    found = []
    for each in asked:
        if each.username is not None and (user := users.get(each.username)) is not None:
            found.append(Found(("user", user.id), user, _changed(user)))
        elif each.anonymous_id is None:
            found.append(Found())
        elif (user := joined.get(each.anonymous_id)) is not None:
            # Of a visitor who has joined a user nothing is told but the progress: the page does not say who it is.
            found.append(Found(("user", user.id), None, _changed(user)))
        else:
            owner: Owner = ("visitor", each.anonymous_id)
            rows = sorted(repr(tuple(row)) for row in states[owner])
            found.append(Found(owner, None, hashlib.blake2b(repr(rows).encode(), digest_size=12).hexdigest()))
    return found


def _changed(user: Any) -> str:
    return f"{user.id}.{microseconds(user.changed_at)}"
