"""What an operator means for a value of a customer's JSON. `services.rule_sql` says the same in SQL.

Every operator first asks for a type, and a value of another type does not meet it: "10" is no number, and 1 is not
true. Text is compared exactly as it is. A negation (is_not, not_contains) is met wherever the plain operator is not, so
also where there is no value. Times are compared to the second.
"""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, Final

DAY: Final = 86_400
#: When no year is further away than this, no store and no clock has trouble with a time.
YEARS: Final = (1900, 2999)

#: Takes a value (None: there is none) and the time now in seconds since the epoch.
Test = Callable[[Any, int], bool]

#: A time in ISO 8601, as a regular expression that Python and Postgres read alike.
INSTANT: Final = (
    r"([1-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.[0-9]+)?)?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?)?"
)
_INSTANT = re.compile(INSTANT)
#: True and false are integers in Python, and no numbers in JSON.
NUMBERS: Final = frozenset({int, float})
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SECOND: Final = dt.timedelta(seconds=1)


def seconds(value: Any) -> int | None:
    """The seconds since the epoch that an ISO 8601 text says, or None if it is none.

    A date is its midnight, a time without a zone is UTC, fractions are cut off. A day that the month does not have is
    as many days after its end, as in both databases.
    """
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, sign, zone_hours, zone_minutes = found.groups("0")
    days = dt.date(int(year), int(month), 1).toordinal() + int(day) - 1 - _EPOCH_DAY
    offset = int(zone_hours) * 3_600 + int(zone_minutes) * 60
    return (
        days * DAY
        + int(hour) * 3_600
        + int(minute) * 60
        + int(second)
        + (offset if sign == "-" else -offset if sign == "+" else 0)
    )


def day_or_instant(value: str) -> tuple[int, int] | None:
    """The first and the last second of what a rule calls a time (a day has more than one), or None."""
    begin = seconds(value)
    if begin is None or not YEARS[0] <= int(value[:4]) <= YEARS[1]:
        return None
    return begin, begin + (DAY - 1 if len(value) == len("2026-05-01") else 0)


def same(known: Any, value: Any) -> bool:
    """Tell whether two values of JSON are the same text, number or truth."""
    if isinstance(value, bool):
        return known is value
    if isinstance(value, str):
        return isinstance(known, str) and known == value
    return type(known) in NUMBERS and bool(known == value)


def test(op: str, value: Any) -> Test:
    """The operator applied to what a rule compares to: a function of the value that is there."""
    if op in _OF_SECONDS:
        meets = _OF_SECONDS[op](value)
        return lambda known, now: meets(seconds(known), now)
    return _TESTS[op](value)


def test_of_seconds(op: str, value: Any) -> Test:
    """The same for a time that is known as such: a function of its seconds since the epoch."""
    return _OF_SECONDS[op](value)


def _is(value: Any) -> Test:
    if isinstance(value, str):
        return lambda known, now: known == value
    return lambda known, now: same(known, value)


def _one_of(values: list[Any]) -> Test:
    texts = frozenset(value for value in values if isinstance(value, str))
    others = [value for value in values if not isinstance(value, str)]
    if not others:
        return lambda known, now: type(known) is str and known in texts
    return lambda known, now: known in texts if isinstance(known, str) else any(same(known, each) for each in others)


def _contains(value: Any) -> Test:
    def contains(known: Any, now: int) -> bool:
        if isinstance(known, str):
            return isinstance(value, str) and value in known
        return isinstance(known, list) and any(same(each, value) for each in known)

    return contains


def _before(value: str) -> Test:
    begin = (day_or_instant(value) or (0, 0))[0]
    return lambda at, now: at is not None and at < begin


def _after(value: str) -> Test:
    end = (day_or_instant(value) or (0, 0))[1]
    return lambda at, now: at is not None and at > end


def _in_last_days(days: int) -> Test:
    return lambda at, now: at is not None and now - days * DAY <= at <= now


def _more_than_days_ago(days: int) -> Test:
    return lambda at, now: at is not None and at < now - days * DAY


def _not(positive: Callable[[Any], Test]) -> Callable[[Any], Test]:
    def make(value: Any) -> Test:
        meets = positive(value)
        return lambda known, now: not meets(known, now)

    return make


_TESTS: Final[dict[str, Callable[[Any], Test]]] = {
    "is": _is,
    "is_not": _not(_is),
    "contains": _contains,
    "not_contains": _not(_contains),
    "starts_with": lambda value: lambda known, now: isinstance(known, str) and known.startswith(value),
    "ends_with": lambda value: lambda known, now: isinstance(known, str) and known.endswith(value),
    "greater": lambda value: lambda known, now: type(known) in NUMBERS and known > value,
    "less": lambda value: lambda known, now: type(known) in NUMBERS and known < value,
    "at_least": lambda value: lambda known, now: type(known) in NUMBERS and known >= value,
    "at_most": lambda value: lambda known, now: type(known) in NUMBERS and known <= value,
    "exists": lambda _: lambda known, now: known is not None,
    "missing": lambda _: lambda known, now: known is None,
    "one_of": _one_of,
}
_OF_SECONDS: Final[dict[str, Callable[[Any], Test]]] = {
    "before": _before,
    "after": _after,
    "in_last_days": _in_last_days,
    "more_than_days_ago": _more_than_days_ago,
}
