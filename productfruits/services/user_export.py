"""Everything that is stored about one user, for the person's right of access."""

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from productfruits.models import Conflict, Event, GroupMember
from productfruits.services import documents, users


def export(session: Session, workspace_id: int, user_id: str) -> dict[str, Any]:
    """The user with ids, traits and their times, groups, conflicts, and all events, oldest first; or `NoSuchUser`."""
    known = users.show(session, workspace_id, user_id)
    joined = {
        member.group_id: member.joined_at
        for member in session.scalars(
            select(GroupMember).where(GroupMember.workspace_id == workspace_id, GroupMember.user_id == user_id)
        )
    }
    conflicts = session.scalars(
        select(Conflict)
        .where(
            Conflict.workspace_id == workspace_id,
            or_(Conflict.user_id == user_id, Conflict.other_user_id == user_id),
        )
        .order_by(Conflict.id)
    )
    events = session.scalars(
        select(Event)
        .where(Event.workspace_id == workspace_id, Event.user_id == user_id)
        .order_by(Event.timestamp, Event.id)
    )
    return {
        "user": {
            **documents.user(known),
            "aliases": [
                {
                    "kind": alias.kind,
                    "value": alias.value,
                    "how": alias.how,
                    "created_at": documents.instant(alias.created_at),
                }
                for alias in known.aliases
            ],
            "trait_times_us": known.user.trait_times,
        },
        "groups": [
            {
                "group_id": group.group_id,
                "traits": group.traits,
                "joined_at": documents.instant(joined[group.group_id]),
            }
            for group in users.groups_of(session, known.user)
        ],
        "conflicts": [documents.conflict(conflict) for conflict in conflicts],
        "events": [
            {
                **documents.event(event),
                "sent_user_id": event.sent_user_id,
                "anonymous_id": event.anonymous_id,
                "previous_id": event.previous_id,
                "group_id": event.group_id,
                "signed": event.signed,
                "context": event.context,
            }
            for event in events
        ],
    }
