"""Selects that pages' questions ask again and again, without the ORM's work: their text and converters are made once.

What the columns are, and how values come back from the store, still comes from the models.
"""

import datetime as dt
import functools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from productfruits.database import UtcDateTime

AnySelect = Select[*tuple[Any, ...]]
Converter = Callable[[Any], Any]
#: Where SQLAlchemy leaves room for the values of an expanding parameter.
_ROOM = re.compile(r"\(__\[POSTCOMPILE_(\w+)\]\)")
_ANY_OF = re.compile(r"IN \(__\[POSTCOMPILE_(\w+)\]\)")


class Prepared(Protocol):
    """One select, whose parameters are bound by name. One of them may be a list, for an IN."""

    def rows(self, driver: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        """What the driver's connection finds. A row is raw; its attributes are what the ORM would give."""


class OnPostgres:
    """A select through psycopg, which has the server keep the plans of texts that come often. This one never varies."""

    def __init__(self, statement: AnySelect, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._text = _ANY_OF.sub(r"= ANY(%(\1)s)", str(compiled)).encode()
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._row = _row_of(statement, lambda kind: kind.dialect_impl(dialect).result_processor(dialect, None))

    def rows(self, driver: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        return list(map(self._row, driver.execute(self._text, {**self._fixed, **values})))


class OnSqlite:
    """A select through the driver of the standard library."""

    def __init__(self, statement: AnySelect, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._times = [name for name, bound in compiled.binds.items() if isinstance(bound.type, UtcDateTime)]
        room = _ROOM.search(self._text)
        self._list = None if room is None else room[1]
        self._by_size: dict[int, tuple[str, list[str]]] = {}
        self._row = _row_of(statement, lambda kind: _converter(kind, dialect))

    def rows(self, driver: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        text, given = self._text, {**self._fixed, **values}
        for name in self._times:
            given[name] = _written(given[name])
        if self._list is not None:
            text, names = self._sized(given[self._list])
            given.update(zip(names, _padded(given.pop(self._list), len(names)), strict=True))
        return list(map(self._row, driver.execute(text, given)))

    def _sized(self, values: Sequence[Any]) -> tuple[str, list[str]]:
        """The text for so many values, rounded up to a power of two, and the names of its parameters for them."""
        size = 1 << (len(values) - 1).bit_length() if values else 1
        known = self._by_size.get(size)
        if known is None:
            names = [f"{self._list}_{n}" for n in range(size)]
            text = _ROOM.sub("(" + ", ".join(f":{name}" for name in names) + ")", self._text)
            known = self._by_size[size] = (text, names)
        return known


@functools.lru_cache(maxsize=256)
def of(statement: AnySelect, dialect: Dialect) -> Prepared:
    """The select, prepared. Keep the statement: each one is prepared only once."""
    return OnSqlite(statement, dialect) if dialect.name == "sqlite" else OnPostgres(statement, dialect)


def _converter(kind: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    if isinstance(kind, UtcDateTime):
        return _instant
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _instant(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _written(value: dt.datetime) -> str:
    """As SQLAlchemy's own type writes it for SQLite."""
    return value.astimezone(dt.UTC).isoformat(" ", "microseconds")[:26]


def _row_of(statement: AnySelect, converter: Callable[[TypeEngine[Any]], Converter | None]) -> Any:
    """A tuple of what the driver gives, whose attributes convert when they are read: most never are."""
    columns = [(str(column.key), converter(column.type)) for column in statement.selected_columns]

    def attribute(n: int, convert: Converter | None) -> property:
        return property(operator.itemgetter(n) if convert is None else lambda row: convert(row[n]))

    return type("Row", (tuple,), {"__slots__": (), **{name: attribute(n, to) for n, (name, to) in enumerate(columns)}})


def _padded(values: Sequence[Any], size: int) -> list[Any]:
    """As many values as there is room for; one that is there twice finds nothing more."""
    return [*values, *[values[-1] if values else None] * (size - len(values))]
