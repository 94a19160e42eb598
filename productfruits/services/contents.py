"""Tours and checklists: found, listed, and written as drafts. What users see of them is decided in `publishing`.

Whoever changes one holds it first: `contents.held(session, workspace_id, key)`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from productfruits.adoption import documents, references
from productfruits.adoption.documents import Document
from productfruits.adoption.fields import ID, NAME_MAX
from productfruits.adoption.references import Reference
from productfruits.errors import ProductFruitsError
from productfruits.models import Audience, Content, ContentVersion
from productfruits.services import pages
from productfruits.services.pages import Page

STATUSES = ("draft", "published", "archived")
COPY = " (copy)"


class NoSuchContent(ProductFruitsError):
    """There is no such tour or checklist in this workspace."""


class NoSuchVersion(ProductFruitsError):
    """There is no such version; the numbers go from 1 to that of the newest one."""


class KeyTaken(ProductFruitsError):
    """Another tour or checklist of this workspace has this key. Choose another one; it never changes."""


class Archived(ProductFruitsError):
    """This is in the archive, where nothing changes. Take it out of the archive first."""


class StillPublished(ProductFruitsError):
    """Users see this now. Unpublish or archive it before you delete it; its numbers go with it."""


class StillNeeded(ProductFruitsError):
    """What users see refers to this."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(
            f"What users see refers to this: {', '.join(keys)}. Take the reference out, publish, and delete this then."
        )


@dataclass(frozen=True, slots=True)
class Live:
    """A content as users see it now."""

    id: int
    kind: str
    key: str
    name: str
    version: int
    document: Document
    published_at: dt.datetime
    #: When everybody was to start anew: states older than this are void.
    reset_at: dt.datetime | None


def live(session: Session, workspace_id: int) -> Sequence[Live]:
    """Every content of the workspace that users see, in the order in which they were made."""
    rows = session.execute(
        select(Content, ContentVersion)
        .join(
            ContentVersion,
            (ContentVersion.workspace_id == Content.workspace_id)
            & (ContentVersion.content_id == Content.id)
            & (ContentVersion.number == Content.published_version),
        )
        .where(Content.workspace_id == workspace_id, Content.archived_at.is_(None))
        .order_by(Content.id)
    )
    return [
        Live(
            content.id,
            content.kind,
            content.key,
            version.document["name"],
            version.number,
            version.document,
            version.published_at,
            content.reset_at,
        )
        for content, version in rows
    ]


def at_version(session: Session, workspace_id: int, content_id: int, number: int) -> Document:
    """What was published under this number, or `NoSuchVersion`."""
    return version(session, workspace_id, content_id, number).document


def version(session: Session, workspace_id: int, content_id: int, number: int) -> ContentVersion:
    """The version with this number, or `NoSuchVersion`."""
    # Beyond what a column of numbers can be asked for.
    row = session.get(ContentVersion, (workspace_id, content_id, number)) if number < 2**31 else None
    if row is None:
        raise NoSuchVersion()
    return row


def versions(
    session: Session, content: Content, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[ContentVersion]:
    """The versions of a content, newest first."""
    query = select(ContentVersion).where(
        ContentVersion.workspace_id == content.workspace_id, ContentVersion.content_id == content.id
    )
    if cursor is not None:
        content_id, number = pages.decode("versions", cursor, tuple[int, int])
        if content_id != content.id:
            raise pages.InvalidCursor()
        query = query.where(ContentVersion.number < number)
    rows = session.scalars(query.order_by(ContentVersion.number.desc()).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda row: pages.encode("versions", content.id, row.number))


def page(
    session: Session,
    workspace_id: int,
    *,
    kind: str | None = None,
    status: str | None = None,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Content]:
    """Contents in the order in which they were made. The archive is left out unless `status` asks for it."""
    query = select(Content).where(Content.workspace_id == workspace_id)
    if kind is not None:
        query = query.where(Content.kind == kind)
    if status == "archived":
        query = query.where(Content.archived_at.is_not(None))
    else:
        query = query.where(Content.archived_at.is_(None))
    if status == "published":
        query = query.where(Content.published_version.is_not(None))
    elif status == "draft":
        query = query.where(Content.published_version.is_(None))
    if cursor is not None:
        (last_id,) = pages.decode("contents", cursor, tuple[int])
        query = query.where(Content.id > last_id)
    rows = session.scalars(query.order_by(Content.id).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda row: pages.encode("contents", row.id))


def every(session: Session, workspace_id: int) -> Sequence[Content]:
    """All contents that are not archived, by kind and key."""
    rows = session.scalars(select(Content).where(Content.workspace_id == workspace_id, Content.archived_at.is_(None)))
    return sorted(rows, key=lambda row: (row.kind, row.key))


def has_published(session: Session, workspace_id: int) -> bool:
    """Whether users see any content now."""
    query = select(Content.id).where(
        Content.workspace_id == workspace_id, Content.published_version.is_not(None), Content.archived_at.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def by_key(session: Session, workspace_id: int, key: str, kind: str | None = None) -> Content:
    """The content with this key (of this kind), archived or not, or `NoSuchContent`."""
    return _found(session.scalar(_by_key(workspace_id, key, kind)) if ID.fullmatch(key) else None)


def held(session: Session, workspace_id: int, key: str, kind: str | None = None) -> Content:
    """The content as `by_key` finds it, and nobody else changes it until the transaction ends."""
    query = _by_key(workspace_id, key, kind).with_for_update(key_share=True)
    found = session.scalar(query.execution_options(populate_existing=True)) if ID.fullmatch(key) else None
    return _found(found)


def is_taken(session: Session, workspace_id: int, key: str) -> bool:
    """Tell whether a tour or checklist of the workspace has this key."""
    return session.scalar(_by_key(workspace_id, key, None)) is not None


def create(session: Session, workspace_id: int, kind: str, document: Document, now: dt.datetime) -> Content:
    """A new content whose draft is the document, as `documents.load` returns it."""
    row = Content(
        workspace_id=workspace_id,
        kind=kind,
        key=document["key"],
        name=document["name"],
        draft=document,
        draft_differs=True,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as err:
        raise KeyTaken() from err
    return row


def save_draft(session: Session, content: Content, document: Document, now: dt.datetime) -> bool:
    """Have the draft say what the document says; users see it once it is published. False when it said so already."""
    refuse_archived(content)
    document = {**document, "key": content.key}
    if documents.same(content.draft, document):
        return False
    last = newest(session, content)
    content.draft = document
    content.name = document["name"]
    content.draft_differs = last is None or not documents.same(last.document, document)
    content.updated_at = now
    session.flush()
    return True


def duplicate(session: Session, content: Content, key: str, now: dt.datetime, name: str | None = None) -> Content:
    """A new content with another key, whose draft says what this one's says."""
    draft = {**content.draft, "key": key, "name": name or content.name[: NAME_MAX - len(COPY)] + COPY}
    return create(session, content.workspace_id, content.kind, documents.load(content.kind, draft), now)


def remove(session: Session, content: Content) -> None:
    """Delete a content that users do not see, with its versions and everybody's state in it. This cannot be undone."""
    if content.published_version is not None:
        raise StillPublished()
    needed_by = [
        other.key
        for other in live(session, content.workspace_id)
        if any(_names(reference, content.key) for reference in references.of(other.document))
    ]
    rules = select(Audience.key, Audience.rule).where(Audience.workspace_id == content.workspace_id)
    needed_by += [
        f"audience {key}"
        for key, rule in session.execute(rules)
        if any(_names(reference, content.key) for reference in references.of_rule(rule))
    ]
    if needed_by:
        raise StillNeeded(needed_by)
    session.delete(content)
    session.flush()


def newest(session: Session, content: Content) -> ContentVersion | None:
    """The version with the highest number, None before the first publishing."""
    return session.scalar(
        select(ContentVersion)
        .where(ContentVersion.workspace_id == content.workspace_id, ContentVersion.content_id == content.id)
        .order_by(ContentVersion.number.desc())
        .limit(1)
    )


def refuse_archived(content: Content) -> None:
    """Raise `Archived` for a content in the archive."""
    if content.archived_at is not None:
        raise Archived()


def _names(reference: Reference, key: str) -> bool:
    return reference.key == key and reference.what in ("tour", "item", "content")


def _by_key(workspace_id: int, key: str, kind: str | None) -> Select[Any]:
    query = select(Content).where(Content.workspace_id == workspace_id, Content.key == key)
    return query if kind is None else query.where(Content.kind == kind)


def _found(row: Content | None) -> Content:
    if row is None:
        raise NoSuchContent()
    return row
