"""Saved audiences: rules with a name that many contents share; and how many users a rule finds."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from productfruits.adoption import references, rules
from productfruits.adoption.fields import ID
from productfruits.adoption.rules import Rule
from productfruits.errors import ProductFruitsError
from productfruits.models import Audience, Content, Destination, User
from productfruits.services import adoption_settings, contents, pages, rule_sql, time_limits
from productfruits.services.pages import Page

#: How long whoever looks at a page may wait for the users of a rule.
FIND_WITHIN_S = 10.0


class NoSuchAudience(ProductFruitsError):
    """There is no such audience in this workspace."""


class AudienceKeyTaken(ProductFruitsError):
    """Another audience of this workspace has this key. Choose another one; it never changes."""


class AudienceOfPages(ProductFruitsError):
    """An audience is made of users, so its rule cannot ask for an address, an element, a language or a width.

    Put such conditions into the targeting of the tour or checklist, beside the audience.
    """


class AudienceInUse(ProductFruitsError):
    """Something that users see refers to this audience."""

    def __init__(self, needing: Sequence[str]) -> None:
        super().__init__(
            f"This audience is still referred to by {', '.join(needing)}. Take the reference out there, publish, and "
            "delete the audience then."
        )


class TookTooLong(ProductFruitsError):
    __doc__ = (
        f"To find the users of this rule took more than {FIND_WITHIN_S:g} seconds, so the search was stopped. The rule "
        "works all the same: users are judged one by one when they come. Try again later, or ask for fewer conditions "
        "or fewer days."
    )


class LeadsNowhere(ProductFruitsError):
    """The rule refers to something that is not in this workspace."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"The rule refers to what is not in this workspace: {', '.join(missing)}. Make it first, or correct "
            "the key."
        )


@dataclass(frozen=True, slots=True)
class Size:
    """How many users a rule finds. Conditions on pages are left out: whoever would meet it on some page counts."""

    users: int


def every(session: Session, workspace_id: int) -> Sequence[Audience]:
    """All audiences by key."""
    rows = session.scalars(select(Audience).where(Audience.workspace_id == workspace_id))
    return sorted(rows, key=lambda row: row.key)


def page(
    session: Session, workspace_id: int, *, limit: int = pages.DEFAULT_LIMIT, cursor: str | None = None
) -> Page[Audience]:
    """Audiences by key."""
    query = select(Audience).where(Audience.workspace_id == workspace_id)
    if cursor is not None:
        (last,) = pages.decode("audiences", cursor, tuple[str])
        query = query.where(Audience.key > last)
    rows = session.scalars(query.order_by(Audience.key).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda row: pages.encode("audiences", row.key))


def rules_by_key(session: Session, workspace_id: int) -> dict[str, Rule]:
    """The rules of all audiences, ready for `evaluate.compile`."""
    return {row.key: rules.parse(row.rule) for row in every(session, workspace_id)}


def by_key(session: Session, workspace_id: int, key: str) -> Audience:
    """The audience, or `NoSuchAudience`."""
    query = select(Audience).where(Audience.workspace_id == workspace_id, Audience.key == key)
    row = session.scalar(query) if ID.fullmatch(key) else None
    if row is None:
        raise NoSuchAudience()
    return row


def create(session: Session, workspace_id: int, key: str, name: str, rule: Any, now: dt.datetime) -> Audience:
    """A new audience. Raises `InvalidRule` and what else keeps the rule from being one of an audience."""
    # First the row of settings, so that two changes at once cannot make a circle between them.
    adoption_settings.bump_generation(session, workspace_id)
    _check(session, workspace_id, key, rules.parse(rule))
    row = Audience(workspace_id=workspace_id, key=key, name=name, rule=rule, updated_at=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as err:
        raise AudienceKeyTaken() from err
    return row


def change(
    session: Session, workspace_id: int, key: str, now: dt.datetime, *, name: str | None = None, rule: Any = None
) -> Audience:
    """Change the name or the rule, each if it is given. All content with this audience follows at once."""
    adoption_settings.bump_generation(session, workspace_id)
    row = by_key(session, workspace_id, key)
    if rule is not None:
        _check(session, workspace_id, key, rules.parse(rule))
        row.rule = rule
    if name is not None:
        row.name = name
    row.updated_at = now
    session.flush()
    return row


def remove(session: Session, workspace_id: int, key: str) -> Audience:
    """Delete an audience that no live content, audience or destination refers to, and return what it was."""
    adoption_settings.bump_generation(session, workspace_id)
    row = by_key(session, workspace_id, key)
    needing = [live.key for live in contents.live(session, workspace_id) if _needs(live.document, key)]
    for other, rule in rules_by_key(session, workspace_id).items():
        if key in rule.audiences():
            needing.append(f"audience {other}")
    kept = select(Destination.key, Destination.filter).where(Destination.workspace_id == workspace_id)
    for destination, filter_ in session.execute(kept):
        if key in filter_.get("audiences", ()):
            needing.append(f"destination {destination}")
    if needing:
        raise AudienceInUse(needing)
    session.delete(row)
    session.flush()
    return row


def count(session: Session, workspace_id: int, rule: Rule, now: dt.datetime) -> Size:
    """How many users meet the rule, or would on some page. Raises `LeadsNowhere`, `HeavyAudience`, `TookTooLong`."""
    condition = _condition(session, workspace_id, rule, now)
    with _in_time(session):
        return Size(session.scalar(select(func.count()).select_from(User).where(condition)) or 0)


def missing(session: Session, workspace_id: int, keys: Iterable[str]) -> Sequence[str]:
    """The keys of which there is no audience."""
    wanted = set(keys)
    query = select(Audience.key).where(Audience.workspace_id == workspace_id, Audience.key.in_(wanted))
    return sorted(wanted - set(session.scalars(query)))


def members(
    session: Session, workspace_id: int, keys: Iterable[str], user_ids: Collection[str], now: dt.datetime
) -> Set[str]:
    """Those of these users, a thousand at most, who are in one of the audiences now.

    Raises `LeadsNowhere` and `HeavyAudience`.
    """
    found: set[str] = set()
    for key in keys:
        condition = _condition(session, workspace_id, _in_audience(key), now)
        query = select(User.id).where(User.workspace_id == workspace_id, User.id.in_(user_ids), condition)
        found.update(session.scalars(query))
    return found


def matching(
    session: Session,
    workspace_id: int,
    rule: Rule,
    now: dt.datetime,
    *,
    limit: int = pages.DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[User]:
    """The users who meet the rule, in the order in which they were made. Raises what `count` raises."""
    query = select(User).where(_condition(session, workspace_id, rule, now))
    if cursor is not None:
        (last,) = pages.decode("matching", cursor, tuple[str])
        query = query.where(User.id > last)
    with _in_time(session):
        rows = session.scalars(query.order_by(User.id).limit(limit + 1)).all()
    return pages.cut(rows, limit, lambda user: pages.encode("matching", user.id))


@contextmanager
def _in_time(session: Session) -> Iterator[None]:
    try:
        with time_limits.within(session, FIND_WITHIN_S):
            yield
    except time_limits.Stopped as err:
        raise TookTooLong() from err


def _condition(session: Session, workspace_id: int, rule: Rule, now: dt.datetime) -> ColumnElement[bool]:
    audiences = rules_by_key(session, workspace_id)
    _refuse_missing(session, workspace_id, rule, audiences.keys())
    rules.check_weight(rule, audiences)
    return rule_sql.condition(session, workspace_id, rule, audiences, now)


def _in_audience(key: str) -> Rule:
    return rules.parse({"kind": "audience", "key": key})


def _check(session: Session, workspace_id: int, key: str, rule: Rule) -> None:
    """Refuse what an audience with this key cannot say."""
    if rule.asks_the_page():
        raise AudienceOfPages()
    known = rules_by_key(session, workspace_id) | {key: rule}
    _refuse_missing(session, workspace_id, rule, known.keys())
    rules.check_audiences(known)


def _refuse_missing(session: Session, workspace_id: int, rule: Rule, audiences: Set[str]) -> None:
    missing = [f"audience {key}" for key in sorted(rule.audiences() - audiences)]
    if asked := rule.contents():
        query = select(Content.key).where(Content.workspace_id == workspace_id, Content.key.in_(asked))
        missing += [f"content {key}" for key in sorted(asked - set(session.scalars(query)))]
    if missing:
        raise LeadsNowhere(missing)


def _needs(document: dict[str, Any], key: str) -> bool:
    return any(reference.what == "audience" and reference.key == key for reference in references.of(document))
