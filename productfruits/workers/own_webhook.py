"""Sends a message to this server's own webhook, over real HTTP, signed as Segment signs.

A fixed client: it connects to the host and port of the settings and nowhere else, follows no redirect, and no address
in it comes from a request.
"""

import http.client
import ipaddress
import json
from dataclasses import dataclass

from productfruits.config import Settings
from productfruits.errors import ProductFruitsError
from productfruits.segment import signature

TIMEOUT_S = 6.0


class NotListening(ProductFruitsError):
    """This server's own address does not answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the webhook answered. `content` is its JSON object, empty where there was none."""

    status: int
    content: dict[str, object]


def send(settings: Settings, token: str, secret: bytes, body: bytes) -> Reply:
    """The webhook's answer to `body`. Raises `NotListening` with the remedy when there is none."""
    host = _own_host(settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json", "X-Signature": signature.sign(body, secret)}
    try:
        connection.request("POST", f"/webhooks/segment/{token}", body, headers)
        answer = connection.getresponse()
        said = answer.read(100_000)
    except (OSError, http.client.HTTPException) as err:
        raise NotListening(
            f"This server does not answer at {host}:{settings.port} ({type(err).__name__}). If it runs under "
            "another server than `productfruits serve`, set PRODUCTFRUITS_HOST and PRODUCTFRUITS_PORT to where that "
            "one listens."
        ) from err
    finally:
        connection.close()
    return Reply(answer.status, _object(said))


def _object(said: bytes) -> dict[str, object]:
    """The JSON object in an answer; empty for the page of another server on this port."""
    try:
        content = json.loads(said)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _own_host(host: str) -> str:
    """Where to connect to reach a server that listens on `host`: "all addresses" includes loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"
