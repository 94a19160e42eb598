"""Pages of long lists: a cursor holds the sort key of the last row, so that rows which come or go shift nothing."""

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from productfruits.errors import ProductFruitsError

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

Row = TypeVar("Row")
Key = TypeVar("Key", bound=tuple[object, ...])


class InvalidCursor(ProductFruitsError):
    """The cursor is not one that this list has given out. Take `next_cursor` of the page before, or leave it out."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor of the next page, or None at the end."""

    rows: Sequence[Row]
    next_cursor: str | None


def cut(rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]) -> Page[Row]:
    """The page of `limit` rows out of up to `limit` + 1 that were read to see whether more follow."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], cursor_of(rows[limit - 1]))


def encode(kind: str, *key: str | int | dt.datetime) -> str:
    """An opaque cursor. `kind` names the list, so that a cursor of another list is refused."""
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *key])).decode().rstrip("=")


def decode(kind: str, cursor: str, key_type: type[Key]) -> Key:
    """The sort key inside a cursor of the list `kind`, or `InvalidCursor` for anything else, whatever it holds."""
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        if not parts or msgspec.json.decode(parts[0], type=str) != kind:
            raise InvalidCursor()
        values = msgspec.json.decode(b"[" + b",".join(bytes(part) for part in parts[1:]) + b"]", type=key_type)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise InvalidCursor() from err
    for value in values:
        # Each of them would make the store refuse the statement: no list has given out such a key.
        naive = isinstance(value, dt.datetime) and value.tzinfo is None
        nul = isinstance(value, str) and "\0" in value
        huge = isinstance(value, int) and not -(2**63) <= value < 2**63
        if naive or nul or huge:
            raise InvalidCursor()
    return values
