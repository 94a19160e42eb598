"""What a workspace decides about its content and its pages, and the number that says when any of it has changed."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec
from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from productfruits.config import PACKAGE
from productfruits.errors import ProductFruitsError
from productfruits.models import AdoptionSettings, IdentitySecret
from productfruits.models.adoption import VERIFICATION

EVENT_NAME_MAX = 200
LIMIT_MAX = 1_000
DAYS_MAX = 365
QUIET_HOURS_MAX = 24 * 365
_VOCABULARY = msgspec.json.decode((PACKAGE / "adoption" / "vocabulary.json").read_bytes())
RAW_NAMES = frozenset(event["raw"] for event in _VOCABULARY["events"])


class UnknownVerification(ProductFruitsError):
    """Identity verification is off, report (counted only) or enforced (required)."""


class NothingToVerifyWith(ProductFruitsError):
    """No hash can be right yet, so nobody would see anything. Make a secret first, sign with it, and enforce then."""


class UnknownTimeZone(ProductFruitsError):
    """There is no such time zone. Write it like Europe/Prague or America/New_York; UTC is always right."""


class InvalidEventName(ProductFruitsError):
    """An event of tours and checklists can be given another name of 1 to 200 characters, or be switched off.

    Only the events that are listed in the documentation have a name to change.
    """


class InvalidLimit(ProductFruitsError):
    """A limit is 1 to 1,000 tours in 1 to 365 days. Give both numbers, or none for no limit."""


class InvalidQuietTime(ProductFruitsError):
    """The quiet time after a dismissal is 0 to 8,760 hours; 0 means that there is none."""


@dataclass(frozen=True, slots=True)
class Values:
    """The settings of a workspace, as models.AdoptionSettings describes them; these are the defaults."""

    generation: int = 0
    verification: str = "off"
    trusts_page: bool = True
    allows_anonymous: bool = True
    time_zone: str = "UTC"
    event_names: Mapping[str, str | None] = field(default_factory=dict)
    limit_count: int | None = None
    limit_days: int | None = None
    quiet_hours: int = 0
    last_reported_at: dt.datetime | None = None
    last_seen_at: dt.datetime | None = None


def of(session: Session, workspace_id: int) -> Values:
    """The settings of the workspace; the defaults before their first change."""
    row = session.get(AdoptionSettings, workspace_id, populate_existing=True)
    return Values() if row is None else Values(**{each.name: getattr(row, each.name) for each in fields(Values)})


def generation(session: Session, workspace_id: int) -> int:
    """The number that every change of content, themes, audiences and settings raises."""
    found = session.scalar(select(AdoptionSettings.generation).where(AdoptionSettings.workspace_id == workspace_id))
    return found or 0


def change(
    session: Session,
    workspace_id: int,
    *,
    verification: str | None = None,
    trusts_page: bool | None = None,
    allows_anonymous: bool | None = None,
    time_zone: str | None = None,
    event_names: Mapping[str, str | None] | None = None,
    limit: tuple[int | None, int | None] | None = None,
    quiet_hours: int | None = None,
) -> Values:
    """Change what is given and leave the rest. `limit`: so many tours in so many days, or (None, None) for no limit.

    `event_names`: the names to have from now on, raw name -> name, or None where the event is switched off; those that
    are left out have the name of the documentation.
    """
    changes: dict[str, Any] = {
        "verification": verification if verification is None else _verification(verification),
        "trusts_page": trusts_page,
        "allows_anonymous": allows_anonymous,
        "time_zone": time_zone if time_zone is None else _time_zone(time_zone),
        "event_names": event_names if event_names is None else _event_names(event_names),
        "quiet_hours": quiet_hours,
    }
    if quiet_hours is not None and not 0 <= quiet_hours <= QUIET_HOURS_MAX:
        raise InvalidQuietTime()
    is_new = verification == "enforced" and of(session, workspace_id).verification != "enforced"
    if is_new and not _can_verify(session, workspace_id):
        raise NothingToVerifyWith()
    changes = {name: value for name, value in changes.items() if value is not None}
    if limit is not None:
        changes |= dict(zip(("limit_count", "limit_days"), _limit(*limit), strict=True))
    bump_generation(session, workspace_id)
    row = session.get_one(AdoptionSettings, workspace_id, populate_existing=True)
    for name, value in changes.items():
        setattr(row, name, value)
    session.flush()
    return of(session, workspace_id)


def bump_generation(session: Session, workspace_id: int) -> None:
    """Have every page ask anew: call it with each change of what a page may show, in the change's transaction."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.execute(
        insert(AdoptionSettings)
        .values(workspace_id=workspace_id, generation=1)
        .on_conflict_do_update(
            index_elements=[AdoptionSettings.workspace_id], set_={"generation": AdoptionSettings.generation + 1}
        )
    )


def _can_verify(session: Session, workspace_id: int) -> bool:
    """Whether the workspace has a secret of the identity hash; the newest one never expires."""
    live = IdentitySecret.revoked_at.is_(None) & IdentitySecret.expires_at.is_(None)
    return bool(session.scalar(select(exists().where(IdentitySecret.workspace_id == workspace_id, live))))


def _verification(said: str) -> str:
    if said not in VERIFICATION:
        raise UnknownVerification()
    return said


def _time_zone(said: str) -> str:
    said = said.strip()
    try:
        zoneinfo.ZoneInfo(said)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise UnknownTimeZone() from err
    return said


def _event_names(said: Mapping[str, str | None]) -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    for raw, name in said.items():
        name = name if name is None else " ".join(name.split())
        if raw not in RAW_NAMES:
            raise InvalidEventName()
        if name is not None and not (name.isprintable() and 1 <= len(name) <= EVENT_NAME_MAX):
            raise InvalidEventName()
        names[raw] = name
    return names


def _limit(count: int | None, days: int | None) -> tuple[int | None, int | None]:
    if count is None and days is None:
        return None, None
    if count is None or days is None or not 1 <= count <= LIMIT_MAX or not 1 <= days <= DAYS_MAX:
        raise InvalidLimit()
    return count, days
