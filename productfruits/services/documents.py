"""The JSON documents in which users, events and the rest leave this server: the same over HTTP and on the command line.

The shapes are the public contract (docs/reference/http-api.md): keys are added, never renamed or taken away.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from productfruits.adoption import documents as adoption_documents
from productfruits.models import Audience, Conflict, Content, ContentVersion, Event, Group, Rejection, User
from productfruits.services.pages import Page
from productfruits.services.stats import Stats
from productfruits.services.users import Known

Document = dict[str, Any]
Row = TypeVar("Row")


def user(known: Known) -> Document:
    row = known.user
    return {
        "id": row.id,
        "username": row.username,
        "email": row.email,
        "traits": row.traits,
        "aliases": [{"kind": alias.kind, "value": alias.value} for alias in known.aliases],
        "first_seen_at": instant(row.first_seen_at),
        "last_seen_at": instant(row.last_seen_at),
        "created_at": instant(row.created_at),
    }


def event(row: Event) -> Document:
    return {
        "message_id": row.message_id,
        "type": row.type,
        "event": row.name,
        "timestamp": instant(row.timestamp),
        "received_at": instant(row.received_at),
        "properties": row.properties,
        "source": row.source,
        "matched_by": row.matched_by,
    }


def event_with_user(row: Event) -> Document:
    return {**event(row), "user_id": row.user_id}


def group(row: Group, members: Iterable[User]) -> Document:
    return {
        "group_id": row.group_id,
        "traits": row.traits,
        "members": [member.username if member.username is not None else f"id:{member.id}" for member in members],
    }


def conflict(row: Conflict) -> Document:
    return {
        "id": row.id,
        "kind": row.kind,
        # After a merge both sides are one user.
        "user_ids": list(dict.fromkeys((row.user_id, row.other_user_id))),
        "email": row.email,
        "username": row.username,
        "message_id": row.message_id,
        "created_at": instant(row.created_at),
        "resolved_at": instant(row.resolved_at),
    }


def rejection(row: Rejection) -> Document:
    return {
        "id": row.id,
        "received_at": instant(row.received_at),
        "source": row.source,
        "reason": row.reason,
        "detail": row.detail,
    }


def stats(numbers: Stats) -> Document:
    return {
        "users": numbers.users,
        "anonymous": numbers.anonymous,
        "events": numbers.events,
        "events_by_type": numbers.events_by_type,
    }


def audience(row: Audience) -> Document:
    return {"key": row.key, "name": row.name, "rule": row.rule, "updated_at": instant(row.updated_at)}


def content(row: Content) -> Document:
    """A tour or checklist without its draft."""
    return {
        "id": row.id,
        "kind": row.kind,
        "key": row.key,
        "name": row.name,
        "status": row.status,
        "draft_differs": row.draft_differs,
        "published_version": row.published_version,
        "previous_version": row.previous_version,
        "archived_at": instant(row.archived_at),
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }


def content_with_draft(row: Content) -> Document:
    return {**content(row), "document": adoption_documents.ordered(row.kind, row.draft)}


def version(row: ContentVersion) -> Document:
    """A version without what was published."""
    return {"number": row.number, "published_at": instant(row.published_at), "published_by": row.published_by}


def version_with_document(row: ContentVersion) -> Document:
    return {**version(row), "document": adoption_documents.ordered(row.document["kind"], row.document)}


def page(name: str, found: Page[Row], document: Callable[[Row], Document]) -> Document:
    """A list under its name, and where it goes on."""
    return {name: [document(row) for row in found.rows], "next_cursor": found.next_cursor}


def instant(value: dt.datetime | None) -> str | None:
    """A time as Segment writes it: UTC, milliseconds, Z."""
    return None if value is None else value.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
