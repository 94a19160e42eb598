"""Bodies of ingest requests: bounded each, and bounded all together, so that no sender can take the memory."""

import threading

from productfruits.web.ingest import answers
from productfruits.web.ingest.answers import Answer

SINGLE_BYTES = 1024 * 1024
#: 4,000 events (Segment's largest batch) of 8 KiB. Only for a live token, and only for an array.
ARRAY_BYTES = 32 * 1024 * 1024
#: All bodies that are being read or waiting to be stored.
IN_FLIGHT_BYTES = 64 * 1024 * 1024
#: A body that is not here by then is given up.
DEADLINE_S = 15.0

_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class Budget:
    """Bytes of bodies that may be in memory at once. Safe to share by threads."""

    def __init__(self, total_bytes: int = IN_FLIGHT_BYTES) -> None:
        self._total_bytes = total_bytes
        self._guard = threading.Lock()
        self.used_bytes = 0

    def take(self, count: int) -> bool:
        with self._guard:
            if self.used_bytes + count > self._total_bytes:
                return False
            self.used_bytes += count
            return True

    def give_back(self, count: int) -> None:
        with self._guard:
            self.used_bytes -= count


class IncomingBody:
    """Collects one body chunk by chunk, whoever reads it. `close` gives its bytes back once the answer is known."""

    INCOMPLETE = answers.INCOMPLETE
    TOO_SLOW = answers.TOO_SLOW

    def __init__(self, budget: Budget, declared_bytes: int | None) -> None:
        self._budget = budget
        self._declared_bytes = declared_bytes
        self._chunks: list[bytes] = []
        self._taken_bytes = 0
        self._limit_bytes: int | None = None

    def refuse_early(self) -> Answer | None:
        """The refusal that the declared length alone is reason for, before anything is read."""
        if self._declared_bytes is not None and self._declared_bytes > ARRAY_BYTES:
            return answers.TOO_LARGE
        return None

    def add(self, chunk: bytes) -> Answer | None:
        """Keep the chunk, or say why reading stops here."""
        if not chunk:
            return None
        if not self._budget.take(len(chunk)):
            return answers.BUSY
        self._taken_bytes += len(chunk)
        self._chunks.append(chunk)
        if self._limit_bytes is None:
            start = b"".join(self._chunks).removeprefix(_BOM).lstrip(_BLANK)[:1]
            if start:
                self._limit_bytes = ARRAY_BYTES if start == b"[" else SINGLE_BYTES
        if self._taken_bytes > (self._limit_bytes or SINGLE_BYTES):
            return answers.TOO_LARGE
        return None

    def whole(self) -> bytes | Answer:
        """The body once everything was added; a half body is none."""
        if self._declared_bytes is not None and self._taken_bytes != self._declared_bytes:
            return answers.INCOMPLETE
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        return body

    def close(self) -> None:
        """Safe to repeat."""
        self._budget.give_back(self._taken_bytes)
        self._taken_bytes = 0
