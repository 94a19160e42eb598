"""A closed-loop HTTP/1.1 load generator: one thread, one epoll, requests that were built before the clock started.

Both of the machine's cores are wanted by what is measured, so a request costs here one send, one receive and a few
comparisons: about 20 microseconds.
"""

import gc
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.payloads import Request

GIVE_UP_S = 120.0
NOT_SENT = 0
NO_ANSWER = -1

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class LoadStalled(RuntimeError):
    """The server stopped answering: no response arrived for two minutes."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came back. `statuses` has one entry a request: an HTTP status, NOT_SENT or NO_ANSWER."""

    requests: Sequence[Request]
    statuses: list[int]
    latencies_s: list[float]
    elapsed_s: float
    sender_cpu_s: float

    @property
    def sent(self) -> int:
        """Requests that left, answered or not."""
        return sum(status != NOT_SENT for status in self.statuses)

    @property
    def acknowledged(self) -> list[str]:
        """The ids of all messages whose request was answered 200, in the order of the requests."""
        return [
            message_id
            for request, status in zip(self.requests, self.statuses, strict=True)
            if status == 200
            for message_id in request.message_ids
        ]

    @property
    def refused(self) -> dict[int, int]:
        """How often each other answer came."""
        counts: dict[int, int] = {}
        for status in self.statuses:
            if status not in (200, NOT_SENT):
                counts[status] = counts.get(status, 0) + 1
        return counts

    @property
    def unacknowledged(self) -> list[Request]:
        """The requests that were sent or not, but not answered 200."""
        return [request for request, status in zip(self.requests, self.statuses, strict=True) if status != 200]

    @property
    def messages_per_s(self) -> float:
        """Acknowledged messages over the time from the first send to the last answer."""
        return len(self.acknowledged) / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """The latency that `share` (0 to 1) of the answers did not exceed."""
        if not self.latencies_s:
            return 0.0
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class Sending:
    """A connection and the request that is under way on it."""

    __slots__ = ("address", "answer", "index", "rest", "socket", "started_at")

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.index = -1
        self.started_at = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.answer = b""
        self.rest = memoryview(b"")

    def push(self) -> None:
        """Send as much of the request as the kernel takes now."""
        try:
            self.rest = self.rest[self.socket.send(self.rest) :]
        except BlockingIOError:
            return

    def pull(self) -> tuple[int, bool] | None:
        """(status, connection is closing) once the answer is complete. Raises ConnectionError when the peer is gone."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionResetError("closed by the server")
        self.answer = self.answer + data if self.answer else data
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.answer[: end + 2]
        length = _LENGTH.search(head)
        if length is not None:
            complete = len(self.answer) >= end + 4 + int(length[1])
        else:
            complete = _CHUNKED.search(head) is None or self.answer.endswith(b"0\r\n\r\n")
        if not complete:
            return None
        self.answer = b""
        return int(head[9:12]), _CLOSES.search(head) is not None


class Run:
    """One closed loop over the requests; every connection has one request under way."""

    def __init__(self, requests: Sequence[Request], ports: Sequence[int], connections: int, seconds: float | None):
        self.requests = requests
        self.statuses = [NOT_SENT] * len(requests)
        self.latencies: list[float] = []
        self._seconds = seconds
        self._next = 0
        self._poll = select.epoll()
        self._open: dict[int, Sending] = {}
        for number in range(min(connections, len(requests))):
            self._register(Sending(("127.0.0.1", ports[number % len(ports)])))

    def loop(self, interrupt_after: int | None, interrupt: Callable[[], None] | None) -> None:
        self._deadline = time.perf_counter() + self._seconds if self._seconds is not None else float("inf")
        for idle in list(self._open.values()):
            self._begin(idle)
        while self._open:
            if not self.take_in(GIVE_UP_S):
                raise LoadStalled(LoadStalled.__doc__)
            if interrupt_after is not None and len(self.latencies) >= interrupt_after and interrupt is not None:
                interrupt_after = None
                interrupt()

    def take_in(self, within_s: float) -> bool:
        """Go on with every connection that is ready; false when none was in that time."""
        ready = self._poll.poll(within_s)
        for descriptor, mask in ready:
            connection = self._open.get(descriptor)
            if connection is None:
                continue
            try:
                if connection.rest:
                    self._push(connection)
                if mask & ~select.EPOLLOUT:
                    self._pull(connection)
            except (ConnectionError, BrokenPipeError):
                self._lose(connection)
        return bool(ready)

    def close(self) -> None:
        for connection in self._open.values():
            connection.socket.close()
        self._poll.close()

    def _register(self, connection: Sending) -> None:
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket.fileno(), select.EPOLLIN)

    def _forget(self, connection: Sending) -> None:
        del self._open[connection.socket.fileno()]
        self._poll.unregister(connection.socket.fileno())
        connection.socket.close()

    def _begin(self, connection: Sending) -> None:
        now = time.perf_counter()
        if self._next >= len(self.requests) or now >= self._deadline:
            self._forget(connection)
            return
        connection.index = self._next
        self._next += 1
        self.statuses[connection.index] = NO_ANSWER
        connection.started_at = now
        connection.rest = memoryview(self.requests[connection.index].wire)
        try:
            connection.push()
        except (ConnectionError, BrokenPipeError):
            self._lose(connection)
            return
        if connection.rest:
            self._poll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _push(self, connection: Sending) -> None:
        connection.push()
        if not connection.rest:
            self._poll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _pull(self, connection: Sending) -> None:
        answer = connection.pull()
        if answer is None:
            return
        self.latencies.append(time.perf_counter() - connection.started_at)
        self.statuses[connection.index], closes = answer
        if closes or connection.rest:
            self._replace(connection)
        else:
            self._begin(connection)

    def _lose(self, connection: Sending) -> None:
        """A request whose connection broke stays NO_ANSWER: it may or may not have been stored."""
        self._replace(connection)

    def _replace(self, connection: Sending) -> None:
        self._forget(connection)
        try:
            connection.open()
        except OSError:
            return
        self._register(connection)
        self._begin(connection)


def send(
    requests: Sequence[Request],
    ports: Sequence[int],
    connections: int,
    seconds: float | None = None,
    *,
    interrupt_after: int | None = None,
    interrupt: Callable[[], None] | None = None,
) -> Load:
    """Send the requests once each, over so many keep-alive connections spread over the ports, and wait for the answers.

    After `seconds` no further request starts. `interrupt` is called once, after so many answers; when the server does
    not come back at once, the load ends with what was acknowledged until then.
    """
    run = Run(requests, ports, connections, seconds)
    gc.collect()
    gc.disable()  # a collection over a hundred thousand prepared requests would show as latency
    cpu, start = time.process_time(), time.perf_counter()
    try:
        run.loop(interrupt_after, interrupt)
        elapsed = time.perf_counter() - start
    finally:
        gc.enable()
        run.close()
    return Load(requests, run.statuses, run.latencies, elapsed, time.process_time() - cpu)
