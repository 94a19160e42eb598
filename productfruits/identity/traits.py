"""Traits: per key the newest value wins. Times are whole microseconds since the epoch."""

from collections.abc import Mapping
from typing import Any


def merge(traits: dict[str, Any], times: dict[str, int], incoming: Mapping[str, Any], at: int) -> bool:
    """Take over what was said at `at`, and tell whether anything changed.

    On equal times the later arrival wins, so this one does. null clears, and its time stays, so that an older value
    that is delivered late does not come back.
    """
    changed = False
    for name, value in incoming.items():
        known_at = times.get(name)
        if known_at is not None:
            if at < known_at:
                continue
            if at == known_at and _is_same(traits.get(name), value):
                continue
        times[name] = at
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value
        changed = True
    return changed


def fold(
    traits: dict[str, Any], times: dict[str, int], others: Mapping[str, Any], other_times: Mapping[str, int]
) -> bool:
    """Take over what is newer in the traits of somebody who turned out to be the same; on equal times the own stay."""
    changed = False
    for name, other_at in other_times.items():
        known_at = times.get(name)
        if known_at is not None and known_at >= other_at:
            continue
        times[name] = other_at
        value = others.get(name)
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value
        changed = True
    for name, value in others.items():
        # A value without a time (written by hand, say) is older than every other, yet better than none.
        if name not in other_times and name not in times and name not in traits:
            traits[name] = value
            changed = True
    return changed


def _is_same(known: Any, value: Any) -> bool:
    # True == 1 and 1 == 1.0 in Python, but not in the customer's JSON.
    return type(known) is type(value) and bool(known == value) and type(value) not in (dict, list)
