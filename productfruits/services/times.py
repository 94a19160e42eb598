"""Instants as whole microseconds since the epoch: the form in which times are compared and kept per trait."""

import datetime as dt

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def microseconds(instant: dt.datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND


def instant(at: int) -> dt.datetime:
    return EPOCH + at * _MICROSECOND
