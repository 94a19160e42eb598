"""What source functions set: objects by collection, merged like traits, shown and exported."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from productfruits.models import StoredObject
from productfruits.services import pages
from productfruits.services.documents import Document, instant
from productfruits.services.pages import Page


@dataclass(frozen=True, slots=True)
class Collection:
    name: str
    objects: int
    updated_at: dt.datetime


def put(session: Session, workspace_id: int, calls: Sequence[Mapping[str, Any]], now: dt.datetime) -> None:
    """Keep what `Segment.set` was given: properties that are named replace those before, null clears one."""
    for call in calls:
        key = (workspace_id, call["collection"], str(call["id"]))
        row = session.get(StoredObject, key)
        if row is None:
            row = StoredObject(
                workspace_id=workspace_id, collection=key[1], object_id=key[2], properties={}, created_at=now
            )
            session.add(row)
        merged = {**row.properties, **call["properties"]}
        row.properties = {name: value for name, value in merged.items() if value is not None}
        row.updated_at = now
        session.flush()


def forget(session: Session, workspace_id: int, ids: Set[str]) -> None:
    """Delete the objects of all collections whose id is one of these: what is kept of a person under its own ids."""
    session.execute(
        delete(StoredObject)
        .where(StoredObject.workspace_id == workspace_id, StoredObject.object_id.in_(ids))
        .execution_options(synchronize_session=False)
    )


def collections(session: Session, workspace_id: int) -> list[Collection]:
    """The collections of a workspace by name, with their sizes."""
    query = (
        select(StoredObject.collection, func.count(), func.max(StoredObject.updated_at))
        .where(StoredObject.workspace_id == workspace_id)
        .group_by(StoredObject.collection)
        .order_by(StoredObject.collection)
    )
    return [Collection(*row) for row in session.execute(query)]


def page(
    session: Session,
    workspace_id: int,
    collection: str,
    *,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[StoredObject]:
    """The objects of a collection by id. Raises `pages.InvalidCursor`."""
    query = select(StoredObject).where(StoredObject.workspace_id == workspace_id, StoredObject.collection == collection)
    if cursor is not None:
        (last,) = pages.decode("objects", cursor, tuple[str])
        query = query.where(StoredObject.object_id > last)
    rows = session.scalars(query.order_by(StoredObject.object_id).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda row: pages.encode("objects", row.object_id))


def export(session: Session, workspace_id: int, collection: str) -> Iterator[str]:
    """The collection as lines of JSON, one an object."""
    cursor: str | None = None
    while True:
        found = page(session, workspace_id, collection, limit=pages.MAX_LIMIT, cursor=cursor)
        for row in found.rows:
            yield json.dumps(document(row), ensure_ascii=False) + "\n"
        cursor = found.next_cursor
        if cursor is None:
            return


def document(row: StoredObject) -> Document:
    """The public document of an object."""
    return {
        "id": row.object_id,
        "collection": row.collection,
        "properties": row.properties,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }
