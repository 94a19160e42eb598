"""The load generator against a real socket: what it counts as acknowledged decides whether a loss can be seen."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.payloads import Request
from bench.sender import NO_ANSWER, NOT_SENT, send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Answer = Callable[[bytes], bytes | None]


def requests(count: int, size: int = 10) -> list[Request]:
    return [
        Request(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + bytes([65 + number]) * size, (f"m{number}",))
        for number in range(count)
    ]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server of the bare minimum: `answer` gets the body; None hangs up without a word."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as stream:
            while stream.readline():
                length = int(stream.readline().split(b":")[1])
                stream.readline()
                reply = answer(stream.read(length))
                if reply is None:
                    return
                peer.sendall(reply)

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(OK, id="with a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", id="in chunks"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="and a closed connection"),
    ],
)
def test_it_sends_each_request_once_and_takes_the_answers(reply: bytes) -> None:
    seen: list[bytes] = []

    def answer(body: bytes) -> bytes:
        seen.append(body)
        return reply

    with server(answer) as port:
        load = send(requests(12), [port], connections=3)

    assert sorted(seen) == [bytes([65 + number]) * 10 for number in range(12)]
    assert load.acknowledged == [f"m{number}" for number in range(12)]
    assert load.refused == {}
    assert len(load.latencies_s) == 12


def test_a_body_larger_than_the_socket_buffer_arrives_whole() -> None:
    sizes: list[int] = []

    def answer(body: bytes) -> bytes:
        sizes.append(len(body))
        return OK

    with server(answer) as port:
        load = send(requests(2, size=9_000_000), [port], connections=2)

    assert sizes == [9_000_000, 9_000_000]
    assert load.acknowledged == ["m0", "m1"]


def test_only_200_acknowledges() -> None:
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

    with server(lambda body: busy if body.startswith(b"B") else OK) as port:
        load = send(requests(3), [port], connections=1)

    assert load.acknowledged == ["m0", "m2"]
    assert load.refused == {503: 1}
    assert [request.message_ids for request in load.unacknowledged] == [("m1",)]


def test_a_request_whose_connection_broke_is_not_acknowledged() -> None:
    with server(lambda body: None if body.startswith(b"B") else OK) as port:
        load = send(requests(4), [port], connections=1)

    assert load.statuses == [200, NO_ANSWER, 200, 200]


def test_the_load_ends_when_the_server_is_gone() -> None:
    gone = threading.Event()

    with server(lambda body: None if gone.is_set() else OK) as port:
        load = send(requests(20), [port], connections=2, interrupt_after=5, interrupt=gone.set)

    assert gone.is_set()
    assert load.statuses.count(200) >= 5
    assert load.statuses.count(NO_ANSWER) == 20 - load.statuses.count(200)


def test_no_request_starts_after_the_time_is_up() -> None:
    with server(lambda body: OK) as port:
        load = send(requests(5), [port], connections=1, seconds=0)

    assert load.statuses == [NOT_SENT] * 5
    assert load.messages_per_s == 0.0
