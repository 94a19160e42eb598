"""What a function's `fetch` needs from the world: one request at a time, answered by whoever guards the network."""

from collections.abc import Callable
from dataclasses import dataclass

#: A response is read up to here; Segment's own runtime knows no bound, and nobody posts more into a handler.
RESPONSE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a function makes. Nothing of it was looked at."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool


class FetchFailed(Exception):
    """Why there is no answer: the reason that the function reads in its FetchError, and Node's code for it."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


#: Sends one request, whatever its answer, within this many seconds. Raises `FetchFailed`.
Fetch = Callable[[Asked, float], Answered]


def no_network(asked: Asked, within_s: float) -> Answered:
    """For code that has no business outside, such as the expressions of a destination."""
    raise FetchFailed("there is no network here", "ENETUNREACH")
