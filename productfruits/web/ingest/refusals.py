"""Refused requests, told to the settings page without blocking the answer and without flooding the store."""

import datetime as dt
import threading
import time
from dataclasses import dataclass
from typing import Literal

from productfruits.errors import ProductFruitsError
from productfruits.services.arrivals import Arrival
from productfruits.services.connections import LiveConnection
from productfruits.services.rejections import Refused
from productfruits.workers.waiting import Outcome
from productfruits.workers.writer import Writer

#: Of one kind of refusal so many are written down in one window; the next window tells how many more there were.
WRITTEN_A_WINDOW = 5
WINDOW_S = 10.0
#: Kinds of refusal that are remembered at once.
KINDS = 10_000

#: What refusals mean for those who look at the settings page.
WORDS = {
    "missing_signature": "The request carried no signature. Enter the shared secret of this page in the Segment "
    "destination; without it Segment does not sign.",
    "invalid_signature": "The signature does not match: is the secret of this page the one in Segment?",
    "deactivated": "The connection is deactivated, so what Segment sends is refused. Activate it again, or stop the "
    "destination in Segment.",
    "batch_not_enabled": "Segment sent an array of events while batches are switched off here. Switch them on, or set "
    "the batch size to 0 in Segment.",
    "body_too_large": "The request was larger than 1 MiB (an array: 32 MiB). Lower the batch size in Segment.",
    "body_too_slow": "The request did not arrive within 15 seconds. Segment sends it again.",
    "body_incomplete": "The connection ended in the middle of the request.",
    "content_encoding": "The request was compressed, and the signature covers only the plain body. Remove the "
    "Content-Encoding header from the mapping in Segment.",
    "too_many_requests": "More requests came than this server takes from one workspace, so senders were told to come "
    "again later. Send several events in one request, or ask the server's operator for a higher "
    "PRODUCTFRUITS_WORKSPACE_REQUESTS_PER_SECOND.",
}


@dataclass(slots=True)
class _Window:
    began: float
    count: int
    untold: int


class Refusals:
    """Hands refusals to the writer. Safe to share by threads."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._guard = threading.Lock()
        self._windows: dict[tuple[int, str, str], _Window] = {}

    def tell(
        self, connection: LiveConnection, code: str, detail: str | None = None, *, source: str = "webhook"
    ) -> None:
        """Have the refusal logged in words. Returns at once; a full or broken store drops it."""
        self.tell_workspace(
            connection.workspace_id,
            code,
            detail,
            source=source,
            trust=connection.trust,
            connection_id=connection.id,
        )

    def tell_workspace(
        self,
        workspace_id: int,
        code: str,
        detail: str | None = None,
        *,
        source: str,
        trust: Literal["server", "public"],
        connection_id: int | None = None,
    ) -> None:
        """The same where no connection is known."""
        untold = self._untold((workspace_id, source, code))
        if untold is None:
            return
        words = detail or WORDS[code]
        if untold:
            words = f"{words} ({untold:,} more like this one before it.)"
        now = dt.datetime.now(dt.UTC)
        arrival = Arrival(
            workspace_id=workspace_id,
            connection_id=connection_id,
            secret_id=None,
            source=source,
            trust=trust,
            received_at=now,
            refusal=Refused(now, source, code, words),
        )
        try:
            self._writer.submit(arrival, _nobody_waits)
        except ProductFruitsError:
            return

    def _untold(self, kind: tuple[int, str, str]) -> int | None:
        """How many were kept back since the last one told, or None to keep this one back too."""
        now = time.monotonic()
        with self._guard:
            window = self._windows.get(kind)
            if window is None or now - window.began >= WINDOW_S:
                if len(self._windows) >= KINDS:
                    self._windows.clear()
                untold = window.untold if window is not None else 0
                self._windows[kind] = _Window(now, 1, 0)
                return untold
            window.count += 1
            if window.count > WRITTEN_A_WINDOW:
                window.untold += 1
                return None
            return 0


def _nobody_waits(_: Outcome) -> None:
    """The answer has been given already."""
