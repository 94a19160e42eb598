"""Rows for tests in one line each. Every value has a default that is unlike the others."""

import datetime as dt
import itertools
from typing import Any

from sqlalchemy.orm import Session

from productfruits.identity import keys
from productfruits.models import (
    Conflict,
    Content,
    ContentState,
    Event,
    Group,
    GroupMember,
    User,
    UserAlias,
    Visitor,
    Workspace,
)
from productfruits.services import user_ids, workspaces
from productfruits.services.times import microseconds

NOW = dt.datetime(2030, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
_numbers = itertools.count(1)


def workspace(session: Session, name: str = "Acme") -> Workspace:
    return workspaces.create(session, name, NOW)


def user(
    session: Session, owner: Workspace, username: str | None = None, email: str | None = None, **values: Any
) -> User:
    row = User(
        **{
            "id": user_ids.new(),
            "workspace_id": owner.id,
            "username": username,
            "email": email,
            "email_key": keys.email_key(email),
            "email_at": 1 if email else None,
            "traits": {},
            "trait_times": dict.fromkeys(values.get("traits", ()), 1),
            "first_seen_at": NOW,
            "last_seen_at": NOW,
            "visit_began_at": NOW,
            "changed_at": NOW,
            "created_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def alias(session: Session, of: User, value: str, kind: str = "user_id", how: str = "email") -> UserAlias:
    row = UserAlias(
        workspace_id=of.workspace_id, kind=kind, value=value, user_id=of.id, how=how, message_id="m", created_at=NOW
    )
    session.add(row)
    session.flush()
    return row


def event(session: Session, owner: Workspace, of: User | None = None, **values: Any) -> Event:
    row = Event(
        **{
            "workspace_id": owner.id,
            "user_id": of.id if of else None,
            "type": "track",
            "name": "Did",
            "message_id": f"m{next(_numbers)}",
            "timestamp": NOW,
            "received_at": NOW,
            "source": "webhook",
            "signed": True,
            "matched_by": "username" if of else "anonymous",
            "sent_user_id": of.username if of else None,
            "properties": {},
            "context": {},
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def conflict(session: Session, one: User, other: User, **values: Any) -> Conflict:
    row = Conflict(
        **{
            "workspace_id": one.workspace_id,
            "kind": "email_and_id",
            "user_id": one.id,
            "other_user_id": other.id,
            "created_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def member(session: Session, of: User, group_id: str, **traits: Any) -> Group:
    group = session.get(Group, (of.workspace_id, group_id))
    if group is None:
        group = Group(workspace_id=of.workspace_id, group_id=group_id, traits=traits, trait_times={}, created_at=NOW)
        session.add(group)
    session.add(GroupMember(workspace_id=of.workspace_id, group_id=group_id, user_id=of.id, joined_at=NOW))
    session.flush()
    return group


def visitor(session: Session, owner: Workspace, anonymous_id: str) -> Visitor:
    row = Visitor(workspace_id=owner.id, anonymous_id=anonymous_id, traits={"a": 1}, trait_times={"a": 1}, group_ids=[])
    session.add(row)
    session.flush()
    return row


def content(session: Session, owner: Workspace, key: str, **values: Any) -> Content:
    row = Content(
        **{
            "workspace_id": owner.id,
            "kind": "tour",
            "key": key,
            "name": key.title(),
            "draft": {},
            "created_at": NOW,
            "updated_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def content_state(session: Session, of: User, content_id: int, state: str, at: dt.datetime = NOW) -> ContentState:
    row = ContentState(
        workspace_id=of.workspace_id,
        content_id=content_id,
        user_id=of.id,
        state=state,
        version=1,
        items={},
        state_at=microseconds(at),
    )
    session.add(row)
    session.flush()
    return row
