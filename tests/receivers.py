"""Receivers of requests for tests, on raw sockets, so that they can be as hostile as they like."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: Stands for the public internet in tests: of this host, and not the address that canaries listen on.
PUBLIC = "127.0.0.2"
Behave = Callable[[socket.socket], None]


@dataclass
class Receiver:
    """Listens on an address; keeps what each connection sent."""

    port: int
    host: str
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"


def answering(status: str = "200 OK", body: bytes = b"fine", *headers: str) -> Behave:
    """Answers each request in the same way."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    answer = "\r\n".join(lines).encode() + body
    return lambda connection: connection.sendall(answer)


def answering_again_and_again(connection: socket.socket) -> None:
    """Keeps the connection for as many requests as come. Only the first is among a receiver's `requests`."""
    while True:
        answering()(connection)
        if not _request(connection):
            return


@contextlib.contextmanager
def receiving(
    behave: Behave | None = None, host: str = PUBLIC, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """A receiver that reads a request and then behaves in that way, with each connection in a thread of its own."""
    behave = behave or answering()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        receiver = Receiver(listener.getsockname()[1], host)
        threads: list[threading.Thread] = []
        open_connections: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    receiver.requests.append(_request(connection))
                    behave(connection)
                    return
                with tls.wrap_socket(connection, server_side=True) as secured:
                    receiver.requests.append(_request(secured))
                    behave(secured)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    open_connections.append(connection)
                    threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield receiver
        finally:
            # Wakes accept(), which a close alone does not.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in open_connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _request(connection: socket.socket) -> bytes:
    """Head and body of a request, the body by its Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length and (part := connection.recv(65_536)):
        received += part
        body += part
    return received
