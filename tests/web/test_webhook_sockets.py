"""The webhook of a real `productfruits serve`, spoken to byte by byte: what is not a whole request is never stored."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from productfruits.segment.signature import sign
from tests.served import Served, serve

PATIENCE_S = 60


class Line:
    """Raw bytes to the webhook of one workspace, and the events stored in it."""

    def __init__(self, served: Served) -> None:
        key = served.cli_json("workspace", "create", "Acme")["workspace"]
        active = served.cli_json("segment", "activate", "--workspace", key)
        self.served = served
        self.address = ("127.0.0.1", urlsplit(served.url).port or 0)
        self.path = urlsplit(active["webhook_url"]).path
        self.marks = 0
        self.secret = active["webhook_secret"].encode()

    def head(self, body: bytes, *headers: str, method: str = "POST") -> bytes:
        """A request line and headers signed for `body`; the length is for the caller to tell."""
        lines = [
            f"{method} {self.path} HTTP/1.1",
            "Host: localhost",
            f"X-Signature: {sign(body, self.secret)}",
            *headers,
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def exchange(self, *parts: bytes, end: str = "") -> list[int]:
        """Statuses of all answers until the server closes. `end`: "reset" hangs up, "half" says that no more comes."""
        with socket.create_connection(self.address, timeout=PATIENCE_S) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
                if end == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    return []
                if end == "half":
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server has closed already; what it said is still to be read
            return _statuses(_everything(connection))

    def stored(self) -> int:
        """Events in the store, read after one more message has gone through the same writer."""
        self.marks += 1
        body = message(f"mark-{self.marks}")
        assert self.exchange(self.head(body, f"Content-Length: {len(body)}", "Connection: close"), body) == [200]
        with closing(sqlite3.connect(self.served.data_dir / "productfruits.db")) as store:
            count: int = store.execute("SELECT count(*) FROM event WHERE message_id NOT LIKE 'mark-%'").fetchone()[0]
            return count


def message(name: str) -> bytes:
    return json.dumps({"type": "identify", "messageId": name, "userId": "somebody"}).encode()


def _everything(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def _statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with serve(tmp_path_factory.mktemp("sockets")) as served:
        yield Line(served)


BODY = message("whole")
LONGER = message("x" * 5_000)


def test_whole_requests_are_answered_however_they_are_cut(line: Line) -> None:
    length, close = f"Content-Length: {len(BODY)}", "Connection: close"
    whole = line.head(BODY, length, close) + BODY
    assert line.exchange(whole) == [200]
    assert line.exchange(*[whole[n : n + 1] for n in range(len(whole))]) == [200]
    chunked = b"%x\r\n%s\r\n" % (len(BODY[:9]), BODY[:9]) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY[9:]), BODY[9:])
    assert line.exchange(line.head(BODY, "Transfer-Encoding: chunked", close) + chunked) == [200]
    assert line.exchange(line.head(BODY, length) + BODY + whole) == [200, 200]
    assert line.exchange(line.head(BODY, length, close, "Expect: 100-continue"), BODY) in ([100, 200], [200])
    assert line.exchange(line.head(BODY, length, close, method="PUT") + BODY) == [200]


def test_half_a_request_is_never_stored(line: Line) -> None:
    before = line.stored()
    half = BODY[: len(BODY) // 2]
    length = f"Content-Length: {len(BODY)}"
    for end in ("half", "reset"):
        cut = [
            line.exchange(line.head(BODY, length) + half, end=end),
            line.exchange(line.head(half, length) + half, end=end),
            line.exchange(line.head(BODY, length), end=end),
            line.exchange(line.head(BODY, length)[:-2], end=end),
            line.exchange(line.head(BODY, "Transfer-Encoding: chunked") + b"%x\r\n" % len(BODY) + half, end=end),
            line.exchange(line.head(half, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(half), half), end=end),
            line.exchange(line.head(LONGER, f"Content-Length: {len(LONGER) + 1}") + LONGER, end=end),
        ]
        assert all(status in (400, 408) for statuses in cut for status in statuses), cut
    assert line.stored() == before


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: -1",),
        ("Content-Length: +{n}",),
        ("Content-Length: 0x{n}",),
        ("Content-Length: ten",),
        ("Content-Length: {n}, {n}1",),
        ("Content-Length: {n}", "Content-Length: {n}1"),
        ("Content-Length: 99999999999999999999999999",),
        ("Content-Length : {n}",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: {n}", " folded: x"),
        ("Content-Length: {n}", "Nul\0: x"),
    ],
    ids=lambda headers: headers[-1].strip(),
)
def test_games_with_lengths_are_refused_or_read_as_one_request(line: Line, headers: tuple[str, ...]) -> None:
    body = message("game")
    told = [header.replace("{n}", str(len(body))) for header in headers]
    statuses = line.exchange(line.head(body, *told, "Connection: close") + body)
    assert len(statuses) <= 1
    assert all(400 <= status < 500 for status in statuses), statuses


def test_a_request_hidden_in_a_body_is_not_seen(line: Line) -> None:
    before = line.stored()
    hidden_body = message("hidden")
    hidden = line.head(hidden_body, f"Content-Length: {len(hidden_body)}") + hidden_body
    outer = b"0\r\n\r\n" + hidden
    both = ("Transfer-Encoding: chunked", f"Content-Length: {len(outer)}", "Connection: close")
    assert 200 not in line.exchange(line.head(b"", *both) + outer)
    assert line.exchange(line.head(outer, f"Content-Length: {len(outer)}", "Connection: close") + outer) == [400]
    assert line.stored() == before


def test_a_wrong_request_does_not_spoil_the_next_one_on_the_line(line: Line) -> None:
    wrong = line.head(b"other", f"Content-Length: {len(BODY)}") + BODY
    right = line.head(BODY, f"Content-Length: {len(BODY)}", "Connection: close") + BODY
    assert line.exchange(wrong + right) == [401, 200]


def test_many_headers_and_long_ones_are_refused_and_the_server_goes_on(line: Line) -> None:
    for headers in ([f"X-{n}: x" for n in range(1_500)], ["X-Long: " + "x" * 1_000_000]):
        statuses = line.exchange(line.head(BODY, *headers, f"Content-Length: {len(BODY)}", "Connection: close") + BODY)
        assert all(400 <= status < 500 for status in statuses), statuses
    assert line.exchange(line.head(BODY, f"Content-Length: {len(BODY)}", "Connection: close") + BODY) == [200]


def test_idle_connections_do_not_keep_others_out(line: Line) -> None:
    idle = [socket.create_connection(line.address, timeout=PATIENCE_S) for _ in range(300)]
    try:
        for connection in idle[::2]:
            connection.sendall(line.head(BODY, f"Content-Length: {len(BODY)}"))
        assert line.exchange(line.head(BODY, f"Content-Length: {len(BODY)}", "Connection: close") + BODY) == [200]
    finally:
        for connection in idle:
            connection.close()
