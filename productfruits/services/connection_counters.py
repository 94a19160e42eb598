"""What the settings page counts of a connection, and when one of its secrets was last used."""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, func, update
from sqlalchemy.orm import Session

from productfruits.database import UtcDateTime, table
from productfruits.models import Connection, ConnectionSecret
from productfruits.services import bulk

COUNTERS = ("accepted", "duplicates", "ignored", "rejected")
COUNT = (
    update(table(Connection))
    .where(table(Connection).c.id == bindparam("of_connection"))
    .values(
        {name: table(Connection).c[name] + bindparam(f"more_{name}") for name in COUNTERS}
        | {
            "first_received_at": func.coalesce(
                table(Connection).c.first_received_at, bindparam("first", type_=UtcDateTime)
            ),
            "last_received_at": func.coalesce(
                bindparam("last", type_=UtcDateTime), table(Connection).c.last_received_at
            ),
        }
    )
)
USE = (
    update(table(ConnectionSecret))
    .where(table(ConnectionSecret).c.id == bindparam("of_secret"))
    .values(last_used_at=bindparam("used"))
)


class Counted(Protocol):
    """An arrival, as far as it is counted."""

    @property
    def connection_id(self) -> int | None: ...

    @property
    def secret_id(self) -> int | None: ...

    @property
    def received_at(self) -> dt.datetime: ...

    @property
    def refusal(self) -> object | None: ...


def count(session: Session, arrivals: Sequence[tuple[Counted, object]]) -> None:
    """Count for the settings page, and note when a secret was last used."""
    for connection_id in sorted({a.connection_id for a, _ in arrivals if a.connection_id is not None}):
        mine = [(a, r) for a, r in arrivals if a.connection_id == connection_id]
        received = [a.received_at for a, _ in mine if a.refusal is None]
        counts = {f"more_{name}": sum(getattr(receipt, name) for _, receipt in mine) for name in COUNTERS}
        times = {"first": min(received, default=None), "last": max(received, default=None)}
        bulk.send(session, COUNT, {"of_connection": connection_id, **counts, **times})
    for secret_id in sorted({a.secret_id for a, _ in arrivals if a.secret_id is not None}):
        used = max(a.received_at for a, _ in arrivals if a.secret_id == secret_id)
        bulk.send(session, USE, {"of_secret": secret_id, "used": used})
