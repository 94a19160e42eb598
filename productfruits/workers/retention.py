"""Deletes what is too old, a little at a time, so that senders hardly notice."""

import datetime as dt
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.services import retention

log = structlog.get_logger()

EVERY_S = 3600.0
#: Between two chunks, so that the writer gets its turn at the store.
PAUSE_S = 0.5
CHUNK = 1_000


class Retention:
    """A thread that prunes the store each hour, beginning a moment after the start."""

    def __init__(self, sessions: sessionmaker[Session], event_days: int) -> None:
        self._sessions = sessions
        self._event_days = event_days
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="productfruits-retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the chunk at hand. Safe to repeat."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        pause = PAUSE_S
        while not self._stop.wait(pause):
            try:
                pause = PAUSE_S if self._prune() else EVERY_S
            except SQLAlchemyError as err:
                log.warning("retention_failed", error=type(err).__name__)
                pause = EVERY_S

    def _prune(self) -> bool:
        """One chunk; True when there may be more."""
        with self._sessions.begin() as session:
            begin_immediate(session)
            pruned = retention.prune(session, dt.datetime.now(dt.UTC), self._event_days, CHUNK)
        if pruned.events or pruned.deliveries or pruned.message_ids or pruned.dead_letters:
            log.info(
                "pruned",
                events=pruned.events,
                deliveries=pruned.deliveries,
                message_ids=pruned.message_ids,
                dead_letters=pruned.dead_letters,
            )
        return pruned.more
