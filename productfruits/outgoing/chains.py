"""Chains of servers like this one: what one sends, another may store and send on, in the end to the first.

So each request says how many destinations its event has come through, in a header and, where the receiver keeps the
context of an event, there as well. At three the chain is cut.
"""

from collections.abc import Mapping
from typing import Any

HEADER = "X-Productfruits-Depth"
#: The key of our own part of an event's context.
OURS = "productfruits"
MAX_DEPTH = 3


def read_header(value: str | None) -> int:
    """The depth that a request came with: 0 for nearly all, never more than counts."""
    text = (value or "").strip()
    return min(int(text), MAX_DEPTH) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def depth(context: Mapping[str, Any]) -> int:
    """The depth that stands in an event's context."""
    ours = context.get(OURS)
    found = ours.get("depth") if isinstance(ours, Mapping) else None
    return min(found, MAX_DEPTH) if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def with_depth(context: Mapping[str, Any], found: int) -> Mapping[str, Any]:
    """The context of an event that came through so many destinations."""
    if found <= depth(context):
        return context
    ours = context.get(OURS)
    return {**context, OURS: {**(ours if isinstance(ours, Mapping) else {}), "depth": found}}
