"""The store for the operator whose encryption key is lost, and for nobody else: it is opened without unlocking keys."""

import contextlib
from collections.abc import Iterator

from sqlalchemy.orm import Session

from productfruits.config import Settings
from productfruits.database import begin_immediate, make_engine, make_sessions
from productfruits.workers.runtime import prepare_store


@contextlib.contextmanager
def keyless_session(settings: Settings) -> Iterator[Session]:
    """A session whose work is committed at the end of the block. The schema is brought to the newest version first."""
    prepare_store(settings)
    engine = make_engine(settings.database_url)
    try:
        with make_sessions(engine).begin() as session:
            begin_immediate(session)
            yield session
    finally:
        engine.dispose()
