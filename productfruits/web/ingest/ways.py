"""Every way in: which path leads to which function. One table for the Flask views and for the front."""

from collections.abc import Callable
from dataclasses import dataclass

from productfruits.web.ingest import webhook
from productfruits.web.ingest.door import Door, Incoming
from productfruits.web.ingest.steps import Steps


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


WAYS = (Way("/webhooks/segment/<token>", webhook.take_in),)

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
