"""What the browser API answers. Any page may ask, without cookies, and no preflight is needed."""

import msgspec
from msgspec.structs import replace

from productfruits.services.arrivals import Receipt
from productfruits.web.ingest.answers import Answer, refused

#: No credentials are ever looked at, so every origin may read; frames that isolate themselves may load it as well.
OPEN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
#: The browser keeps it, and asks each time whether it still holds.
PRIVATE = {"Cache-Control": "private, no-cache"}
NEVER = {"Cache-Control": "no-store"}
PREFLIGHT = Answer(
    204,
    "preflight",
    b"",
    {
        **OPEN,
        "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": "86400",
    },
)


def opened(answer: Answer) -> Answer:
    """The same answer, readable by every page and kept by none."""
    # Else a page cannot read how long to wait.
    exposed = {"Access-Control-Expose-Headers": "Retry-After"} if "Retry-After" in answer.headers else {}
    return replace(answer, headers={**OPEN, **NEVER, **exposed, **answer.headers})


def content(body: bytes, tag: str) -> Answer:
    return Answer(200, "ok", body, {**OPEN, **PRIVATE, "ETag": tag})


def draft(body: bytes) -> Answer:
    """A preview: kept by nobody."""
    return Answer(200, "ok", body, {**OPEN, **NEVER})


def not_modified(tag: str) -> Answer:
    return Answer(304, "not_modified", b"", {**OPEN, **PRIVATE, "ETag": tag})


def taken(receipt: Receipt) -> Answer:
    """202: what the messages say is committed."""
    counts = {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "ignored": receipt.ignored,
        "rejected": receipt.rejected,
    }
    return Answer(202, "ok", msgspec.json.encode(counts), {**OPEN, **NEVER})


UNKNOWN_WORKSPACE = opened(
    refused(
        404,
        "unknown_workspace",
        "There is no such workspace. Copy the script tag of the settings page into your page again; its data-workspace "
        "is the workspace's key.",
    )
)
NOT_VERIFIED = opened(
    refused(
        401,
        "not_verified",
        "This workspace takes a user only with a right identity hash. Have your server sign the username with the "
        "workspace's secret, and pass the hash to the snippet (docs/identity-verification.md).",
    )
)
METHOD_NOT_ALLOWED = opened(
    refused(405, "method_not_allowed", "This address takes GET and POST.", Allow="GET, HEAD, POST, OPTIONS")
)
POST_ONLY = opened(refused(405, "method_not_allowed", "Send events with POST.", Allow="POST, OPTIONS"))
TOO_LARGE = opened(
    refused(413, "body_too_large", "At most 500 messages in 512 KiB are taken at once. Send them in several requests.")
)
TOO_SLOW = opened(refused(408, "body_too_slow", "The body did not arrive in time. Send it again."))
INCOMPLETE = opened(refused(400, "body_incomplete", "The connection ended before the body did. Send it again."))
BUSY = opened(refused(503, "busy", "More is waiting than this server takes on. Send this again.", Retry_After="10"))
UNAVAILABLE = opened(
    refused(503, "unavailable", "The store cannot be reached right now. Ask again later.", Retry_After="30")
)


def invalid(code: str, message: str) -> Answer:
    """400, with the reason."""
    return opened(refused(400, code, message))
