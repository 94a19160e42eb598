"""What lets a page of another origin send here. Nothing on these paths looks at a cookie, so any origin may."""

from msgspec.structs import replace

from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.door import Incoming

#: What analytics.js sends, on retries too. A `*` would not cover Authorization. The auth token has no business here.
HEADERS = "authorization, content-type, content-encoding, x-retry-count"
#: A browser asks again after a day at the latest; most sooner.
MAX_AGE_S = 86_400
_LONGEST_ORIGIN = 300


def preflight(incoming: Incoming, methods: str) -> Answer:
    """204 to what a browser asks before it sends."""
    asked = Answer(204, "preflight", b"")
    return allow(
        replace(
            asked,
            headers={
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE_S),
            },
        ),
        incoming,
    )


def allow(answer: Answer, incoming: Incoming) -> Answer:
    """The answer, readable by the page that asked for it.

    The origin is named, since a `*` is refused where a page sends with credentials, as analytics.js can be told to.
    """
    origin = incoming.headers.get("origin", "")
    headers = {**answer.headers, "Vary": "Origin"}
    if origin and origin.isascii() and origin.isprintable() and len(origin) <= _LONGEST_ORIGIN:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
    else:
        headers |= {"Access-Control-Allow-Origin": "*"}
    if "Retry-After" in headers:
        headers["Access-Control-Expose-Headers"] = "Retry-After"  # else the SDK cannot read how long to wait
    return replace(answer, headers=headers)
