"""Instants as senders write them; compared as instants, never as text (gotcha 28)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment import timestamps


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # a datetime takes up to seven numbers


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2025-03-01T10:00:00.000Z", utc(2025, 3, 1, 10)),
        ("2025-03-01T10:00:00.123Z", utc(2025, 3, 1, 10, 0, 0, 123_000)),
        ("2025-03-01T10:00:00Z", utc(2025, 3, 1, 10)),
        ("2025-03-01T10:00:00+01:00", utc(2025, 3, 1, 9)),
        ("2025-03-01T10:00:00-0530", utc(2025, 3, 1, 15, 30)),
        ("2013-01-01T00:00:00.123+00:00", utc(2013, 1, 1, 0, 0, 0, 123_000)),
        ("2009-11-10T23:00:00Z", utc(2009, 11, 10, 23)),
        ("2025-03-01T10:00:00", utc(2025, 3, 1, 10)),
        ("2025-03-01 10:00:00", utc(2025, 3, 1, 10)),
        ("2025-03-01T10:00", utc(2025, 3, 1, 10)),
        ("2012-12-02", utc(2012, 12, 2)),
        ("2015-2-02T00:30:08.276Z", utc(2015, 2, 2, 0, 30, 8, 276_000)),
        ("2015-2-2", utc(2015, 2, 2)),
        ("2015-2-02 00:30:08,5", utc(2015, 2, 2, 0, 30, 8, 500_000)),
        ("2020-05-09T23:54:49.209808489Z", utc(2020, 5, 9, 23, 54, 49, 209_808)),
        ("2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264", utc(2020, 5, 9, 23, 54, 49, 209_808)),
        ("2020-05-09 23:54:49.209808489 +0000 UTC", utc(2020, 5, 9, 23, 54, 49, 209_808)),
        ("2020-05-09 23:54:49 +0200 CEST m=+0.000000001", utc(2020, 5, 9, 21, 54, 49)),
        ("2020-05-09 23:54:49 -0300 -03", utc(2020, 5, 10, 2, 54, 49)),
        ("2020-05-09 23:54:49 UTC", utc(2020, 5, 9, 23, 54, 49)),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1)),
        ("  2025-03-01T10:00:00Z ", utc(2025, 3, 1, 10)),
        ("2025-03-01t10:00:00z", utc(2025, 3, 1, 10)),
        (1741341600000, utc(2025, 3, 7, 10)),
        (1741341600123.5, utc(2025, 3, 7, 10, 0, 0, 123_500)),
        (1741341600, utc(2025, 3, 7, 10)),
        ("1741341600000", utc(2025, 3, 7, 10)),
        ("1741341600", utc(2025, 3, 7, 10)),
        # Thirteen digits that Python's own parser would read as the year 1712.
        ("1712010112359", utc(2024, 4, 1, 22, 21, 52, 359_000)),
        (0, utc(1970, 1, 1)),
        ("2099-01-01T00:00:00Z", utc(2099, 1, 1)),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
    ],
)
def test_it_reads_what_senders_write(written: Any, instant: datetime) -> None:
    found = timestamps.parse(written)
    assert found == instant
    assert found is not None and found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        False,
        "",
        " ",
        "now",
        "yesterday at noon",
        "2025-13-01T10:00:00Z",
        "2025-02-30",
        "2025-03-01T25:00:00Z",
        "2025-03-01T10:00:61Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2025-03-01T10:00:00+99:99",
        "\u0662\u0660\u0662\u0665-\u0660\u0663-\u0660\u0661",
        "2025-03-01T10:00:00Z" + "0" * 1_000_000,
        "9" * 4_000,
        "-" * 100,
        "-",
        10**5_000,
        -(10**5_000),
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        [],
        {},
        ["2025-03-01"],
        {"$date": "2025-03-01"},
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_finds_no_instant_in_anything_else(written: Any) -> None:
    assert timestamps.parse(written) is None


# Whole seconds: Python 3.11 reads an offset of less than a second as none, and no clock is set to one.
offsets = st.integers(-23 * 3600, 23 * 3600).map(lambda seconds: timezone(timedelta(seconds=seconds)))


@given(st.datetimes(timezones=offsets | st.just(UTC)))
def test_it_reads_back_every_instant_in_every_zone(instant: datetime) -> None:
    try:
        expected = instant.astimezone(UTC)
    except OverflowError:
        assert timestamps.parse(instant.isoformat()) is None
    else:
        assert timestamps.parse(instant.isoformat()) == expected


@given(
    st.text(max_size=40)
    | st.text(alphabet="0123456789-+:.TZ m=UTC", max_size=60)
    | st.from_regex(r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}:\d{2}.*", fullmatch=True)
    | st.floats()
    | st.integers()
)
def test_it_never_raises(written: Any) -> None:
    found = timestamps.parse(written)
    assert found is None or found.tzinfo is UTC
