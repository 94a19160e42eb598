"""Users: finding, listing and showing them. What changes who is who is in `same_person` and `erasure`."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.identity import keys
from productfruits.models import Group, GroupMember, User, UserAlias
from productfruits.services import pages
from productfruits.services.pages import Page

#: Where search looks for a person's name, in Segment's spellings.
NAME_TRAITS = ("name", "firstName", "first_name", "firstname", "lastName", "last_name", "lastname")


class NoSuchUser(ProductFruitsError):
    """There is no such user in this workspace."""


@dataclass(frozen=True, slots=True)
class Known:
    """A user with every id that leads there."""

    user: User
    aliases: Sequence[UserAlias]


def page(
    session: Session,
    workspace_id: int,
    *,
    email: str | None = None,
    username: str | None = None,
    anonymous_id: str | None = None,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Known]:
    """Users in the order in which they were made, so that walking all pages misses nobody who was there at the start.

    The filters narrow together. `username` also finds by a former or aliased id. Raises `pages.InvalidCursor`.
    """
    query = select(User).where(User.workspace_id == workspace_id)
    for condition in _conditions(workspace_id, email, username, anonymous_id):
        query = query.where(condition)
    if cursor is not None:
        (last_id,) = pages.decode("users", cursor, tuple[str])
        query = query.where(User.id > last_id)
    rows = session.scalars(query.order_by(User.id).limit(limit + 1)).all()
    found = pages.cut(rows, limit, lambda user: pages.encode("users", user.id))
    return Page(with_aliases(session, workspace_id, found.rows), found.next_cursor)


def search(
    session: Session, workspace_id: int, text: str = "", *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[User]:
    """Users whose e-mail, username or name contains `text`, or one of whose ids is `text`; last seen first."""
    query = select(User).where(User.workspace_id == workspace_id)
    if text := storable(text).strip():
        query = query.where(
            or_(
                User.email_key.contains(text.casefold(), autoescape=True),
                User.username.icontains(text, autoescape=True),
                User.id == text,
                User.id.in_(
                    select(UserAlias.user_id).where(UserAlias.workspace_id == workspace_id, UserAlias.value == text)
                ),
                *(User.traits[key].as_string().icontains(text, autoescape=True) for key in NAME_TRAITS),
            )
        )
    if cursor is not None:
        seen_at, last_id = pages.decode("search", cursor, tuple[dt.datetime, str])
        query = query.where(
            or_(User.last_seen_at < seen_at, (User.last_seen_at == seen_at) & (User.id < last_id)),
        )
    rows = session.scalars(query.order_by(User.last_seen_at.desc(), User.id.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda user: pages.encode("search", user.last_seen_at, user.id))


def find(
    session: Session,
    workspace_id: int,
    *,
    email: str | None = None,
    username: str | None = None,
    anonymous_id: str | None = None,
) -> User | None:
    """The user to whom these keys lead, or None. Of several keys all must fit."""
    conditions = _conditions(workspace_id, email, username, anonymous_id)
    if not conditions:
        return None
    query = select(User).where(User.workspace_id == workspace_id, *conditions)
    return session.scalars(query.order_by(User.id).limit(1)).first()


def get(session: Session, workspace_id: int, user_id: str) -> User:
    """The user with this id, or `NoSuchUser`; a user of another workspace is no such user."""
    user = session.scalar(select(User).where(User.workspace_id == workspace_id, User.id == storable(user_id)))
    if user is None:
        raise NoSuchUser()
    return user


def by_ids(session: Session, workspace_id: int, user_ids: Iterable[str]) -> Mapping[str, User]:
    """Those of the users that are there, by our id."""
    query = select(User).where(User.workspace_id == workspace_id, User.id.in_(set(user_ids)))
    return {user.id: user for user in session.scalars(query)}


def resolve(session: Session, workspace_id: int, text: str) -> User:
    """The user that a person means by `text`: our id, an e-mail, a username or another id; or `NoSuchUser`."""
    text = storable(text)
    for user in (
        session.scalar(select(User).where(User.workspace_id == workspace_id, User.id == text)),
        find(session, workspace_id, email=text) if keys.email_key(text) else None,
        find(session, workspace_id, username=text),
        find(session, workspace_id, anonymous_id=text),
    ):
        if user is not None:
            return user
    raise NoSuchUser()


def with_aliases(session: Session, workspace_id: int, users: Sequence[User]) -> Sequence[Known]:
    """The users in their order, each with its aliases in order of arrival."""
    aliases: dict[str, list[UserAlias]] = {user.id: [] for user in users}
    if aliases:
        for alias in session.scalars(
            select(UserAlias)
            .where(UserAlias.workspace_id == workspace_id, UserAlias.user_id.in_(aliases))
            .order_by(UserAlias.created_at, UserAlias.kind, UserAlias.value)
        ):
            aliases[alias.user_id].append(alias)
    return [Known(user, aliases[user.id]) for user in users]


def show(session: Session, workspace_id: int, user_id: str) -> Known:
    """One user with every id that leads there, or `NoSuchUser`."""
    return with_aliases(session, workspace_id, [get(session, workspace_id, user_id)])[0]


def groups_of(session: Session, user: User) -> Sequence[Group]:
    """The groups that the user belongs to, by group id."""
    return session.scalars(
        select(Group)
        .join(
            GroupMember,
            (GroupMember.workspace_id == Group.workspace_id) & (GroupMember.group_id == Group.group_id),
        )
        .where(Group.workspace_id == user.workspace_id, GroupMember.user_id == user.id)
        .order_by(Group.group_id)
    ).all()


def display_name(traits: Mapping[str, object]) -> str | None:
    """A person's name out of traits in any of Segment's spellings, or None."""
    said = {key: text.strip() for key in NAME_TRAITS if isinstance(text := traits.get(key), str) and text.strip()}
    if "name" in said:
        return said["name"]
    first = next((said[key] for key in ("firstName", "first_name", "firstname") if key in said), None)
    last = next((said[key] for key in ("lastName", "last_name", "lastname") if key in said), None)
    return " ".join(part for part in (first, last) if part) or None


def storable(text: str) -> str:
    """`text` as intake would have stored it: NUL and lone surrogates, which no store takes, are U+FFFD."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _conditions(
    workspace_id: int, email: str | None, username: str | None, anonymous_id: str | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if email is not None:
        conditions.append(User.email_key == (keys.email_key(storable(email)) or ""))
    if username is not None:
        value = keys.identifier(storable(username)) or ""
        conditions.append(or_(User.username == value, User.id.in_(_owners(workspace_id, "user_id", value))))
    if anonymous_id is not None:
        conditions.append(
            User.id.in_(_owners(workspace_id, "anonymous_id", keys.identifier(storable(anonymous_id)) or ""))
        )
    return conditions


def _owners(workspace_id: int, kind: str, value: str) -> Select[str]:
    return select(UserAlias.user_id).where(
        UserAlias.workspace_id == workspace_id, UserAlias.kind == kind, UserAlias.value == value
    )
