"""URLs that may be sent to, as far as their text tells. Where they lead is decided when their name is resolved."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from productfruits.errors import ProductFruitsError

MAX_URL = 2_048
#: Of the ports below 1024 only these two are the web's. Above it, those on which browsers do not speak HTTP either
#: (https://fetch.spec.whatwg.org/#port-blocking), and two stores: other protocols may take a request for their own.
_WEB_PORTS = (80, 443)
_BLOCKED_PORTS = frozenset(
    (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6679, 6697, 10080, 11211)
) | frozenset(range(6665, 6670))
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
#: What stays as it is written in a path; the rest becomes %XX.
_SAFE = "/%:@!$&'()*+,;=|[]"
_SUSPECT = re.compile(r"[\x00-\x20\x7f\\]")


class BadRequest(ProductFruitsError):
    """This request cannot be sent as it is written."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart once, so that nobody can read it in two ways."""

    scheme: str
    #: A name or an address, without brackets.
    host: str
    port: int
    #: What stands in the Host header.
    authority: str
    #: Path and query.
    path: str

    @property
    def is_address(self) -> bool:
        """True where there is no name to resolve. Short forms like 127.1 are names: the system knows what they mean."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def read_target(url: str) -> Target:
    """The URL's parts. Raises `BadRequest`, which says what to write instead."""
    if len(url) > MAX_URL:
        raise BadRequest(f"The URL is longer than {MAX_URL} characters.")
    if _SUSPECT.search(url):
        raise BadRequest("The URL contains a space, a backslash or a control character. Write a space as %20.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise BadRequest("The URL cannot be read. It looks like https://hooks.example.com/path.") from err
    if parts.scheme not in ("http", "https"):
        raise BadRequest("The URL must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise BadRequest("The URL holds a user name or password. Send it as an Authorization header instead.")
    host = _read_host(parts.netloc, parts.hostname)
    standard = 443 if parts.scheme == "https" else 80
    port = standard if port is None else port
    if port in _BLOCKED_PORTS or (port < 1024 and port not in _WEB_PORTS):
        raise BadRequest(f"Port {port} belongs to another protocol than HTTP. Use 443, 80, or a port from 1024 up.")
    shown = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_SAFE)
    query = "?" + quote(parts.query, safe=_SAFE + "?") if parts.query else ""
    return Target(parts.scheme, host, port, shown if port == standard else f"{shown}:{port}", path + query)


def _read_host(netloc: str, host: str | None) -> str:
    if not host:
        raise BadRequest("The URL names no host. It looks like https://hooks.example.com/path.")
    try:
        # Names in other scripts become their ASCII form, so that what is resolved is what is checked.
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as err:
        raise BadRequest("The URL's host is no name that the internet knows.") from err
    if not _HOST.fullmatch(f"[{plain}]" if netloc.startswith("[") else plain):
        raise BadRequest("The URL's host holds characters that are not allowed there.")
    return plain
