"""The only socket that leaves: every request of this server to somebody else goes through here.

Whoever writes a URL into a form must not reach the inside of this network with it. So a name is resolved once, every
address it has is looked at, and the connection goes to an address that was looked at, whatever the name says a moment
later. Redirects are not followed, proxies of the environment not asked. An answer has a size and a deadline that no
slowness stretches: time is counted over the whole request, not from one byte to the next.
"""

import contextlib
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import cast

from productfruits.config import Network
from productfruits.errors import ProductFruitsError
from productfruits.outgoing.addresses import may_send_to
from productfruits.outgoing.urls import BadRequest, Target, read_target
from productfruits.outgoing.wire import Wire

CONNECT_S = 5.0
DEADLINE_S = 15.0
CAP_BYTES = 65_536
#: Of many addresses of a name all are looked at, and so many tried.
ADDRESSES_TRIED = 3
#: Resolvers that may be asked at a time: the system's resolver has a patience of its own and cannot be stopped.
RESOLVING = 64
#: Headers that follow from the request itself; a second opinion about them is how requests are smuggled.
OWN_HEADERS = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
USER_AGENT = "productfruits"
_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

Headers = tuple[tuple[str, str], ...]

__all__ = [
    "BadRequest",
    "Egress",
    "Line",
    "Request",
    "Response",
    "TimedOut",
    "Unintelligible",
    "Unreachable",
    "Untrusted",
    "check_header",
]


class Unreachable(ProductFruitsError):
    """The address cannot be reached. Either nothing answers there, or it is an address to which this server does not
    send: private networks and reserved addresses, unless its operator allows them with PRODUCTFRUITS_EGRESS_ALLOW."""


class Untrusted(Unreachable):
    """The receiver's TLS certificate is not valid for this name, or its TLS is not one that this server speaks."""


class Unintelligible(Unreachable):
    """The receiver answered something that is not HTTP, or broke its answer off."""


class TimedOut(ProductFruitsError):
    """The receiver did not answer in time."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Headers
    body: bytes | None
    #: Seconds for everything together: resolving, connecting, sending, and the whole answer.
    deadline_s: float = DEADLINE_S
    #: The answer is read up to here.
    cap_bytes: int = CAP_BYTES


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers
    #: As it came: nothing is unpacked, since a small body can be packed from a huge one.
    body: bytes
    #: There was more than the cap.
    truncated: bool


def check_header(name: str, value: str) -> None:
    """Raise `BadRequest` for a header that cannot be sent."""
    if not _HEADER_NAME.fullmatch(name):
        raise BadRequest("A header's name may hold letters, digits and dashes only.")
    if name.lower() in OWN_HEADERS:
        raise BadRequest(f"The header {name} follows from the request and cannot be set.")
    if not _HEADER_VALUE.fullmatch(value):
        raise BadRequest(f"The value of the header {name} holds a line break or a character that headers cannot.")


class Egress:
    """Sends requests to addresses that are public or that the operator allows. Any number of threads may share it."""

    def __init__(self, allow: tuple[Network, ...]) -> None:
        self._allow = allow
        self._tls: ssl.SSLContext | None = None
        self._resolving = threading.BoundedSemaphore(RESOLVING)

    def send(self, request: Request) -> Response:
        """Send it once and read the answer, whatever its status; redirects are answers like others.

        Raises `BadRequest` before anything is sent, `TimedOut`, or `Unreachable`, whose words do not tell an address
        that is refused from one where nobody listens.
        """
        with contextlib.closing(Line(self, keep=False)) as line:
            return line.send(request)

    def line(self) -> "Line":
        """A connection for several requests to one receiver, one after the other; to be closed."""
        return Line(self, keep=True)

    def connect(self, target: Target, deadline: float) -> socket.socket:
        """A connection to an address of the target that may be sent to. Raises `TimedOut` or `Unreachable`."""
        until = min(deadline, time.monotonic() + CONNECT_S)
        addresses = self._resolve(target, until)
        if not addresses or not all(may_send_to(address, self._allow) for address in addresses):
            raise Unreachable()
        connection = _dial(addresses[:ADDRESSES_TRIED], target.port, until)
        if target.scheme == "http":
            return connection
        try:
            connection.settimeout(_left(deadline))
            return self._context().wrap_socket(connection, server_hostname=target.host.rstrip("."))
        except TimeoutError as err:
            connection.close()
            raise TimedOut() from err
        except (OSError, ValueError) as err:  # SSLError is an OSError
            connection.close()
            raise Untrusted() from err

    def _resolve(self, target: Target, until: float) -> list[str]:
        """Every address of the name, once each, in the system's order; none if it has none or nobody says in time."""
        if target.is_address:
            return [target.host]
        if not self._resolving.acquire(timeout=_left(until)):
            return []
        answers: list[str] = []
        done = threading.Event()

        def ask() -> None:
            try:
                found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
                answers.extend(dict.fromkeys(str(each[4][0]) for each in found))
            except (OSError, UnicodeError):
                pass
            finally:
                self._resolving.release()
                done.set()

        # A thread of its own: the system's resolver takes no deadline, and must not be waited for at the exit either.
        threading.Thread(target=ask, name="productfruits-resolver", daemon=True).start()
        return answers if done.wait(_left(until)) else []

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class Line:
    """A connection that is kept between requests to the same place. For one thread.

    It stays with the address that was looked at when it was made, so keeping it is no way around the guard.
    """

    def __init__(self, egress: Egress, *, keep: bool) -> None:
        self._egress = egress
        self._keep = keep
        self._connection: socket.socket | None = None
        self._place: tuple[str, str, int] | None = None

    def send(self, request: Request) -> Response:
        """As `Egress.send`. Where the receiver has closed the kept connection meanwhile, a new one is made."""
        target = read_target(request.url)
        head = _head(request, target, self._keep)
        deadline = time.monotonic() + request.deadline_s
        place = (target.scheme, target.host, target.port)
        if self._connection is not None and self._place == place:
            try:
                return self._exchange(self._connection, head, request, deadline)
            except ConnectionError:  # closed while nobody used it: nothing was answered
                pass
        self.close()
        self._connection, self._place = self._egress.connect(target, deadline), place
        try:
            return self._exchange(self._connection, head, request, deadline)
        except ConnectionError as err:
            raise Unintelligible() from err

    def close(self) -> None:
        """Safe to repeat."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, connection: socket.socket, head: bytes, request: Request, deadline: float) -> Response:
        """Send and read. Raises ConnectionError where the connection ends before any of the answer."""
        is_kept = False
        try:
            wire = Wire(connection, deadline)
            wire.send_all(head + (request.body or b""))
            response, is_kept = _read(wire, request)
            return response
        except TimeoutError as err:
            raise TimedOut() from err
        except ConnectionError:
            raise
        except (HTTPException, OSError, ValueError) as err:
            raise Unintelligible() from err
        finally:
            if not (is_kept and self._keep):
                self.close()


def _head(request: Request, target: Target, keep: bool) -> bytes:
    """The request up to its body. Raises `BadRequest`."""
    if not _METHOD.fullmatch(request.method) or request.method in ("CONNECT", "TRACE"):
        raise BadRequest("The method must be GET, POST, PUT, PATCH, DELETE or another of HTTP's, in capital letters.")
    lines = [f"{request.method} {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body or b'')}")
    names = {name.lower() for name, _ in request.headers}
    if "user-agent" not in names:
        lines.append(f"User-Agent: {USER_AGENT}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    for name, value in request.headers:
        check_header(name, value)
        lines.append(f"{name}: {value.strip()}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _dial(addresses: list[str], port: int, until: float) -> socket.socket:
    """A connection to the first address that answers; each gets its share of the time."""
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        connection.settimeout(_left(until) / left)
        try:
            connection.connect((address, port))
        except OSError:
            connection.close()
            continue
        return connection
    raise Unreachable()


def _read(wire: Wire, request: Request) -> tuple[Response, bool]:
    """The answer, and whether the connection can take another request after it."""
    # http.client wants a socket and only calls its makefile.
    answer = HTTPResponse(cast("socket.socket", wire), method=request.method)
    try:
        answer.begin()
        body = answer.read(request.cap_bytes + 1)
        is_kept = answer.isclosed() and not answer.will_close
    finally:
        answer.close()
    response = Response(
        status=answer.status,
        headers=tuple(answer.getheaders()),
        body=body[: request.cap_bytes],
        truncated=len(body) > request.cap_bytes,
    )
    return response, is_kept


def _left(until: float) -> float:
    """The seconds until then: never 0, which to a socket means not to wait at all."""
    return max(0.001, until - time.monotonic())
