"""Changing a user by hand: traits, e-mail and username, under the same rules of uniqueness as messages."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.identity import keys, traits
from productfruits.models import User, UserAlias
from productfruits.services import outbox, users
from productfruits.services.locks import write_lock
from productfruits.services.outbox import Change
from productfruits.services.times import microseconds


class InvalidEmail(ProductFruitsError):
    """This is not an e-mail address. Give a text with an @ of at most 512 bytes, or null to clear it."""


class InvalidUsername(ProductFruitsError):
    """This cannot be a username: it is empty, longer than 512 bytes, or a placeholder such as "null" or "anonymous"."""


class EmailTaken(ProductFruitsError):
    """Another user of this workspace has this e-mail. Merge the two, or change the other one first."""


class UsernameTaken(ProductFruitsError):
    """This id leads to another user of this workspace. Merge the two, or unlink the id there first."""


def change(
    session: Session, workspace_id: int, user_id: str, changes: Mapping[str, Any], now: dt.datetime
) -> users.Known:
    """Apply `traits` (per key; null clears), `email` (null clears) and `username`, each if it is there.

    What is set counts as said at `now`: older messages that come later do not undo it. A former username goes on
    leading to the user. Call it before the transaction's first read.
    """
    write_lock(session, workspace_id)
    user = users.get(session, workspace_id, user_id)
    if "email" in changes:
        _set_email(session, user, changes["email"], microseconds(now))
    if "username" in changes:
        _set_username(session, user, changes["username"], now)
    if "traits" in changes:
        values, times = dict(user.traits), dict(user.trait_times)
        traits.merge(values, times, changes["traits"], microseconds(now))
        user.traits, user.trait_times = values, times
    session.flush()
    outbox.note(session, workspace_id, Change("user.updated", user_id), now)
    return users.show(session, workspace_id, user_id)


def _set_email(session: Session, user: User, email: str | None, at: int) -> None:
    key = None if email is None else keys.email_key(email)
    if email is not None and key is None:
        raise InvalidEmail()
    if key is not None and key != user.email_key:
        owner = session.scalar(select(User.id).where(User.workspace_id == user.workspace_id, User.email_key == key))
        if owner is not None:
            raise EmailTaken()
    user.email, user.email_key, user.email_at = (None if email is None else email.strip()), key, at


def _set_username(session: Session, user: User, text: str, now: dt.datetime) -> None:
    username = keys.identifier(text)
    if username is None:
        raise InvalidUsername()
    if username == user.username:
        return
    owner = users.find(session, user.workspace_id, username=username)
    if owner is not None and owner.id != user.id:
        raise UsernameTaken()
    own = session.get(UserAlias, (user.workspace_id, "user_id", username))
    if own is not None:
        session.delete(own)
    if user.username is not None:
        former = UserAlias(
            workspace_id=user.workspace_id,
            kind="user_id",
            value=user.username,
            user_id=user.id,
            how="alias",
            created_at=now,
        )
        session.add(former)
    user.username = username
