"""What all ways in share: the writer, who is behind a token or key, room for bodies, and the log of refusals."""

from collections.abc import Generator, Mapping

import msgspec
import structlog

from productfruits.errors import ProductFruitsError
from productfruits.outgoing import chains
from productfruits.services.connections import LiveConnection
from productfruits.web.ingest import answers, steps
from productfruits.web.ingest.admission import Admission
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import DEADLINE_S, OPEN_BYTES, Budget
from productfruits.web.ingest.refusals import Refusals
from productfruits.web.ingest.steps import Step
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.live_connections import Kind, LiveConnections
from productfruits.workers.not_stored import StoreBusy, StoreUnavailable
from productfruits.workers.rates import TooManyRequests
from productfruits.workers.runtime import Runtime

log = structlog.get_logger()

#: Headers that any way in looks at; the others of a request are not even decoded.
HEADERS = frozenset(
    {
        "api-key",
        "api_key",
        "authorization",
        "content-encoding",
        "content-length",
        "origin",
        "transfer-encoding",
        "x-auth-token",
        chains.HEADER.lower(),
        "x-segment-signature",
        "x-signature",
    }
)


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """What stands above a body. `headers` has those of HEADERS that came, by their names in lower case.

    `part` is the variable part of the path: a token, a write key, a type.
    """

    method: str
    part: str
    query: str
    headers: Mapping[str, str]

    @property
    def content_length(self) -> int | None:
        """The declared length of the body; None if it is not told, as for a chunked one."""
        text = self.headers.get("content-length")
        return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def depth(self) -> int:
        """Through how many destinations of servers like this one the events have come."""
        return chains.read_header(self.headers.get(chains.HEADER.lower()))

    @property
    def content_encoding(self) -> str:
        """How the body is compressed; "" for not at all."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        return "" if encoding == "identity" else encoding


class Door:
    """Shared by all requests of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.writer = runtime.writer
        self.connections = LiveConnections(runtime.sessions, runtime.vault)
        #: For bodies of senders that gave a live secret token; strangers must not crowd them out.
        self.budget = Budget()
        #: For bodies of everybody else.
        self.open_budget = Budget(OPEN_BYTES)
        self.refusals = Refusals(runtime.writer)
        self.admission = Admission(runtime, self.refusals)
        self.body_within_s = DEADLINE_S
        self.is_draining = False
        runtime.metrics.body_bytes.set_function(lambda: self.budget.used_bytes + self.open_budget.used_bytes)

    def find(self, kind: Kind, token: str) -> Generator[Step, object, LiveConnection | None]:
        """Whose token or key this is, None if nobody's. Starts the writer; raises what `not_now` has answers for."""

        def found() -> LiveConnection | None:
            self.runtime.start()
            return self.connections.find(kind, token)

        def is_quick() -> bool:
            return self.runtime.is_started and not self.connections.needs_store(kind, token)

        if self.is_draining:
            raise StoreUnavailable()
        return (yield from steps.ask(found, is_quick))


def not_now(err: ProductFruitsError) -> Answer:
    """The answer to a sender whose messages are not stored now, and who is to come again."""
    if isinstance(err, TooManyRequests):
        return answers.too_many_requests(err)
    if isinstance(err, AlreadyServed):
        log.error("not_serving", message=str(err))
    return answers.BUSY if isinstance(err, StoreBusy) else answers.UNAVAILABLE
