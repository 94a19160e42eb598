"""Every gate, alone and in order; schedules across the days on which clocks change."""

import dataclasses
import datetime as dt
import itertools
from typing import Any

import pytest

from productfruits.adoption import evaluate, gates, page, rules
from productfruits.adoption.gates import Candidate, Case, Frequency, Policy, Progress, Schedule
from productfruits.adoption.page import Page
from productfruits.adoption.reasons import GATES, REASONS
from productfruits.adoption.subjects import Subject

NOW = dt.datetime(2030, 5, 10, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
PRO = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
ANN = Subject(is_known=True, username="ann", traits={"plan": "free"}, visit_began=NOW - HOUR)


def content(rule: Any = None, **facts: Any) -> Candidate:
    targeting = evaluate.compile(rules.parse(rule), {})
    known: dict[str, Any] = {"id": 1, "kind": "tour", "status": "published", "targeting": targeting}
    return Candidate(**known | facts)


def progress(state: str, **facts: Any) -> Progress:
    known: dict[str, Any] = {"content_id": 1, "kind": "tour", "state": state, "ended_at": NOW - 2 * HOUR}
    return Progress(**known | facts)


def case(of: Candidate | None = None, **facts: Any) -> Case:
    known: dict[str, Any] = {"policy": Policy(), "subject": ANN, "verified": True, "now": NOW} | facts
    return Case(of or content(), **known)


def code(given: Case) -> str | None:
    closed = gates.first_closed(given)
    return None if closed is None else closed.code


def test_nothing_stands_between_a_published_tour_and_anybody() -> None:
    said = gates.verdicts(case())
    assert all(verdict.passed for verdict in said)
    assert [verdict.gate for verdict in said] == [gate for gate in GATES if gate not in ("page", "consent", "turn")]


def test_every_closed_gate_is_told_not_only_the_first() -> None:
    closed = case(content(PRO, status="draft", start="manual"), progress=progress("completed"))
    told = [verdict.code for verdict in gates.verdicts(closed) if not verdict.passed]
    assert told == ["not_published", "rule_not_matched", "already_completed", "starts_by_api_only"]
    assert code(closed) == "not_published"


def test_a_mismatch_tells_the_page_the_rule_and_admins_the_value() -> None:
    closed = gates.first_closed(case(content({"all": [PRO]})))
    assert closed is not None
    assert "trait plan is pro" in closed.text and "free" not in closed.text
    assert closed.known == "the user's plan is free"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (case(content(status="archived")), "archived"),
        (case(subject=Subject()), None),
        (case(subject=Subject(), policy=Policy(allows_anonymous=False)), "anonymous_not_allowed"),
        (case(content({"not": PRO}), subject=Subject()), "not_identified"),
        (case(verified=False), None),
        (case(verified=False, policy=Policy(verification="enforced")), "not_verified"),
        (case(content({"not": PRO}), verified=False), None),
        (case(content({"not": PRO}), verified=False, policy=Policy(trusts_page=False)), "not_verified"),
        (case(verified=False, policy=Policy(trusts_page=False)), None),
        (case(content({"not": PRO}), policy=Policy(trusts_page=False)), None),
        (case(content({"kind": "url", "op": "is", "value": "/a"})), None),
        (case(progress=progress("in_progress", ended_at=None)), None),
        (case(progress=progress("completed")), "already_completed"),
        (case(progress=progress("dismissed")), "already_dismissed"),
        (case(content(frequency=Frequency("always")), progress=progress("completed")), None),
        (case(content(frequency=Frequency("until_completed")), progress=progress("completed")), "already_completed"),
        (case(content(frequency=Frequency("until_completed")), progress=progress("dismissed")), None),
        (
            case(
                content(frequency=Frequency("until_completed")),
                progress=progress("dismissed", ended_at=NOW - HOUR / 2),
            ),
            "already_dismissed",
        ),
        (
            case(
                content(frequency=Frequency("every_days", 3)),
                progress=progress("completed", last_shown_at=NOW - 2 * DAY),
            ),
            "shown_recently",
        ),
        (
            case(
                content(frequency=Frequency("every_days", 3)),
                progress=progress("completed", last_shown_at=NOW - 3 * DAY),
            ),
            None,
        ),
        (case(progress=progress("snoozed", snoozed_until=NOW + HOUR, ended_at=None)), "snoozed"),
        (case(progress=progress("snoozed", snoozed_until=NOW, ended_at=None)), None),
    ],
)
def test_a_gate_closes_for_its_reason(given: Case, expected: str | None) -> None:
    assert code(given) == expected


def test_a_dismissal_brings_quiet_time_unless_nobody_wished_it() -> None:
    other = progress("dismissed", content_id=2, ended_at=NOW - HOUR, end_reason="close_button")
    quiet = case(others=[other], policy=Policy(quiet_hours=2))
    assert code(quiet) == "quiet_time"
    assert code(dataclasses.replace(quiet, now=NOW + HOUR)) is None
    assert code(dataclasses.replace(quiet, policy=Policy())) is None
    assert code(dataclasses.replace(quiet, others=[dataclasses.replace(other, end_reason="target_missing")])) is None
    assert code(dataclasses.replace(quiet, progress=progress("in_progress", ended_at=None))) is None
    assert code(dataclasses.replace(quiet, content=content(start="manual"))) == "starts_by_api_only"


def test_the_limit_counts_other_tours_that_showed_lately() -> None:
    shown = [progress("completed", content_id=n, last_shown_at=NOW - n * DAY) for n in (1, 2, 3)]
    checklist = progress("in_progress", content_id=9, kind="checklist", last_shown_at=NOW)
    limited = case(others=[*shown, checklist], policy=Policy(limit_count=2, limit_days=4))
    assert code(limited) == "limit_reached"
    assert code(dataclasses.replace(limited, policy=Policy(limit_count=2, limit_days=3))) is None
    assert code(dataclasses.replace(limited, content=content(kind="checklist"))) is None
    assert code(dataclasses.replace(limited, progress=progress("in_progress", ended_at=None))) is None


@pytest.mark.parametrize(
    ("now", "begins", "ends", "expected"),
    [
        ("2030-03-31T00:59:59+00:00", "2030-03-31T02:00", None, "not_yet"),  # 02:00 does not exist: clocks go to 03:00
        ("2030-03-31T01:00:00+00:00", "2030-03-31T02:00", None, None),
        ("2030-10-27T00:29:59+00:00", "2030-10-27T02:30", None, "not_yet"),  # 02:30 comes twice: the first begins
        ("2030-10-27T00:30:00+00:00", "2030-10-27T02:30", None, None),
        ("2030-10-27T01:29:59+00:00", None, "2030-10-27T02:30", None),  # and the second ends
        ("2030-10-27T01:30:00+00:00", None, "2030-10-27T02:30", "over"),
        ("2030-03-31T01:29:59+00:00", None, "2030-03-31T02:30", None),  # 02:30 does not exist: it is 03:30
        ("2030-03-31T01:30:00+00:00", None, "2030-03-31T02:30", "over"),
        ("2030-01-01T07:00:00+00:00", "2030-01-01T08:00", "2030-01-02T08:00", None),
        ("2030-07-01T06:00:00+00:00", "2030-07-01T08:00", "2030-07-02T08:00", None),
    ],
)
def test_a_schedule_follows_the_clocks_of_the_workspace(
    now: str, begins: str | None, ends: str | None, expected: str | None
) -> None:
    schedule = Schedule(*(None if said is None else dt.datetime.fromisoformat(said) for said in (begins, ends)))
    given = case(
        content(schedule=schedule), policy=Policy(time_zone="Europe/Prague"), now=dt.datetime.fromisoformat(now)
    )
    assert code(given) == expected


def test_a_page_that_is_not_open_can_be_asked_about() -> None:
    tree = {
        "all": [
            {"kind": "url", "op": "glob", "value": "/a*"},
            {"not": {"kind": "language", "value": "en"}},
            {
                "any": [
                    {"kind": "element", "selector": "#b", "present": True},
                    {"kind": "url", "op": "is", "value": "/"},
                ]
            },
        ]
    }
    here = Page("https://x.example/a", "de")
    assert page.answer(tree, here) is None
    assert page.verdict(tree, here).passed
    assert page.verdict(tree, Page("https://x.example/b", "de")).code == "url"
    assert page.verdict(tree, Page("https://x.example/a", "en-GB")).code == "language"
    assert page.answer({"kind": "device_width", "op": "at_most", "value": 600}, Page(width=601)) is False


def test_every_reason_belongs_to_a_gate_and_says_what_to_do() -> None:
    assert {reason.gate for reason in REASONS.values()} == set(GATES)
    for reason in REASONS.values():
        assert reason.text.count(".") >= 2 or "comes back by itself" in reason.text, reason.text


def test_which_gates_can_close_is_known_before_anybody_comes() -> None:
    contents = [
        content(rule, kind=kind, status=status, start=start, frequency=show, schedule=schedule)
        for rule, kind, status, start, show, schedule in itertools.product(
            (None, PRO),
            ("tour", "checklist"),
            ("published", "draft"),
            ("auto", "manual"),
            (Frequency("once"), Frequency("always"), Frequency("every_days", 3)),
            (Schedule(), Schedule(begins=dt.datetime(2031, 1, 1))),
        )
    ]
    policies = [Policy(), Policy(quiet_hours=48), Policy(limit_count=1, limit_days=7), Policy("enforced")]
    snoozed = progress("snoozed", snoozed_until=NOW + HOUR)
    dismissed = progress("dismissed", content_id=2, end_reason="button", last_shown_at=NOW - HOUR)
    ways = list(itertools.product((None, progress("completed", last_shown_at=NOW - HOUR), snoozed), ([], [dismissed])))
    closed_ever = set()
    for each, policy in itertools.product(contents, policies):
        may_close = gates.that_may_close(each, policy)
        for (mine, others), verified in itertools.product(ways, (True, False)):
            asked = case(each, policy=policy, progress=mine, others=others, verified=verified)
            closed = [check for check in gates.CHECKS if check is not gates.targeting and not check(asked).passed]
            assert [check for check in may_close if not check(asked).passed] == closed
            closed_ever.update(closed)
    assert closed_ever == set(gates.CHECKS) - {gates.targeting}
