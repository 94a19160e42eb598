"""When a function that asked to be run again is, and when it is enough."""

import datetime as dt

RETRIES = 6
LONGEST = dt.timedelta(minutes=20)


def next_attempt(attempts: int, now: dt.datetime, spread: float) -> dt.datetime | None:
    """When to run again after so many attempts (at least one), or None after the sixth retry.

    `spread` is a number from -1 to 1: the first pause is one to three minutes, each further one twice as long.
    """
    if attempts > RETRIES:
        return None
    pause = dt.timedelta(minutes=(2 + spread) * 2 ** (attempts - 1))
    return now + min(pause, LONGEST)
