"""Who is who, decided by an admin: merging two users into one, and taking an id away from a user again."""

import datetime as dt

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from productfruits.errors import ProductFruitsError
from productfruits.identity import traits
from productfruits.models import Event, User, UserAlias
from productfruits.services import moves, outbox, user_ids, users
from productfruits.services.locks import write_lock
from productfruits.services.outbox import Change


class SameUser(ProductFruitsError):
    """These are one and the same user already: choose two different ones to merge."""


class NoSuchAlias(ProductFruitsError):
    """This id does not lead to a user of this workspace, or it is the user's own username, which cannot be unlinked."""


def merge(session: Session, workspace_id: int, keep_id: str, other_id: str, now: dt.datetime) -> User:
    """Fold the other user into the one to keep, and return the latter.

    Per trait the newest value wins. The kept user's e-mail stays; the other's is taken over only where there is none,
    else it is free again. The other's ids lead to the kept user; events and memberships go along. Call it before the
    transaction's first read.
    """
    write_lock(session, workspace_id)
    return fold(session, workspace_id, keep_id, other_id, now)


def fold(session: Session, workspace_id: int, keep_id: str, other_id: str, now: dt.datetime) -> User:
    """`merge` for a caller who holds the workspace's write lock."""
    if keep_id == other_id:
        raise SameUser()
    keep = users.get(session, workspace_id, keep_id)
    other = users.get(session, workspace_id, other_id)
    username, email = other.username, (other.email, other.email_key, other.email_at)
    other.username = other.email = other.email_key = None
    session.flush()  # the keys are free before the kept user takes them

    if keep.username is None:
        keep.username = username
    elif username is not None:
        session.add(
            UserAlias(
                workspace_id=workspace_id, kind="user_id", value=username, user_id=keep.id, how="merge", created_at=now
            )
        )
    if keep.email_key is None:
        keep.email, keep.email_key, keep.email_at = email
    values, times = dict(keep.traits), dict(keep.trait_times)
    traits.fold(values, times, other.traits, other.trait_times)
    keep.traits, keep.trait_times = values, times
    keep.first_seen_at = min(keep.first_seen_at, other.first_seen_at)
    keep.last_seen_at = max(keep.last_seen_at, other.last_seen_at)

    session.flush()
    moves.move_user(session, workspace_id, other.id, keep.id, now)
    session.expunge(other)
    outbox.note(session, workspace_id, Change("user.updated", keep.id), now)
    return keep


def unlink(session: Session, workspace_id: int, kind: str, value: str, now: dt.datetime) -> User | None:
    """Take an id away from the user it leads to, with the events sent under it; traits stay.

    A user id becomes the username of a user of its own, who is returned. An anonymous id is a visitor again, and None
    is returned. Raises `NoSuchAlias`. Call it before the transaction's first read.
    """
    write_lock(session, workspace_id)
    alias = session.get(UserAlias, (workspace_id, kind, value))
    if alias is None:
        raise NoSuchAlias()
    owner_id = alias.user_id
    session.delete(alias)
    session.flush()
    if kind == "anonymous_id":
        _give(
            session,
            and_(
                Event.workspace_id == workspace_id,
                Event.user_id == owner_id,
                Event.anonymous_id == value,
                Event.sent_user_id.is_(None),
            ),
            None,
        )
        return None
    sent = and_(Event.workspace_id == workspace_id, Event.user_id == owner_id, Event.sent_user_id == value)
    first, last = session.execute(select(func.min(Event.received_at), func.max(Event.received_at)).where(sent)).one()
    user = User(
        id=user_ids.new(),
        workspace_id=workspace_id,
        username=value,
        traits={},
        trait_times={},
        first_seen_at=first or now,
        last_seen_at=last or now,
        created_at=now,
    )
    session.add(user)
    session.flush()
    _give(session, sent, user.id)
    outbox.note(session, workspace_id, Change("user.created", user.id), now)
    return user


def _give(session: Session, events: ColumnElement[bool], user_id: str | None) -> None:
    values = {"user_id": user_id} if user_id else {"user_id": None, "matched_by": "anonymous"}
    session.execute(update(Event).where(events).values(values).execution_options(synchronize_session=False))
