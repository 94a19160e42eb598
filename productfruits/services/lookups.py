"""Finds many rows of a workspace by their keys with statements that stay the same however many keys there are.

An IN list is written anew for every number of keys, and on Postgres a young table without statistics makes the planner
read the whole workspace and filter. So the keys travel as one value, a JSON array, which Postgres joins key by key (the
OFFSET keeps it from being planned as anything else), and in the order of the index, so that neighbours meet a page that
is still at hand.
"""

import datetime as dt
import functools
from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Select,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import TypeEngine

from productfruits.database import UtcDateTime, connection_of, encode_json
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
    statement = _by_keys(_on_postgres(session), columns, key, tuple(equal))
    return Question(statement, {"of_workspace": workspace_id, "keys": encode_json(sorted(keys)), **equal})


def taken(
    session: Session,
    key: InstrumentedAttribute[Any],
    workspace_id: int,
    keys: Collection[str],
    condition: ColumnElement[bool],
) -> Question:
    """Ask which of the keys (each a `value`) some row of the workspace that meets the condition has in `key`.

    Keep the condition: each statement is made only once.
    """
    statement = _taken(_on_postgres(session), key, condition)
    return Question(statement, {"of_workspace": workspace_id, "keys": encode_json(sorted(keys))})


def ask(session: Session, questions: Sequence[Question]) -> list[Sequence[Any]]:
    """The rows that answer each question; on Postgres all of them in one round trip."""
    with bulk.in_one_go(session):
        cursors = [bulk.send(session, question.statement, question.values) for question in questions]
    dialect = connection_of(session).dialect.name
    return [
        _reader(question.statement, dialect)(cursor.fetchall())
        for question, cursor in zip(questions, cursors, strict=True)
    ]


@functools.cache
def _reader(statement: AnySelect, dialect: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What makes rows with names of the driver's rows."""
    columns = statement.selected_columns
    names = [str(column.key) for column in columns]
    row_type: Any = namedtuple("Row", names)  # type: ignore[misc]
    make = row_type._make
    convert = [(n, to) for n, column in enumerate(columns) if (to := _converter(column.type, dialect)) is not None]

    def read(rows: Sequence[Any]) -> Sequence[Any]:
        if not convert:
            return [make(row) for row in rows]
        lists = [list(row) for row in rows]
        for values in lists:
            for n, to in convert:
                values[n] = to(values[n])
        return [make(values) for values in lists]

    return read


def _converter(kind: TypeEngine[Any], dialect: str) -> Callable[[Any], Any] | None:
    """What makes Python's value; None where the driver gives it. SQLite keeps documents and times as text."""
    if dialect != "sqlite":
        return None
    if isinstance(kind, JSON):
        return msgspec.json.decode
    if isinstance(kind, UtcDateTime):
        return _utc
    return bool if isinstance(kind, Boolean) else None


def _utc(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text + "+00:00")


def _on_postgres(session: Session) -> bool:
    return connection_of(session).dialect.name == "postgresql"


@functools.cache
def _by_keys(on_postgres: bool, columns: Columns, key: InstrumentedAttribute[Any], equal: tuple[str, ...]) -> AnySelect:
    model = key.class_
    wanted = select(*columns).where(
        model.workspace_id == bindparam("of_workspace"), *(getattr(model, name) == bindparam(name) for name in equal)
    )
    each = _each_key(on_postgres)
    if not on_postgres:
        return wanted.where(key.in_(select(each.c.value)))
    found = wanted.where(key == each.c.value).offset(literal_column("0")).lateral("found")
    return select(*found.c).select_from(each.join(found, true()))


@functools.cache
def _taken(on_postgres: bool, key: InstrumentedAttribute[Any], condition: ColumnElement[bool]) -> AnySelect:
    each = _each_key(on_postgres)
    rows: Select[Any] = select(literal_column("1")).where(
        key.class_.workspace_id == bindparam("of_workspace"), key == each.c.value, condition
    )
    if not on_postgres:
        return select(each.c.value).where(rows.exists())
    found = rows.limit(literal_column("1")).lateral("found")
    return select(each.c.value).select_from(each.join(found, true()))


def _each_key(on_postgres: bool) -> TableValuedAlias:
    """The keys of the question as a table of one column, `value`."""
    if not on_postgres:
        return func.json_each(bindparam("keys", type_=Text)).table_valued("value")
    return (
        func.json_array_elements_text(cast(bindparam("keys", type_=Text), JSON))
        .table_valued(column("value", Text), name="given")
        .render_derived()
    )
