"""Which connection a webhook URL or a key belongs to, remembered for a second.

A secret that was revoked on another machine must stop working within two seconds, so nothing is kept for longer than
that; asking the store for every request would cost more than all the rest of taking it in.
"""

import datetime as dt
import re
import threading
import time
from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from productfruits.services import connections
from productfruits.services.connections import LiveConnection
from productfruits.services.vault import Undecryptable, Vault
from productfruits.workers.not_stored import StoreUnavailable

log = structlog.get_logger()

FRESH_S = 1.0
#: While one request asks the store again, the others go on with what was known, this long at most.
STALE_S = 1.5
#: Made-up tokens must not fill the memory.
REMEMBERED = 10_000
#: What names a connection: the token of its webhook URL, or one of its two keys, the write key and the auth token.
Kind = Literal["url", "key"]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Known:
    connection: LiveConnection | None
    read_at: float


class LiveConnections:
    """Finds connections by what senders name them with. Safe to share by threads."""

    def __init__(self, sessions: sessionmaker[Session], vault: Vault) -> None:
        self._sessions = sessions
        self._vault = vault
        self._known: dict[str, _Known] = {}
        self._asking: set[str] = set()
        self._guard = threading.Lock()

    def needs_store(self, kind: Kind, token: str) -> bool:
        """Whether `find` would have to ask the store, which may take its time."""
        return _TOKEN.fullmatch(token) is not None and self._is_stale(_name(kind, token))

    def find(self, kind: Kind, token: str) -> LiveConnection | None:
        """The connection, also a deactivated one; None if the token or key is nobody's.

        Raises `StoreUnavailable` when that cannot be known now: a sender must not lose events because of it.
        """
        if _TOKEN.fullmatch(token) is None:
            return None
        name = _name(kind, token)
        known = self._known.get(name)
        if known is not None and not self._is_stale(name):
            return known.connection
        with self._guard:
            self._asking.add(name)
        try:
            return self._ask(kind, token, name)
        finally:
            with self._guard:
                self._asking.discard(name)

    def _is_stale(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            return True
        age_s = time.monotonic() - known.read_at
        return age_s >= FRESH_S and not (age_s < STALE_S and name in self._asking)

    def _ask(self, kind: Kind, token: str, name: str) -> LiveConnection | None:
        read_at = time.monotonic()  # before asking: what is known is at least as new
        try:
            with self._sessions() as session:
                if kind == "url":
                    connection = connections.by_token(session, token, dt.datetime.now(dt.UTC), self._vault)
                else:
                    connection = connections.by_key(session, token)
        except Undecryptable as err:
            log.error("secret_undecryptable", message=str(err))
            raise StoreUnavailable() from err
        except SQLAlchemyError as err:
            log.warning("store_failed", error=type(err).__name__)
            raise StoreUnavailable() from err
        with self._guard:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[name] = _Known(connection, read_at)
        return connection


def _name(kind: Kind, token: str) -> str:
    """Under what a connection is remembered: auth tokens are secrets, and not kept in clear."""
    return f"url:{token}" if kind == "url" else connections.key_digest(token)
