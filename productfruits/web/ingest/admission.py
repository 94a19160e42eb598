"""Whether one more request of a workspace is taken on: asked on every way in, before a body is parsed."""

from productfruits.web.ingest.refusals import Refusals
from productfruits.workers.rates import TooManyRequests, Trust
from productfruits.workers.runtime import Runtime


class Admission:
    """One a process, shared by all ways in."""

    def __init__(self, runtime: Runtime, refusals: Refusals) -> None:
        self._runtime = runtime
        self._refusals = refusals

    def let_in(self, workspace_id: int, trust: Trust, source: str) -> None:
        """Count the request. Raises `TooManyRequests`, what `Writer.check_room` raises, or `AlreadyServed`."""
        self._runtime.start()
        try:
            self._runtime.rates.take(workspace_id, trust)
        except TooManyRequests:
            self._runtime.metrics.rate_limited.labels(source).inc()
            self._refusals.tell_workspace(workspace_id, "too_many_requests", source=source, trust=trust)
            raise
        self._runtime.writer.check_room(workspace_id)
