"""Workspaces as their pages meet them, remembered: looked at again each second, read anew only when they changed."""

import contextlib
import datetime as dt
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.services import sites
from productfruits.services.sites import Site
from productfruits.services.vault import Undecryptable, Vault
from productfruits.workers.not_stored import StoreUnavailable
from productfruits.workers.page_readers import PageReaders

log = structlog.get_logger()

FRESH_S = 1.0
#: While one request looks, the others go on with what was known, this long at most.
STALE_S = 1.5
#: Made-up keys must not fill the memory.
REMEMBERED = 10_000
_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True)
class _Known:
    site: Site | None
    read_at: float


class LiveSites:
    """Finds sites by the workspace's key. Safe to share by threads."""

    def __init__(self, engine: Engine, sessions: sessionmaker[Session], vault: Vault) -> None:
        self.readers = PageReaders(engine, sessions)
        self._sessions = sessions
        self._vault = vault
        self._known: dict[str, _Known] = {}
        self._asking: set[str] = set()
        self._guard = threading.Lock()

    def remembered(self, key: str) -> Site | None:
        """The site if it is known and fresh enough, without asking the store."""
        known = self._fresh(key)
        return None if known is None else known.site

    def find(self, key: str) -> Site | None:
        """The site, or None if no workspace has this key.

        Raises `StoreUnavailable` when that cannot be known now.
        """
        if _KEY.fullmatch(key) is None:
            return None
        if (known := self._fresh(key)) is not None:
            return known.site
        with self._guard:
            self._asking.add(key)
        try:
            return self._look(key)
        finally:
            with self._guard:
                self._asking.discard(key)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for an answer to a page; raises `StoreUnavailable` for what the store cannot do now."""
        with _available(), self._sessions() as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """The same, and what was written in it is committed at its end."""
        with _available(), self._sessions.begin() as session:
            begin_immediate(session)
            yield session

    def forget(self) -> None:
        """Look at every site anew with the next question."""
        with self._guard:
            self._known.clear()

    def close(self) -> None:
        """Give back the connections of the quick reads."""
        self.readers.close()

    def _fresh(self, key: str) -> _Known | None:
        known = self._known.get(key)
        if known is None:
            return None
        age_s = time.monotonic() - known.read_at
        return known if age_s < FRESH_S or (age_s < STALE_S and key in self._asking) else None

    def _look(self, key: str) -> Site | None:
        read_at = time.monotonic()  # before asking: what is known is at least as new
        known = self._known.get(key)
        with self.reading() as session:
            stamp = sites.stamp(session, key)
            if stamp is None:
                site = None
            elif known is not None and known.site is not None and known.site.stamp == stamp:
                site = known.site
            else:
                site = sites.load(session, key, stamp, dt.datetime.now(dt.UTC), self._vault)
        with self._guard:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = _Known(site, read_at)
        return site


@contextlib.contextmanager
def _available() -> Iterator[None]:
    """What the store cannot do now, as `StoreUnavailable`."""
    try:
        yield
    except Undecryptable as err:
        log.error("secret_undecryptable", message=str(err))
        raise StoreUnavailable() from err
    except SQLAlchemyError as err:
        log.warning("store_failed", error=type(err).__name__)
        raise StoreUnavailable() from err
