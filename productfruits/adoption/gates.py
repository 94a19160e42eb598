"""Why not shown? Every gate between a content and a user, asked in order, and each says its reason in words.

Pure: content, settings, user, states and time in, verdicts out. The page's own gates come after these, in the browser.
"""

import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from productfruits.adoption import explain
from productfruits.adoption.evaluate import Compiled, Residual
from productfruits.adoption.reasons import REASONS
from productfruits.adoption.subjects import Subject

#: Ends of an attempt that are nobody's wish to be left alone.
NOT_BY_THE_USER: Final = frozenset({"target_missing", "replaced", "api", "unpublished"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """From and until in the workspace's time zone, both without one of their own."""

    begins: dt.datetime | None = None
    ends: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Frequency:
    """once, until_completed, every_days (with days) or always."""

    show: str = "once"
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A content as the gates see it. `status` is draft, published or archived, `start` auto or manual."""

    id: int
    kind: str
    status: str
    targeting: Compiled
    start: str = "auto"
    frequency: Frequency = Frequency()
    schedule: Schedule = Schedule()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the workspace decided for all of its content."""

    verification: str = "off"
    trusts_page: bool = True
    allows_anonymous: bool = True
    time_zone: str = "UTC"
    limit_count: int | None = None
    limit_days: int | None = None
    quiet_hours: int = 0

    @property
    def asks_others(self) -> bool:
        """Whether a gate looks at how far the user is in other contents."""
        return self.limit_count is not None or self.quiet_hours > 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the user is in one content: a row of content_state, those void by a reset left out."""

    content_id: int
    kind: str
    state: str
    last_shown_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    end_reason: str | None = None
    snoozed_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says. `text` may go to the page; `known` holds what the store knows of the user and may not."""

    gate: str
    passed: bool
    code: str | None = None
    text: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One content before one user at one time. `verified`: the page has proved who the user is."""

    content: Candidate
    policy: Policy
    subject: Subject
    verified: bool
    now: dt.datetime
    progress: Progress | None = None
    #: The user's progress in everything, this content among them or not.
    others: Collection[Progress] = ()

    @property
    def zone(self) -> dt.tzinfo:
        return zoneinfo.ZoneInfo(self.policy.time_zone)

    @property
    def goes_on(self) -> bool:
        """True in the middle of it: what only holds back a start lets it go on."""
        return self.progress is not None and self.progress.state == "in_progress"


Check = Callable[[Case], Verdict]


def that_may_close(content: Candidate, policy: Policy) -> tuple[Check, ...]:
    """In order, the gates besides targeting that can be closed before somebody; all others let everybody through."""
    by_itself = content.start == "auto"
    may_close: dict[Check, bool] = {
        published: content.status != "published",
        schedule: content.schedule != Schedule(),
        identity: True,
        frequency: content.frequency.show != "always",
        snooze: True,
        quiet: by_itself and policy.quiet_hours > 0,
        limit: by_itself and content.kind == "tour" and policy.limit_count is not None,
        starts_by_itself: not by_itself,
    }
    return tuple(check for check in CHECKS if may_close.get(check, False))


def verdicts(case: Case) -> list[Verdict]:
    """What every gate says, in order, those after a closed one too: for whoever asks why."""
    return [check(case) for check in CHECKS]


def first_closed(case: Case) -> Verdict | None:
    """The first gate that is closed, or None if the content may start by itself as far as the server knows."""
    return next((verdict for check in CHECKS if not (verdict := check(case)).passed), None)


def left_for_the_page(case: Case) -> bool | Residual:
    """What targeting leaves for the browser: True for nothing."""
    return case.content.targeting.apply(case.subject, case.now)


def published(case: Case) -> Verdict:
    if case.content.status == "published":
        return _passed("published")
    return _closed("archived" if case.content.status == "archived" else "not_published")


def schedule(case: Case) -> Verdict:
    """Begins with the first and ends with the last of two equal local times, when clocks are put back between them.

    A time that is left out when they are put forward is as long after the change as it would have been.
    """
    begins, ends = case.content.schedule.begins, case.content.schedule.ends
    if begins is not None and case.now < _instant(begins, case.zone, fold=0):
        return _closed("not_yet", f"{begins:%Y-%m-%d %H:%M} ({case.policy.time_zone})")
    if ends is not None and case.now >= max(_instant(ends, case.zone, fold=fold) for fold in (0, 1)):
        return _closed("over", f"{ends:%Y-%m-%d %H:%M} ({case.policy.time_zone})")
    return _passed("schedule")


def identity(case: Case) -> Verdict:
    aimed = case.content.targeting.uses_store
    if not case.subject.is_known:
        if not case.policy.allows_anonymous:
            return _closed("anonymous_not_allowed")
        return _closed("not_identified") if aimed else _passed("identity")
    required = case.policy.verification == "enforced" or (aimed and not case.policy.trusts_page)
    return _closed("not_verified") if required and not case.verified else _passed("identity")


def targeting(case: Case) -> Verdict:
    if case.content.targeting.apply(case.subject, case.now) is not False:
        return _passed("targeting")
    reason = explain.mismatch(case.content.targeting, case.subject, case.now)
    assert reason is not None
    return _closed("rule_not_matched", reason.said, reason.known)


def frequency(case: Case) -> Verdict:
    progress, frequency = case.progress, case.content.frequency
    if progress is None or case.goes_on or frequency.show == "always":
        return _passed("frequency")
    if frequency.show == "every_days":
        shown, days = progress.last_shown_at, frequency.days or 1
        ended = progress.state in ("completed", "dismissed")
        if ended and shown is not None and case.now < shown + dt.timedelta(days=days):
            return _closed("shown_recently", _at(case, shown))
        return _passed("frequency")
    ended_at = "earlier" if progress.ended_at is None else _at(case, progress.ended_at)
    if progress.state == "completed":
        return _closed("already_completed", ended_at)
    if progress.state == "dismissed" and not (
        frequency.show == "until_completed" and _is_before_this_visit(case, progress.ended_at)
    ):
        return _closed("already_dismissed", ended_at)
    return _passed("frequency")


def snooze(case: Case) -> Verdict:
    progress = case.progress
    if progress is None or progress.state != "snoozed" or progress.snoozed_until is None:
        return _passed("snooze")
    until = progress.snoozed_until
    return _closed("snoozed", _at(case, until)) if case.now < until else _passed("snooze")


def quiet(case: Case) -> Verdict:
    if case.goes_on or case.content.start == "manual" or not case.policy.quiet_hours:
        return _passed("quiet")
    closed = [
        other.ended_at
        for other in case.others
        if other.state == "dismissed" and other.ended_at is not None and other.end_reason not in NOT_BY_THE_USER
    ]
    until = max(closed, default=case.now) + dt.timedelta(hours=case.policy.quiet_hours)
    return _closed("quiet_time", _at(case, until)) if closed and case.now < until else _passed("quiet")


def limit(case: Case) -> Verdict:
    """Counts tours that started lately; one that comes back does not count against itself."""
    count, days = case.policy.limit_count, case.policy.limit_days
    if case.goes_on or case.content.kind != "tour" or case.content.start == "manual" or count is None or days is None:
        return _passed("limit")
    since = case.now - dt.timedelta(days=days)
    shown = [
        other
        for other in case.others
        if other.kind == "tour"
        and other.content_id != case.content.id
        and other.last_shown_at is not None
        and other.last_shown_at > since
    ]
    if len(shown) < count:
        return _passed("limit")
    return _closed("limit_reached", f"{count} in {days} {'day' if days == 1 else 'days'}")


def starts_by_itself(case: Case) -> Verdict:
    return _passed("manual") if case.content.start == "auto" else _closed("starts_by_api_only")


#: In the order in which they are asked.
CHECKS: Final[tuple[Check, ...]] = (
    published,
    schedule,
    identity,
    targeting,
    frequency,
    snooze,
    quiet,
    limit,
    starts_by_itself,
)


def _instant(local: dt.datetime, zone: dt.tzinfo, *, fold: int) -> dt.datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC)


def _is_before_this_visit(case: Case, ended_at: dt.datetime | None) -> bool:
    began = case.subject.visit_began
    return ended_at is None or (began is not None and ended_at < began)


def _at(case: Case, at: dt.datetime) -> str:
    return f"{at.astimezone(case.zone):%Y-%m-%d %H:%M} ({case.policy.time_zone})"


@functools.cache
def _passed(gate: str) -> Verdict:
    return Verdict(gate, True)


def _closed(code: str, what: str = "", known: str = "") -> Verdict:
    reason = REASONS[code]
    return Verdict(reason.gate, False, code, reason.about(what), known)
