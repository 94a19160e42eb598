"""An open-loop load: requests leave at a steady rate, whatever the answers do, as those of browsers do."""

import gc
import time
from collections import deque
from collections.abc import Sequence

from bench.payloads import Request
from bench.sender import Load, Run, Sending


class _Paced(Run):
    """The requests at so many a second, each on whichever connection has nothing under way."""

    def __init__(self, requests: Sequence[Request], ports: Sequence[int], connections: int, per_s: float) -> None:
        super().__init__(requests, ports, connections, None)
        self._per_s = per_s
        self._idle: deque[Sending] = deque()

    def send_all(self) -> None:
        """Send them all and take the last answer in."""
        self._deadline = float("inf")
        begun = time.perf_counter()
        self._idle.extend(self._open.values())
        connections = len(self._idle)
        free_since = begun
        while self._next < len(self.requests) or len(self._idle) < connections:
            due = begun + self._next / self._per_s
            now = time.perf_counter()
            if self._next < len(self.requests) and due <= now and self._idle:
                connection = self._idle.popleft()
                super()._begin(connection)
                if due < free_since:
                    # It waited for the answer to another one, as a person would have: that is latency too.
                    connection.started_at = due
                continue
            nothing_free = not self._idle
            self.take_in(max(0.0, due - now) if self._next < len(self.requests) else 1.0)
            if nothing_free and self._idle:
                free_since = time.perf_counter()

    def _begin(self, connection: Sending) -> None:
        self._idle.append(connection)


def send_at(per_s: float, requests: Sequence[Request], ports: Sequence[int], connections: int) -> Load:
    """Send the requests once each at a steady rate over so many keep-alive connections.

    A latency counts from when the request leaves, or from when it should have where no connection was free.
    """
    run = _Paced(requests, ports, connections, per_s)
    gc.collect()
    gc.disable()
    cpu, start = time.process_time(), time.perf_counter()
    try:
        run.send_all()
        elapsed = time.perf_counter() - start
    finally:
        gc.enable()
        run.close()
    return Load(requests, run.statuses, run.latencies, elapsed, time.process_time() - cpu)
