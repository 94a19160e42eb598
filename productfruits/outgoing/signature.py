"""Signs what leaves, by Standard Webhooks (https://www.standardwebhooks.com): id, time and body under a shared secret.

A receiver that knows the secret can tell that a request is ours, that nobody changed it, and by its id and time that
it is no copy. While a secret is rotated the request carries a signature with each, so that the receiver may change over
when it likes.
"""

import base64
import datetime as dt
import secrets as random
from collections.abc import Sequence

from standardwebhooks import Webhook

from productfruits.outgoing.http import Headers

SECRET_PREFIX = "whsec_"


def new_secret() -> str:
    """A secret as receivers paste it: the prefix and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def headers(webhook_id: str, body: bytes, at: dt.datetime, secrets: Sequence[str]) -> Headers:
    """The three headers of a request whose `body` is UTF-8. `secrets`: the live ones, newest first."""
    text = body.decode()
    signatures = [Webhook(secret).sign(webhook_id, at.astimezone(dt.UTC), text) for secret in secrets]
    return (
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    )
