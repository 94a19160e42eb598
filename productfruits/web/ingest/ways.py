"""Every way in: which path leads to which function. One table for the Flask views and for the front."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from productfruits.segment.tracking import BATCH_PATHS, TYPES_BY_PATH, read_batch, read_function_post, read_single
from productfruits.web.ingest import browsers, webhook
from productfruits.web.ingest.door import Door, Incoming
from productfruits.web.ingest.steps import Steps
from productfruits.web.ingest.tracking import BATCH, FUNCTION, SDK, SINGLE, Place


@dataclass(frozen=True, slots=True)
class Way:
    """`route` is Flask's rule, and what metrics and log call it; what stands in its brackets is `Incoming.part`."""

    route: str
    take_in: Callable[[Door, Incoming], Steps]

    @property
    def fixed(self) -> tuple[str, str]:
        """What the path begins and ends with, around its variable part."""
        head, _, rest = self.route.partition("<")
        return head, rest.partition(">")[2]


WAYS = (
    Way("/webhooks/segment/<token>", webhook.take_in),
    *(
        Way(f"/v1/{name}", Place(SDK, functools.partial(read_single, kind=kind), SINGLE).take_in)
        for name, kind in TYPES_BY_PATH.items()
    ),
    *(Way(f"/v1/{name}", Place(SDK, read_batch, BATCH).take_in) for name in BATCH_PATHS),
    Way("/v1/m", browsers.ignore),
    Way("/v1/projects/<write_key>/settings", browsers.give_settings),
    Way("/v1/pixel/<type>", browsers.give_pixel),
    *(
        Way(path, Place(FUNCTION, read_function_post, BATCH).take_in)
        for path in ("/api/v1/segment", "/api/v1/segment/compat")
    ),
    *(
        # Libraries append this to the host they are given.
        Way(f"{path}/v1/batch", Place(FUNCTION, read_batch, BATCH).take_in)
        for path in ("/api/v1/segment", "/api/v1/segment/compat")
    ),
)

_EXACT = {way.route: way for way in WAYS if "<" not in way.route}
_OPEN = [(*way.fixed, way) for way in WAYS if "<" in way.route]


def find(path: str) -> tuple[Way, str] | None:
    """The way that a path leads to, with its variable part; with and without a slash at the end."""
    path = path.removesuffix("/")
    exact = _EXACT.get(path)
    if exact is not None:
        return exact, ""
    for head, tail, way in _OPEN:
        part = path[len(head) : len(path) - len(tail)]
        if path.startswith(head) and path.endswith(tail) and part and "/" not in part:
            return way, part
    return None
