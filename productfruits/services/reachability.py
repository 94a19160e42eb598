"""Can Segment's servers reach this one? Judged by the public address alone: nothing is asked over the network."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

#: Names that resolve only inside a machine or a network (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".test", ".invalid")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why Segment cannot (or should not) send to this address, and what to do about it."""

    title: str
    what: str
    remedy: str


def obstacle(base_url: str) -> Obstacle | None:
    """What stands between Segment and `base_url`, or None if nothing can be seen from here."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if _is_local(host):
        return Obstacle(
            "Segment cannot reach this server yet",
            f"{base_url} is an address inside your own machine or network, and Segment sends from the internet.",
            "Give the server a public https address and set PRODUCTFRUITS_PUBLIC_URL to it, then restart. To try it "
            "out from a laptop, a tunnel such as cloudflared or ngrok gives you one: set "
            "PRODUCTFRUITS_PUBLIC_URL to the address that the tunnel prints. Sending a test event works without.",
        )
    if parts.scheme != "https":
        return Obstacle(
            "The webhook address is not encrypted",
            f"{base_url} begins with http, so names and e-mails of your users would travel the internet in clear.",
            "Put a reverse proxy with a certificate in front and set PRODUCTFRUITS_PUBLIC_URL to the https address; "
            "docs/self-hosting.md shows how.",
        )
    return None


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot, or in a zone that is nobody's on the internet.
        return "." not in host.rstrip(".") or host.rstrip(".").endswith(LOCAL_SUFFIXES)
    return not address.is_global
