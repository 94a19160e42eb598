"""Finds many rows of a workspace by their keys with one statement that stays the same however many keys there are.

An IN list is written anew for every number of keys, and on Postgres a young table without statistics makes the planner
read the whole workspace and filter. So the keys travel as one value: as an array that Postgres joins key by key (the
OFFSET keeps it from being planned as anything else), as a JSON array that SQLite reads with json_each.
"""

import functools
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, bindparam, column, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from productfruits.database import encode_json

Columns = tuple[InstrumentedAttribute[Any], ...]


def find(
    session: Session,
    columns: Columns,
    key: InstrumentedAttribute[Any],
    workspace_id: int,
    values: Collection[str],
    **equal: str,
) -> Sequence[Row[Any]]:
    """The `columns` of the rows of the workspace whose text column `key` is one of the values.

    `equal` names further columns with the value that they must have.
    """
    if not values:
        return []
    on_postgres = session.get_bind().dialect.name == "postgresql"
    statement = _statement(on_postgres, columns, key, tuple(equal))
    keys = list(values) if on_postgres else encode_json(list(values))
    return session.execute(statement, {"of_workspace": workspace_id, "keys": keys, **equal}).all()


@functools.cache
def _statement(
    on_postgres: bool, columns: Columns, key: InstrumentedAttribute[Any], equal: tuple[str, ...]
) -> Select[Any]:
    model = key.class_
    wanted = select(*columns).where(
        model.workspace_id == bindparam("of_workspace"), *(getattr(model, name) == bindparam(name) for name in equal)
    )
    if not on_postgres:
        each = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
        return wanted.where(key.in_(select(each.c.value)))
    given = (
        func.unnest(bindparam("keys", type_=ARRAY(Text)))
        .table_valued(column("value", Text), name="given")
        .render_derived()
    )
    found = wanted.where(key == given.c.value).offset(0).lateral("found")
    return select(*found.c).select_from(given.join(found, true()))
