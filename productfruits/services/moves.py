"""What happens to rows that are already stored when people are split, folded into one another, or erased."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from productfruits.identity.directory import Effect, EraseLoose, EraseUser, JoinVisitor, MoveEvents, MoveUser
from productfruits.models import Conflict, Event, GroupMember, User, UserAlias
from productfruits.services import erasure, outbox


def carry_out(session: Session, workspace_id: int, effects: Sequence[Effect], now: dt.datetime) -> None:
    """Do to the stored rows what the directory decided, in this order."""
    # Nearly every new user brings a new anonymous id, of which nothing is stored: one question for all of them spares
    # a statement each. No effect makes an event unclaimed, so what is unclaimed now is all that can be joined.
    joined = {effect.anonymous_id for effect in effects if isinstance(effect, JoinVisitor)}
    unclaimed = _unclaimed(session, workspace_id, joined)
    for effect in effects:
        if not isinstance(effect, JoinVisitor) or effect.anonymous_id in unclaimed:
            _carry_out(session, workspace_id, effect, now)


def _unclaimed(session: Session, workspace_id: int, anonymous_ids: set[str]) -> set[str | None]:
    """Those of the anonymous ids under which events are kept that belong to nobody."""
    if not anonymous_ids:
        return set()
    return set(
        session.scalars(
            select(Event.anonymous_id)
            .where(Event.workspace_id == workspace_id, Event.user_id.is_(None), Event.anonymous_id.in_(anonymous_ids))
            .distinct()
        )
    )


def _carry_out(session: Session, workspace_id: int, effect: Effect, now: dt.datetime) -> None:
    match effect:
        case MoveEvents(from_user_id, to_user_id, sent_user_id):
            _give(
                session, [Event.user_id == from_user_id, Event.sent_user_id == sent_user_id], workspace_id, to_user_id
            )
        case JoinVisitor(anonymous_id, to_user_id, sent_user_id):
            conditions = [Event.user_id.is_(None), Event.anonymous_id == anonymous_id]
            if sent_user_id is not None:
                conditions.append(Event.sent_user_id == sent_user_id)
            _give(session, conditions, workspace_id, to_user_id)
        case MoveUser(from_user_id, to_user_id):
            move_user(session, workspace_id, from_user_id, to_user_id, now)
        case EraseUser(user_id):
            erasure.remove(session, workspace_id, user_id, "segment", now)
        case EraseLoose(sent_user_ids):
            conditions = [Event.user_id.is_(None), Event.sent_user_id.in_(sent_user_ids)]
            _give(session, conditions, workspace_id, None)
            erasure.erase_dead_letters(session, workspace_id, set(sent_user_ids))


def move_user(session: Session, workspace_id: int, from_user_id: str, to_user_id: str, now: dt.datetime) -> None:
    """Give the events, ids, memberships and conflicts of one user to another, and remove the first one's row."""
    session.execute(
        update(Event)
        .where(Event.workspace_id == workspace_id, Event.user_id == from_user_id)
        .values(user_id=to_user_id)
    )
    session.execute(
        update(UserAlias)
        .where(UserAlias.workspace_id == workspace_id, UserAlias.user_id == from_user_id)
        .values(user_id=to_user_id)
    )
    _move_memberships(session, workspace_id, from_user_id, to_user_id)
    _move_conflicts(session, workspace_id, from_user_id, to_user_id, now)
    outbox.move_subject(session, workspace_id, from_user_id, to_user_id)
    session.execute(delete(User).where(User.workspace_id == workspace_id, User.id == from_user_id))


def _give(
    session: Session, conditions: Sequence[ColumnElement[bool]], workspace_id: int, to_user_id: str | None
) -> None:
    """Give these events to a user, or erase them where there is nobody to get them."""
    where = (Event.workspace_id == workspace_id, *conditions)
    if to_user_id is None:
        outbox.forget_events(session, workspace_id, and_(*conditions))
        session.execute(delete(Event).where(*where))
    else:
        session.execute(update(Event).where(*where).values(user_id=to_user_id))


def _move_memberships(session: Session, workspace_id: int, from_user_id: str, to_user_id: str) -> None:
    mine = GroupMember.workspace_id == workspace_id
    theirs = select(GroupMember.group_id, GroupMember.joined_at).where(mine, GroupMember.user_id == from_user_id)
    known = dict(
        session.execute(
            select(GroupMember.group_id, GroupMember.joined_at).where(mine, GroupMember.user_id == to_user_id)
        ).all()
    )
    for group_id, joined_at in session.execute(theirs).all():
        if group_id not in known:
            session.execute(
                update(GroupMember)
                .where(mine, GroupMember.user_id == from_user_id, GroupMember.group_id == group_id)
                .values(user_id=to_user_id)
            )
        elif joined_at < known[group_id]:
            session.execute(
                update(GroupMember)
                .where(mine, GroupMember.user_id == to_user_id, GroupMember.group_id == group_id)
                .values(joined_at=joined_at)
            )


def _move_conflicts(session: Session, workspace_id: int, from_user_id: str, to_user_id: str, now: dt.datetime) -> None:
    for column in (Conflict.user_id, Conflict.other_user_id):
        session.execute(
            update(Conflict)
            .where(Conflict.workspace_id == workspace_id, column == from_user_id)
            .values({column: to_user_id})
        )
    session.execute(
        update(Conflict)
        .where(
            Conflict.workspace_id == workspace_id,
            Conflict.user_id == Conflict.other_user_id,
            Conflict.resolved_at.is_(None),
        )
        .values(resolved_at=now, resolution="merged")
    )
