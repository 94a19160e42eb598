"""Instants as Segment's senders really write them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A number below this is taken for seconds: as milliseconds it would lie before March 1973, before anybody tracked.
_SECONDS_BELOW = 100_000_000_000
_LONGEST = 100

# ISO 8601 with what the documents and the SDKs add to it: one-digit months (Segment's own HTTP API page prints
# `2015-2-02T00:30:08.276Z`), and Go's `2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264` in deletes.
_WRITTEN = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[Tt ]+(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d+))?)?)?"
    r" ?(?:[Zz]|(?P<sign>[+-])(?P<offset_hours>\d{2}):?(?P<offset_minutes>\d{2})?|(?:UTC|GMT)\b)?"
    r"(?: [A-Za-z]{1,5}| [+-]\d{2,4})?(?: m=[+-][\d.]+)?",
    re.ASCII,
)
_DIGITS = re.compile(r"-?\d{1,17}(?:\.\d+)?", re.ASCII)


def parse(value: Any) -> datetime | None:
    """The instant in UTC, or None for what is no instant. Never raises.

    Takes ISO 8601 with an offset, `Z` or neither (then UTC), dates without a time (their first moment), one-digit
    months, nanoseconds (cut to microseconds), Go's format, and the epoch in milliseconds or seconds as number or text.
    """
    try:
        if type(value) is str:
            # Without a dash in the fifth place Python would read some millisecond counts as dates.
            if value[4:5] == "-":
                try:
                    instant = datetime.fromisoformat(value)
                except ValueError:
                    return _written(value)
                zone = instant.tzinfo
                if zone is UTC:
                    return instant
                return instant.replace(tzinfo=UTC) if zone is None else instant.astimezone(UTC)
            return _written(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _counted(value)
    except (ValueError, OverflowError):
        pass  # a month 13, a year 10000, an infinite count
    return None


def later(instant: datetime | None, by: timedelta | None) -> datetime | None:
    """The instant moved by so much; where it is then out of the calendar, or there is nothing to move by, as it was."""
    if instant is None or by is None:
        return instant
    try:
        return instant + by
    except OverflowError:
        return instant


def _counted(count: int | float) -> datetime:
    if -_SECONDS_BELOW < count < _SECONDS_BELOW:
        return _EPOCH + timedelta(seconds=count)
    return _EPOCH + timedelta(milliseconds=count)


def _written(text: str) -> datetime | None:
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if _DIGITS.fullmatch(text):
        return _counted(float(text) if "." in text else int(text))
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    second = int(part["second"] or 0)
    if second > 60:
        return None
    offset = timedelta(hours=int(part["offset_hours"] or 0), minutes=int(part["offset_minutes"] or 0))
    instant = datetime(
        int(part["year"]),
        int(part["month"]),
        int(part["day"]),
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        min(second, 59),
        int((part["fraction"] or "")[:6].ljust(6, "0")),
        tzinfo=timezone(-offset if part["sign"] == "-" else offset),
    )
    # A leap second is the second after :59.
    return instant.astimezone(UTC) + timedelta(seconds=second - min(second, 59))
