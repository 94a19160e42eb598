"""Who is behind a page, and what nearly every question of a page reads: in few statements, as quick as the store is."""

import datetime as dt
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.orm import Session

from productfruits.adoption.subjects import EventCount
from productfruits.models import ContentState, User, UserAlias
from productfruits.services import content_states, prepared, subjects
from productfruits.services.content_states import Owner
from productfruits.services.prepared import AnySelect
from productfruits.services.sites import Site
from productfruits.services.subjects import Counting
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
    #: The page names this user; a visitor's page does not, even if the visitor has joined one.
    is_named: bool = False
    #: Changes whenever an answer about this one could.
    changed: str = ""


USER_COLUMNS = (
    User.id,
    User.username,
    User.email,
    User.traits,
    User.first_seen_at,
    User.last_seen_at,
    User.visits,
    User.visit_began_at,
)
_CHANGE = select(User.id, User.changed_at).where(
    User.workspace_id == bindparam("of_workspace"), User.username == bindparam("of_username")
)
_USER = select(*USER_COLUMNS).where(User.workspace_id == bindparam("of_workspace"), User.id == bindparam("of_user"))
_OF_USER = select(*content_states.COLUMNS).where(
    ContentState.workspace_id == bindparam("of_workspace"), ContentState.user_id == bindparam("of_user")
)
_OF_VISITOR = select(*content_states.COLUMNS).where(
    ContentState.workspace_id == bindparam("of_workspace"), ContentState.anonymous_id == bindparam("of_visitor")
)


class Reads:
    """The reads that nearly every question of a page needs, through a session."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session

    @functools.cached_property
    def session(self) -> Session:
        """For what is seldom read; opened with the first use."""
        return self._open_session()

    def change(self, workspace_id: int, username: str) -> Any:
        """Of the user with this username the id and when anything changed, or None."""
        return self.session.execute(_CHANGE, {"of_workspace": workspace_id, "of_username": username}).one_or_none()

    def user(self, workspace_id: int, user_id: str) -> Any:
        """The user's columns, or None."""
        return self.session.execute(_USER, {"of_workspace": workspace_id, "of_user": user_id}).one_or_none()

    def states(self, workspace_id: int, owner: Owner) -> Sequence[Any]:
        """The rows of the owner's states, void ones among them."""
        kind, value = owner
        if kind == "user":
            return self.session.execute(_OF_USER, {"of_workspace": workspace_id, "of_user": value}).all()
        return self.session.execute(_OF_VISITOR, {"of_workspace": workspace_id, "of_visitor": value}).all()

    def groups(self, workspace_id: int, user_id: str) -> dict[str, Mapping[str, Any]]:
        return subjects.groups(self.session, workspace_id, user_id)

    def counts(
        self, workspace_id: int, user_id: str, asks: frozenset[EventCount], now: dt.datetime
    ) -> dict[EventCount, int]:
        return subjects.counts(self.session, workspace_id, user_id, asks, now)


class QuickReads(Reads):
    """The same on SQLite through a connection of the driver, in a tenth of the time."""

    def __init__(self, open_session: Callable[[], Session], driver: Any, dialect: Dialect) -> None:
        super().__init__(open_session)
        self._driver = driver
        self._dialect = dialect

    def change(self, workspace_id: int, username: str) -> Any:
        return next(iter(self._rows(_CHANGE, {"of_workspace": workspace_id, "of_username": username})), None)

    def user(self, workspace_id: int, user_id: str) -> Any:
        return next(iter(self._rows(_USER, {"of_workspace": workspace_id, "of_user": user_id})), None)

    def states(self, workspace_id: int, owner: Owner) -> Sequence[Any]:
        kind, value = owner
        if kind == "user":
            return self._rows(_OF_USER, {"of_workspace": workspace_id, "of_user": value})
        return self._rows(_OF_VISITOR, {"of_workspace": workspace_id, "of_visitor": value})

    def groups(self, workspace_id: int, user_id: str) -> dict[str, Mapping[str, Any]]:
        return subjects.in_groups(self._rows(subjects.GROUPS, {"of_workspace": workspace_id, "of_user": user_id}))

    def counts(
        self, workspace_id: int, user_id: str, asks: frozenset[EventCount], now: dt.datetime
    ) -> dict[EventCount, int]:
        if not asks:
            return {}
        question = Counting.of(asks)
        return question.answers(self._rows(question.statement, question.values(workspace_id, user_id, now)))

    def _rows(self, statement: AnySelect, values: Mapping[str, Any]) -> Sequence[Any]:
        return prepared.of(statement, self._dialect).rows(self._driver, values)


def find(reads: Reads, site: Site, asked: Asked) -> Found:
    """Who is it? One indexed read where the page names a user by username."""
    if asked.username is not None:
        user = reads.change(site.workspace_id, asked.username)
        if user is None:
            user = _by_alias(reads.session, site.workspace_id, "user_id", asked.username)
        if user is not None:
            return Found(("user", user.id), True, f"{user.id}.{microseconds(user.changed_at)}")
    if asked.anonymous_id is None:
        return Found()
    # Of a visitor who has joined a user nothing is told but the progress: the page does not say that it is this user.
    user = _by_alias(reads.session, site.workspace_id, "anonymous_id", asked.anonymous_id)
    if user is not None:
        return Found(("user", user.id), False, f"{user.id}.{microseconds(user.changed_at)}")
    owner: Owner = ("visitor", asked.anonymous_id)
    rows = sorted(repr(tuple(row)) for row in reads.states(site.workspace_id, owner))
    return Found(owner, False, hashlib.blake2b(repr(rows).encode(), digest_size=12).hexdigest())


def _by_alias(session: Session, workspace_id: int, kind: str, value: str) -> Any:
    """Of the user to whom this id leads, the id and when anything changed, or None."""
    return session.execute(
        select(User.id, User.changed_at)
        .join(UserAlias, (UserAlias.workspace_id == User.workspace_id) & (UserAlias.user_id == User.id))
        .where(UserAlias.workspace_id == workspace_id, UserAlias.kind == kind, UserAlias.value == value)
    ).one_or_none()
