"""Bytes over a connection, against one deadline for all of them."""

import io
import socket
import time
from typing import Any


class Wire:
    """A connection on which whatever is to be done is done before the deadline, or raises TimeoutError.

    A socket's own time-out begins anew with each byte.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def send_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._in_time().send(rest) :]

    def receive_into(self, buffer: Any) -> int:
        return self._in_time().recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(_Incoming(self))

    def _in_time(self) -> socket.socket:
        left = self._deadline - time.monotonic()
        if left <= 0:  # also for a receiver that is never slow and never done
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer)
