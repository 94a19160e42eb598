"""Where a request names its workspace: the write key of SDKs, and the auth token that may stand wherever a key may."""

import base64
import binascii
from urllib.parse import parse_qs

from productfruits.web.ingest.door import Incoming


def of_sdk(incoming: Incoming) -> str | None:
    """The key in the head of an SDK's request: the user name of Basic. Others put it into the body as `writeKey`."""
    return incoming.headers.get("x-auth-token") or _basic(incoming)


def of_function(incoming: Incoming) -> str | None:
    """The key of what is posted the way Jitsu takes it, in Jitsu's order: query, X-Auth-Token, api_key, Basic."""
    token = parse_qs(incoming.query).get("token", [""])[0] if "token=" in incoming.query else ""
    headers = incoming.headers
    named = headers.get("x-auth-token") or headers.get("api_key") or headers.get("api-key")
    return token or named or _basic(incoming)


def _basic(incoming: Incoming) -> str | None:
    scheme, _, credentials = incoming.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user = base64.b64decode(credentials.strip(), validate=True).partition(b":")[0]
    except (binascii.Error, ValueError):
        return None
    return user.decode("latin-1").strip() or None
