"""What pages say about themselves in passing, gathered in memory and written down every few seconds.

A question of a page must cost no write. What a crash takes away with it is a few seconds of statistics.
"""

import datetime as dt
import threading
from collections import Counter
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.identity.verification import Verdict
from productfruits.services import coverage

log = structlog.get_logger()

EVERY_S = 5.0


@dataclass(slots=True)
class _Notes:
    seen_at: dt.datetime | None = None
    reported_at: dt.datetime | None = None
    verdicts: Counter[tuple[dt.date, Verdict]] = field(default_factory=Counter)
    uses: dict[int, dt.datetime] = field(default_factory=dict)


class PageNotes:
    """Takes notes by workspace. Safe to share by threads."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._notes: dict[int, _Notes] = {}
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def saw(self, workspace_id: int, now: dt.datetime) -> None:
        """A page has asked for content."""
        with self._guard:
            self._of(workspace_id).seen_at = now

    def reported(self, workspace_id: int, now: dt.datetime) -> None:
        """A page has reported events."""
        with self._guard:
            self._of(workspace_id).reported_at = now

    def judged(self, workspace_id: int, verdict: Verdict, secret_id: int | None, now: dt.datetime) -> None:
        """A page has spoken for a user, and its hash was judged; `secret_id`: the secret that it fits."""
        with self._guard:
            notes = self._of(workspace_id)
            notes.verdicts[now.date(), verdict] += 1
            if secret_id is not None:
                notes.uses[secret_id] = now

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="productfruits-page-notes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write down what is there, and end. Safe to repeat."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self.write()

    def write(self) -> None:
        """Write down what was noted until now; what the store cannot take now is forgotten."""
        with self._writing:
            with self._guard:
                notes, self._notes = self._notes, {}
            if not notes:
                return
            try:
                with self._sessions.begin() as session:
                    begin_immediate(session)
                    for workspace_id in sorted(notes):
                        _write(session, workspace_id, notes[workspace_id])
            except SQLAlchemyError as err:
                log.warning("page_notes_lost", error=type(err).__name__)

    def _loop(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.write()

    def _of(self, workspace_id: int) -> _Notes:
        notes = self._notes.get(workspace_id)
        if notes is None:
            notes = self._notes[workspace_id] = _Notes()
        return notes


def _write(session: Session, workspace_id: int, notes: _Notes) -> None:
    coverage.note_pages(session, workspace_id, seen_at=notes.seen_at, reported_at=notes.reported_at)
    for day in sorted({day for day, _ in notes.verdicts}):
        verdicts = {verdict: number for (on, verdict), number in notes.verdicts.items() if on == day}
        coverage.count(session, workspace_id, day, verdicts)
    for secret_id, at in sorted(notes.uses.items()):
        coverage.note_use(session, workspace_id, secret_id, at)
