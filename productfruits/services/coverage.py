"""What pages tell about themselves: how many prove who their user is, when one last asked, when one last reported."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from productfruits.database import Base
from productfruits.identity.verification import Verdict
from productfruits.models import AdoptionSettings, IdentityCoverage, IdentitySecret


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many questions of pages on one day spoke for a user with a right hash, without one, and with a wrong one."""

    day: dt.date
    verified: int
    unverified: int
    wrong: int

    @property
    def share(self) -> float | None:
        """Which part of them was verified, from 0 to 1; None where there were none."""
        total = self.verified + self.unverified + self.wrong
        return self.verified / total if total else None


def count(session: Session, workspace_id: int, day: dt.date, verdicts: Mapping[Verdict, int]) -> None:
    """Add to the coverage of a day."""
    counts = {
        "verified": verdicts.get(Verdict.VERIFIED, 0),
        "unverified": verdicts.get(Verdict.MISSING, 0),
        "wrong": sum(number for verdict, number in verdicts.items() if verdict.is_wrong),
    }
    insert = _insert(session, IdentityCoverage).values(workspace_id=workspace_id, day=day, **counts)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[IdentityCoverage.workspace_id, IdentityCoverage.day],
            set_={name: getattr(IdentityCoverage, name) + more for name, more in counts.items()},
        )
    )


def days(session: Session, workspace_id: int, since: dt.date) -> list[Coverage]:
    """The coverage of each day since then on which a page asked, oldest first."""
    rows = session.scalars(
        select(IdentityCoverage)
        .where(IdentityCoverage.workspace_id == workspace_id, IdentityCoverage.day >= since)
        .order_by(IdentityCoverage.day)
        .execution_options(populate_existing=True)
    )
    return [Coverage(row.day, row.verified, row.unverified, row.wrong) for row in rows]


def note_pages(
    session: Session, workspace_id: int, *, seen_at: dt.datetime | None = None, reported_at: dt.datetime | None = None
) -> None:
    """Note when a page last asked for content, and when one last reported an event."""
    times = {"last_seen_at": seen_at, "last_reported_at": reported_at}
    times = {name: at for name, at in times.items() if at is not None}
    if times:
        insert = _insert(session, AdoptionSettings).values(workspace_id=workspace_id, generation=0, **times)
        session.execute(insert.on_conflict_do_update(index_elements=[AdoptionSettings.workspace_id], set_=times))


def note_use(session: Session, workspace_id: int, secret_id: int, at: dt.datetime) -> None:
    """Note that a hash of this secret was right."""
    session.execute(
        update(IdentitySecret)
        .where(IdentitySecret.workspace_id == workspace_id, IdentitySecret.id == secret_id)
        .values(last_used_at=at)
    )


def _insert(session: Session, model: type[Base]) -> Any:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert(model)
