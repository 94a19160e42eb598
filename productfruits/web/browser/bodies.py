"""Bodies of pages: small, and bounded all together apart from those of webhooks, which strangers must not crowd out."""

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
