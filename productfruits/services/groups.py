"""Groups of users: what Segment's group call says of a company or account."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from productfruits.database import table
from productfruits.errors import ProductFruitsError
from productfruits.identity import traits
from productfruits.models import Group, GroupMember, User
from productfruits.services import bulk, users


class NoSuchGroup(ProductFruitsError):
    """There is no such group in this workspace."""


def merge(
    session: Session, workspace_id: int, calls: Sequence[tuple[str, Mapping[str, Any], int]], now: dt.datetime
) -> None:
    """Apply group calls (group id, traits, time in microseconds) in order: per trait the newest time wins.

    The caller holds the workspace's write lock.
    """
    if not calls:
        return
    bulk.settle(session)
    stored = {
        group.group_id: group
        for group in session.execute(
            select(Group.group_id, Group.traits, Group.trait_times).where(
                Group.workspace_id == workspace_id, Group.group_id.in_({group_id for group_id, _, _ in calls})
            )
        )
    }
    merged: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
        group_id: (dict(row.traits), dict(row.trait_times)) for group_id, row in stored.items()
    }
    for group_id, said, at in calls:
        values, times = merged.setdefault(group_id, ({}, {}))
        traits.merge(values, times, said, at)
    new, changed = [], []
    for group_id, (values, times) in merged.items():
        row = stored.get(group_id)
        if row is None:
            new.append(
                {
                    "workspace_id": workspace_id,
                    "group_id": group_id,
                    "traits": values,
                    "trait_times": times,
                    "created_at": now,
                }
            )
        elif values != row.traits or times != row.trait_times:
            changed.append({"row_id": group_id, "traits": values, "trait_times": times})
    if new:
        session.execute(insert(Group), new)
    if changed:
        rows = table(Group)
        session.execute(
            update(rows)
            .where(rows.c.workspace_id == workspace_id, rows.c.group_id == bindparam("row_id"))
            .values(traits=bindparam("traits"), trait_times=bindparam("trait_times")),
            changed,
        )


def show(session: Session, workspace_id: int, group_id: str) -> Group:
    """The group, or `NoSuchGroup`."""
    group = session.scalar(
        select(Group).where(Group.workspace_id == workspace_id, Group.group_id == users.storable(group_id))
    )
    if group is None:
        raise NoSuchGroup()
    return group


def members(session: Session, workspace_id: int, group_id: str) -> Sequence[User]:
    """The group's users, by username; those without one come last, in the order in which they were made."""
    found = session.scalars(
        select(User)
        .join(GroupMember, GroupMember.user_id == User.id)
        .where(GroupMember.workspace_id == workspace_id, GroupMember.group_id == group_id)
    )
    # Sorted here, since every database has its own idea of the order of texts.
    return sorted(found, key=lambda user: (user.username is None, user.username or "", user.id))
