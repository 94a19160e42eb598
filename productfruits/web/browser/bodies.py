"""Bodies of pages: small, and bounded all together apart from those of webhooks, which strangers must not crowd out."""

from typing import Any

from productfruits.segment import reader
from productfruits.segment.reader import Unreadable
from productfruits.web.browser import answers
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.bodies import Budget


class PageBody:
    """Collects one body chunk by chunk, whoever reads it. `close` gives its bytes back once the answer is known."""

    INCOMPLETE = answers.INCOMPLETE
    TOO_SLOW = answers.TOO_SLOW

    def __init__(self, budget: Budget, limit_bytes: int) -> None:
        self._budget = budget
        self._limit_bytes = limit_bytes
        self._chunks: list[bytes] = []
        self._taken_bytes = 0

    def refuse_early(self) -> Answer | None:
        """Nothing is refused before it is read."""
        return None

    def add(self, chunk: bytes) -> Answer | None:
        """Keep the chunk, or say why reading stops here."""
        if self._taken_bytes + len(chunk) > self._limit_bytes:
            return answers.TOO_LARGE
        if not self._budget.take(len(chunk)):
            return answers.BUSY
        self._taken_bytes += len(chunk)
        self._chunks.append(chunk)
        return None

    def whole(self) -> bytes:
        return b"".join(self._chunks)

    def close(self) -> None:
        """Safe to repeat."""
        self._budget.give_back(self._taken_bytes)
        self._taken_bytes = 0


def json_object(body: bytes) -> dict[str, Any] | Answer:
    """The JSON object that a body is, whatever type it claims to be."""
    try:
        read = reader.read(body)
    except Unreadable as err:
        return answers.invalid(err.code, str(err))
    value = read.elements[0].value if len(read.elements) == 1 and not read.is_array else None
    if not isinstance(value, dict):
        return answers.invalid("not_an_object", "The body must be one JSON object. See docs/browser-api.md.")
    return value
