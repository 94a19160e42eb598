"""How often a workspace may send: a bucket of tokens for each, in this process, so that a flood ends before its bodies.

The writer's queue keeps workspaces from standing before each other, but whatever gets that far has been read, verified
and parsed. This is asked first.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from productfruits.workers.not_stored import NotStored

#: So many seconds' worth may come at once: a peak is no flood, and senders that come back after an outage are none.
PEAK_S = 10
#: Retry-After, in seconds.
LONGEST_WAIT_S = 60

Trust = Literal["server", "public"]


class TooManyRequests(NotStored):
    """The workspace sends more than its share. `wait_s`: whole seconds until there is room for this request."""

    def __init__(self, requests_per_second: int, wait_s: int) -> None:
        super().__init__(
            "This workspace sends more requests than this server takes from one, which is "
            f"{requests_per_second:,} a second. Nothing of this one was stored: send it again after the seconds of "
            "Retry-After, and several events in one request where you can. The limit is set by the server's operator."
        )
        self.wait_s = wait_s


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    #: Whoever was refused has been told to come one after another, the last of them then.
    promised_at: float = 0.0


class Rates:
    """Counts requests by workspace. Safe to share by threads.

    What anybody can send, who has read the key in a page, is counted apart from what comes with a secret: a flood of
    the former must not have Segment told to come again.
    """

    def __init__(self, requests_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        """0 counts nothing and refuses nothing. `clock` gives seconds that never go back."""
        self._rate = requests_per_second
        self._clock = clock
        self._guard = threading.Lock()
        #: As many as there are workspaces: nothing is counted for a key or token that is nobody's.
        self._buckets: dict[tuple[int, Trust], _Bucket] = {}

    def take(self, workspace_id: int, trust: Trust) -> None:
        """Count one request. Raises `TooManyRequests`."""
        if not self._rate:
            return
        with self._guard:
            now = self._clock()
            bucket = self._buckets.get((workspace_id, trust))
            if bucket is None:
                bucket = self._buckets[workspace_id, trust] = _Bucket(self._rate * PEAK_S, now)
            tokens = min(self._rate * PEAK_S, bucket.tokens + (now - bucket.filled_at) * self._rate)
            bucket.filled_at = now
            if tokens >= 1:
                bucket.tokens = tokens - 1
                return
            bucket.tokens = tokens
            # One told "in a second" to a thousand would bring all thousand back in a second.
            free_at = max(now + (1 - tokens) / self._rate, bucket.promised_at + 1 / self._rate)
            bucket.promised_at = min(free_at, now + LONGEST_WAIT_S)
            wait_s = math.ceil(bucket.promised_at - now)
        raise TooManyRequests(self._rate, max(1, wait_s))
