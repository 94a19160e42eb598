"""What is asked of the sandbox, and what came of it, as values."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Code:
    """A version of a function as one instance runs it. `key` names that; what has the same key shares globals."""

    key: str
    source: str = field(repr=False)
    #: A source function has the Segment object.
    sends: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a handler. `values` are its arguments as JSON values; a `request` comes before them."""

    handler: str
    values: tuple[Any, ...] = field(repr=False)
    request: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Function bodies over `_` and `$`, both the event."""

    sources: tuple[str, ...] = field(repr=False)
    event: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not succeed: a kind of `errors`, and what the function threw."""

    kind: str
    name: str
    message: str
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a function's log."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that a function made, and the status of its answer (0: none)."""

    method: str
    url: str
    status: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a call. `value` is the returned JSON as text, None for nothing; `calls` are Segment's, as JSON."""

    failure: Failure | None
    value: str | None
    calls: tuple[str, ...]
    log: tuple[Line, ...]
    exchanges: tuple[Exchange, ...]
    took_ms: int
