"""The only socket that leaves: what it refuses, what it survives."""

import contextlib
import dataclasses
import datetime as dt
import gzip
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from productfruits.outgoing.http import (
    BadRequest,
    Egress,
    Request,
    Response,
    TimedOut,
    Unintelligible,
    Unreachable,
    Untrusted,
)
from tests.receivers import PUBLIC, Receiver, answering, answering_again_and_again, receiving

ALLOW = (ipaddress.ip_network(f"{PUBLIC}/32"),)


def send(url: str, *, method: str = "POST", body: bytes | None = b"{}", **values: Any) -> Response:
    return Egress(ALLOW).send(Request(method, url, values.pop("headers", ()), body, **values))


@pytest.fixture(scope="module")
def canary() -> Iterator[Receiver]:
    """Listens where nobody may knock."""
    with receiving(host="127.0.0.1") as listener, receiving(host="::1", port=listener.port) as other:
        yield listener
        assert listener.requests == other.requests == []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives names addresses: each call of the resolver gets the next answer, the last one for ever."""

    def give(*answers: list[str]) -> None:
        left = list(answers)

        def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            addresses = left.pop(0) if len(left) > 1 else left[0]
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return give


def test_a_request_arrives_as_it_was_meant() -> None:
    with receiving(answering("201 Created", b"made", "X-Own: yes")) as receiver:
        answer = send(receiver.url + "?a=b c".replace(" ", "%20"), headers=(("Content-Type", "application/json"),))
    assert (answer.status, answer.body, answer.truncated) == (201, b"made", False)
    assert ("X-Own", "yes") in answer.headers
    [request] = receiver.requests
    assert request.decode().split("\r\n") == [
        "POST /hook?a=b%20c HTTP/1.1",
        f"Host: {PUBLIC}:{receiver.port}",
        "Connection: close",
        "Content-Length: 2",
        "User-Agent: productfruits",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        "",
        "{}",
    ]


@pytest.mark.parametrize("host", ["127.1", "0", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "localhost."])
def test_a_name_for_this_host_is_not_reached(canary: Receiver, host: str) -> None:
    with pytest.raises(Unreachable) as refused:
        send(f"http://{host}:{canary.port}/")
    assert str(refused.value) == str(Unreachable())


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "0.0.0.0", "169.254.169.254", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127。0。0。1", "①②⑦.⓪.⓪.①"),
    ],
)
def test_an_address_of_this_host_is_not_reached(canary: Receiver, host: str) -> None:
    with pytest.raises(Unreachable) as refused:
        send(f"http://{host}:{canary.port}/")
    assert str(refused.value) == str(Unreachable())


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://127.0.0.1:1/", "ftp://127.0.0.1/", "dict://127.0.0.1:1/", "//127.0.0.1/"),
        *("http://", "http:///x", "hooks.example.com", "http://user@example.com/", "http://a:b@example.com/"),
        *(r"http://example.com\@127.0.0.1/", "http://127.0.0.1%00.example.com/", "http://exa mple.com/"),
        *(
            "http://example.com/\r\nHost: other",
            "http://example.com:22/",
            "http://example.com:0/",
            "http://example.com:6379",
        ),
        *(
            "http://example.com:99999/",
            "http://[::1",
            "http://[fe80::1%25lo]/",
            "http://a..b/",
            "http://ex%61mple.com",
        ),
        "https://example.com/" + "a" * 2_048,
    ],
)
def test_a_url_that_can_be_read_in_two_ways_or_leads_nowhere_is_refused_in_words(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        send(url)
    assert len(str(refused.value)) > 20


@pytest.mark.parametrize(
    "header",
    [
        *(("X-A", "b\r\nX-C: d"), ("X-A", "b\nc"), ("X-A", "b\0"), ("X-A", "b\u2028"), ("X\r\nA", "b"), ("X A", "b")),
        *(("", "b"), ("X:A", "b"), ("Host", "other"), ("content-length", "0"), ("Transfer-Encoding", "chunked")),
    ],
)
def test_a_header_that_would_change_the_request_is_refused(header: tuple[str, str]) -> None:
    with receiving() as receiver, pytest.raises(BadRequest):
        send(receiver.url, headers=(header,))
    assert receiver.requests == []


@pytest.mark.parametrize("method", ["", "get", "POST /x", "CONNECT", "TRACE", "A\r\nB"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(BadRequest):
        send("https://hooks.example.com/", method=method)


def test_nobody_listening_reads_like_a_refused_address(canary: Receiver) -> None:
    with receiving() as receiver:
        url = receiver.url
    with pytest.raises(Unreachable) as unreachable:
        send(url)
    with pytest.raises(Unreachable) as refused:
        send(f"http://127.0.0.1:{canary.port}/")
    assert (type(unreachable.value), str(unreachable.value)) == (type(refused.value), str(refused.value))


def test_a_name_that_changes_its_mind_is_asked_once(canary: Receiver, names: Callable[..., None]) -> None:
    names([PUBLIC], ["127.0.0.1"])
    with receiving() as receiver:
        assert send(f"http://rebind.example:{receiver.port}/").status == 200
    assert f"Host: rebind.example:{receiver.port}".encode() in receiver.requests[0]


@pytest.mark.parametrize("others", [["127.0.0.1"], ["::1"], ["10.0.0.1"] * 299, ["fe80::1%lo"]])
def test_one_bad_address_among_good_ones_spoils_the_name(names: Callable[..., None], others: list[str]) -> None:
    names([PUBLIC, *others])
    with receiving() as receiver, pytest.raises(Unreachable):
        send(f"http://mixed.example:{receiver.port}/")
    assert receiver.requests == []


def test_the_next_address_is_tried_when_one_does_not_answer(names: Callable[..., None]) -> None:
    names(["127.0.0.3", PUBLIC])
    with receiving() as receiver:
        egress = Egress((ipaddress.ip_network("127.0.0.2/31"),))
        assert egress.send(Request("GET", f"http://two.example:{receiver.port}/", (), None)).status == 200


def test_an_unknown_name_is_unreachable(names: Callable[..., None]) -> None:
    names([])
    with pytest.raises(Unreachable):
        send("https://nobody.example/")


def test_proxies_of_the_environment_are_not_asked(canary: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with receiving() as receiver:
        assert send(receiver.url).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/", "file:///etc/passwd"])
def test_redirects_are_answers_like_others(canary: Receiver, status: int, place: str) -> None:
    location = "Location: " + place.format(port=canary.port)
    with receiving(answering(f"{status} Elsewhere", b"", location)) as receiver:
        assert send(receiver.url).status == status
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 1_000_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_called_so(answer: bytes) -> None:
    with receiving(lambda connection: connection.sendall(answer)) as receiver, pytest.raises(Unintelligible):
        send(receiver.url)


def flood(first: bytes, more: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(more)

    return behave


def test_an_endless_body_is_cut_at_the_cap() -> None:
    endless = flood(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 65_536)
    with receiving(endless) as receiver:
        answer = send(receiver.url, cap_bytes=1_000)
    assert (answer.body, answer.truncated) == (b"x" * 1_000, True)


def test_a_packed_body_stays_packed() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with receiving(answering("200 OK", bomb, "Content-Encoding: gzip")) as receiver:
        assert send(receiver.url).body == bomb


def drip(connection: socket.socket) -> None:
    """A byte at a time, each of them in time."""
    stop = connection.dup()
    stop.settimeout(0.02)
    with stop:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000:
            connection.sendall(bytes([byte]))
            try:
                if not stop.recv(1):
                    return
            except TimeoutError:
                pass


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(lambda connection: connection.recv(1), id="silence"),
        pytest.param(drip, id="drip"),
        pytest.param(flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="1xx flood"),
        pytest.param(
            lambda connection: (connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nso far"), connection.recv(1)),
            id="never closes",
        ),
    ],
)
def test_no_slowness_and_no_flood_stretches_the_deadline(behave: Callable[[socket.socket], None]) -> None:
    with receiving(behave) as receiver, pytest.raises(TimedOut):
        send(receiver.url, deadline_s=0.2)


def test_a_line_keeps_its_connection_while_the_receiver_does_and_makes_a_new_one_otherwise() -> None:
    request = Request("POST", "", (), b"{}")
    with receiving(answering_again_and_again) as keeping, receiving() as closing:
        with contextlib.closing(Egress(ALLOW).line()) as line:
            for _ in range(3):
                assert line.send(dataclasses.replace(request, url=keeping.url)).status == 200
            for _ in range(3):
                assert line.send(dataclasses.replace(request, url=closing.url)).status == 200
        assert len(keeping.requests) == 1 and len(closing.requests) == 3
        assert b"Connection: keep-alive" in keeping.requests[0]


def test_a_line_that_was_refused_once_can_be_used_again(canary: Receiver) -> None:
    with receiving(answering_again_and_again) as receiver, contextlib.closing(Egress(ALLOW).line()) as line:
        for _ in range(2):
            assert line.send(Request("GET", receiver.url, (), None)).status == 200
            with pytest.raises(Unreachable):
                line.send(Request("GET", f"http://127.0.0.1:{canary.port}/", (), None))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for hooks.example that vouches for itself, and a server's context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1))
        .not_valid_after(dt.datetime(2120, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    tls: tuple[Path, ssl.SSLContext], names: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = tls
    names([PUBLIC])
    with receiving(tls=context) as receiver:
        with pytest.raises(Untrusted):
            send(f"https://hooks.example:{receiver.port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert send(f"https://hooks.example:{receiver.port}/").status == 200
        with pytest.raises(Untrusted):
            send(f"https://other.example:{receiver.port}/")
    assert len(receiver.requests) == 1


def test_in_an_internet_of_its_own_only_the_public_host_is_reached() -> None:
    """With real addresses, a real resolver and no allowance; where this machine has no namespaces to give, the
    stand-ins of the other tests are what there is."""
    alone = ["unshare", "--map-root-user", "--net", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        return
    child = subprocess.run(
        [*alone, sys.executable, "-m", "tests.unit.outgoing.small_internet"], capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    outcomes = json.loads(child.stdout)
    assert outcomes.pop("knocks where nobody may") == 0
    reached = {name for name, outcome in outcomes.items() if outcome == 200}
    assert reached == {"public.example", "six.example", "rebind.example"}
    assert {outcome for name, outcome in outcomes.items() if name not in reached} == {str(Unreachable())}
