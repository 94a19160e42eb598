"""Finds many rows of a workspace by their keys with statements that stay the same however many keys there are.

An IN list is written anew for every number of keys, and on Postgres a young table without statistics makes the planner
read the whole workspace and filter. So the keys travel as one value, a JSON array, which Postgres joins key by key (the
OFFSET keeps it from being planned as anything else).
"""

import functools
from collections import namedtuple
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Select, Text, bindparam, cast, column, func, literal_column, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from productfruits.database import encode_json
from productfruits.services import bulk

AnySelect = Select[*tuple[Any, ...]]
Columns = tuple[InstrumentedAttribute[Any], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A select that stays the same, and its values this time."""

    statement: AnySelect
    values: Mapping[str, Any]


def by_keys(
    session: Session,
    columns: Columns,
    key: InstrumentedAttribute[Any],
    workspace_id: int,
    keys: Collection[str],
    **equal: str,
) -> Question:
    """Ask for the `columns` of the rows of the workspace whose text column `key` is one of the keys.

    `equal` names further columns with the value that they must have.
    """
    on_postgres = session.get_bind().dialect.name == "postgresql"
    statement = _by_keys(on_postgres, columns, key, tuple(equal))
    return Question(statement, {"of_workspace": workspace_id, "keys": encode_json(list(keys)), **equal})


def ask(session: Session, questions: Sequence[Question]) -> list[Sequence[Any]]:
    """The rows that answer each question; on Postgres all of them in one round trip."""
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        return [session.execute(question.statement, question.values).all() for question in questions]
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        cursors = [
            driver.execute(bulk.statement_text(question.statement, connection.dialect), question.values)
            for question in questions
        ]
    return [
        [_row_type(question.statement)._make(row) for row in cursor.fetchall()]
        for question, cursor in zip(questions, cursors, strict=True)
    ]


@functools.cache
def _row_type(statement: AnySelect) -> Any:
    return namedtuple("Row", statement.selected_columns.keys())


@functools.cache
def _by_keys(on_postgres: bool, columns: Columns, key: InstrumentedAttribute[Any], equal: tuple[str, ...]) -> AnySelect:
    model = key.class_
    wanted = select(*columns).where(
        model.workspace_id == bindparam("of_workspace"), *(getattr(model, name) == bindparam(name) for name in equal)
    )
    if not on_postgres:
        each = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
        return wanted.where(key.in_(select(each.c.value)))
    each_key = (
        func.json_array_elements_text(cast(bindparam("keys", type_=Text), JSON))
        .table_valued(column("value", Text), name="given")
        .render_derived()
    )
    found = wanted.where(key == each_key.c.value).offset(literal_column("0")).lateral("found")
    return select(*found.c).select_from(each_key.join(found, true()))
