"""When to try again, and when to stop: the schedule of a delivery and the patience with a destination, as values.

A delivery is tried for a day. A destination that does not answer at all is left in peace for a while, so that it holds
up nobody else; one that takes nothing for five days, or says that it is gone, is switched off.
"""

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

#: After the first attempt, the second, and so on.
SCHEDULE = (
    dt.timedelta(seconds=5),
    dt.timedelta(minutes=1),
    dt.timedelta(minutes=10),
    dt.timedelta(hours=1),
    dt.timedelta(hours=4),
    dt.timedelta(hours=8),
    dt.timedelta(hours=12),
)
#: Each pause is up to this share longer or shorter, so that what failed together does not come back together.
SPREAD = 0.2
#: A receiver may ask for a longer pause, up to this one.
LONGEST_WISH = dt.timedelta(hours=12)
#: Attempts in a row that nobody answered, before the destination is left in peace.
PATIENCE = 3
SHORTEST_PEACE = dt.timedelta(minutes=1)
LONGEST_PEACE = dt.timedelta(minutes=15)
#: A destination that takes nothing for so long is switched off.
SWITCHED_OFF_AFTER = dt.timedelta(days=5)

Verdict = Literal["delivered", "gone", "failed"]


def judge(status: int) -> Verdict:
    """What an answer's status means. A redirect is a failure: it is not followed, the URL is to be corrected."""
    if 200 <= status < 300:
        return "delivered"
    return "gone" if status == 410 else "failed"


def next_attempt(
    attempts: int, now: dt.datetime, *, spread: float, wish: dt.timedelta | None = None
) -> dt.datetime | None:
    """When to try again after so many attempts (at least one), or None when it is enough.

    `spread` is a number from -1 to 1; `wish` the pause that the receiver asked for, a floor within bounds.
    """
    if attempts > len(SCHEDULE):
        return None
    pause = SCHEDULE[attempts - 1] * (1 + SPREAD * spread)
    return now + max(pause, min(wish or dt.timedelta(0), LONGEST_WISH))


def read_wish(status: int, headers: Mapping[str, str], now: dt.datetime) -> dt.timedelta | None:
    """The pause that a receiver asks for: Retry-After in seconds or as a date, with 429 and 503 only.

    The names of the headers are in lower case.
    """
    text = headers.get("retry-after", "").strip()
    if status not in (429, 503) or not text:
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return dt.timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):
        return None
    wish: dt.timedelta = until.astimezone(dt.UTC) - now
    return max(wish, dt.timedelta(0))


def peace(unanswered: int) -> dt.timedelta | None:
    """How long to leave a destination alone after so many attempts in a row without an answer; None: not yet."""
    if unanswered < PATIENCE:
        return None
    longer: int = 2 ** min(unanswered - PATIENCE, 10)
    return min(SHORTEST_PEACE * longer, LONGEST_PEACE)
