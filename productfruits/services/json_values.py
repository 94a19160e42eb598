"""Values of a customer's JSON in SQL, on both databases, compared as `adoption.comparisons` compares them in Python.

An operand answers each question with null where the value is of another type; the comparison around it makes that a
no. On SQLite times are read by the very function that Python uses, on Postgres by the same pattern.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Numeric,
    SQLColumnExpression,
    String,
    Text,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from productfruits.adoption import comparisons
from productfruits.database import encode_json

Sql = SQLColumnExpression[Any]
Truth = ColumnElement[bool]

#: On SQLite: the function that reads a time.
_READ_TIME = "productfruits_seconds"
_EPOCH_DAY = dt.date(1970, 1, 1)
_TIME_PATTERN = f"^(?:{comparisons.INSTANT})$"


class Operand:
    """What a condition is about. What it cannot be, it answers with null."""

    def exists(self) -> Truth:
        raise NotImplementedError

    def same(self, value: Any) -> Truth:
        """Is this very text, number or truth."""
        return cast(null(), Boolean)

    def among(self, values: Sequence[Any]) -> Truth:
        """Is one of these."""
        return or_(false(), *map(self.same, values))

    def holds(self, value: Any) -> Truth:
        """Is a list with this in it, or a text with this text in it."""
        return cast(null(), Boolean)

    def text(self) -> Sql:
        return cast(null(), Text)

    def number(self) -> Sql:
        return cast(null(), Integer)

    def said_number(self, value: float) -> Sql:
        """A number of the rule."""
        return cast(null(), Integer)

    def between(self, first: int, last: int) -> Truth:
        """Is a time from the first to the last of these seconds since the epoch; fractions do not count."""
        return cast(null(), Boolean)


def prepare(session: Session) -> None:
    """Make the connection ready for statements with these operands in them."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        driver.create_function(_READ_TIME, 1, comparisons.seconds, deterministic=True)


def certain(truth: Truth) -> Truth:
    """No instead of null."""
    return func.coalesce(truth, false(), type_=Boolean)


def contains(on_postgres: bool, text: Sql, part: str) -> Truth:
    """Tell whether a text has another one in it."""
    return (func.strpos(text, part) if on_postgres else func.instr(text, part)) > 0


def one_of(on_postgres: bool, text: Sql, values: Sequence[str]) -> Truth:
    """Tell whether a text is one of these; one parameter, however many there are."""
    return text == any_(literal(list(values), ARRAY(Text))) if on_postgres else text.in_(_each(values))


def number(on_postgres: bool, value: float) -> Sql:
    """A number exactly as the database keeps the same number in JSON."""
    return cast(literal(encode_json(value), Text), Numeric) if on_postgres else _sqlite_value(value)


def trait(on_postgres: bool, document: Sql, names: Sequence[str]) -> Operand:
    """The value in a JSON object under the first of these names that has one."""
    return _PostgresValue(document, names) if on_postgres else _SqliteValue(document, names)


class _SqliteValue(Operand):
    def __init__(self, document: Sql, names: Sequence[str]) -> None:
        # Names in rules have no quotes and backslashes: SQLite's paths know no escapes.
        paths = [f'$."{name}"' for name in names]
        self.document = document
        self.path: Any = paths[0]
        if len(paths) > 1:
            self.path = case(*((self._kind(path) != "null", path) for path in paths), else_=paths[0])

    def exists(self) -> Truth:
        return self._kind(self.path) != "null"

    def same(self, value: Any) -> Truth:
        if isinstance(value, bool):
            return self._kind(self.path) == str(value).lower()
        return (self.text() if isinstance(value, str) else self.number()) == _sqlite_value(value)

    def among(self, values: Sequence[Any]) -> Truth:
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if not isinstance(value, str | bool)]
        found = [certain(self.same(value)) for value in values if isinstance(value, bool)]
        found += [
            certain(kept.in_(_each(said))) for kept, said in ((self.text(), texts), (self.number(), numbers)) if said
        ]
        return or_(*found)

    def holds(self, value: Any) -> Truth:
        each = func.json_each(self.document, self.path).table_valued("type", "atom")
        kinds = [str(value).lower()] if isinstance(value, bool) else ["text"] if isinstance(value, str) else _NUMBERS
        wanted: Truth = each.c.type.in_(kinds)
        if not isinstance(value, bool):
            wanted = and_(wanted, each.c.atom == _sqlite_value(value))
        in_list = and_(self._kind(self.path) == "array", select(each.c.type).where(wanted).exists())
        if not isinstance(value, str):
            return in_list
        return or_(certain(in_list), contains(False, self.text(), value))

    def text(self) -> Sql:
        return case((self._kind(self.path) == "text", func.json_extract(self.document, self.path)))

    def number(self) -> Sql:
        return case((self._kind(self.path).in_(_NUMBERS), func.json_extract(self.document, self.path)))

    def said_number(self, value: float) -> Sql:
        return number(False, value)

    def between(self, first: int, last: int) -> Truth:
        said: Sql = getattr(func, _READ_TIME)(self.text(), type_=Integer)
        return said.between(first, last)

    def _kind(self, path: Any) -> Sql:
        return func.json_type(self.document, path, type_=String)


_NUMBERS = ["integer", "real"]


def _sqlite_value(value: Any) -> Sql:
    """A value that went the same way from JSON into SQLite as the stored ones."""
    return func.json_extract(encode_json(value), "$")


def _each(values: Sequence[Any]) -> Any:
    return select(func.json_each(encode_json(list(values))).table_valued("value").c.value)


class _PostgresValue(Operand):
    def __init__(self, document: Sql, names: Sequence[str]) -> None:
        found = [func.nullif(document.op("->")(name), _jsonb(None), type_=JSONB) for name in names]
        self.value: Sql = found[0] if len(found) == 1 else func.coalesce(*found, type_=JSONB)

    def exists(self) -> Truth:
        return self.value.is_not(None)

    def same(self, value: Any) -> Truth:
        return self.value == _jsonb(value)

    def among(self, values: Sequence[Any]) -> Truth:
        is_scalar = self._kind().in_(["string", "number", "boolean"])
        return and_(is_scalar, _jsonb(list(values)).op("@>", is_comparison=True)(self.value))

    def holds(self, value: Any) -> Truth:
        in_list = and_(self._kind() == "array", self.value.op("@>", is_comparison=True)(_jsonb(value)))
        if not isinstance(value, str):
            return in_list
        return or_(certain(in_list), contains(True, self.text(), value))

    def text(self) -> Sql:
        return case((self._kind() == "string", self._plain()))

    def number(self) -> Sql:
        return case((self._kind() == "number", cast(self._plain(), Numeric)))

    def said_number(self, value: float) -> Sql:
        return number(True, value)

    def between(self, first: int, last: int) -> Truth:
        said = self._plain()
        is_time = and_(self._kind() == "string", said.op("~", is_comparison=True)(_TIME_PATTERN))
        seconds = case((is_time, _postgres_seconds(said)))
        return seconds.between(literal(first, BigInteger), literal(last, BigInteger))

    def _kind(self) -> Sql:
        return func.jsonb_typeof(self.value, type_=String)

    def _plain(self) -> Sql:
        return self.value.op("#>>", return_type=Text())(literal("{}", Text).cast(ARRAY(Text)))


def _jsonb(value: Any) -> Sql:
    return cast(literal(encode_json(value), Text), JSONB)


def _postgres_seconds(said: Sql) -> Sql:
    """What `comparisons.seconds` makes of a text that has the pattern of a time."""

    def part(start: int, length: int) -> Sql:
        return cast(func.substr(said, start, length), Integer)

    month = func.make_date(part(1, 4), part(6, 2), 1)
    days = type_coerce(month - literal(_EPOCH_DAY), Integer) + part(9, 2) - 1
    clock = case((func.length(said) > 10, part(12, 2) * 3_600 + part(15, 2) * 60), else_=0)
    second = case((func.substr(said, 17, 1) == ":", part(18, 2)), else_=0)
    zone = func.right(said, 6, type_=Text)
    offset = cast(func.substr(zone, 2, 2), Integer) * 3_600 + cast(func.substr(zone, 5, 2), Integer) * 60
    ahead = case(
        (zone.op("~", is_comparison=True)("^[+]..:..$"), offset),
        (zone.op("~", is_comparison=True)("^-..:..$"), -offset),
        else_=0,
    )
    return cast(days, BigInteger) * comparisons.DAY + clock + second - ahead
