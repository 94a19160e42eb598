"""Selects that a page's question asks again and again, without the ORM's work: their text and converters are made once.

What the columns are, and how values come back from the store, still comes from the models.
"""

import datetime as dt
import functools
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import sqlite

AnySelect = Select[*tuple[Any, ...]]


class Prepared:
    """One select on SQLite, whose parameters are bound by name."""

    def __init__(self, statement: AnySelect, dialect: Dialect) -> None:
        named = sqlite.dialect(paramstyle="named")
        compiled = statement.compile(dialect=named)
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        columns = list(statement.selected_columns)
        self._make = _row_type(tuple(str(column.key) for column in columns))._make
        converters: list[Callable[[Any], Any] | None] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
        ]
        self._convert = [(n, to) for n, to in enumerate(converters) if to is not None]

    def rows(self, driver: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        """What the driver's connection finds, each row as the ORM would give it."""
        found = []
        given = {**self._fixed, **{name: _bound(value) for name, value in values.items()}}
        for raw in driver.execute(self._text, given):
            row = list(raw)
            for n, to in self._convert:
                row[n] = to(row[n])
            found.append(self._make(row))
        return found


@functools.cache
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)


@functools.lru_cache(maxsize=256)
def of(statement: AnySelect, dialect: Dialect) -> Prepared:
    """The select, prepared. Keep the statement: each one is prepared only once."""
    return Prepared(statement, dialect)


def _bound(value: Any) -> Any:
    """As SQLAlchemy's own types write it for SQLite."""
    return value.astimezone(dt.UTC).isoformat(" ", "microseconds")[:26] if isinstance(value, dt.datetime) else value
