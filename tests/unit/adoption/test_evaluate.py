"""Rules in memory: what each condition means, and what is left for the page."""

import datetime as dt
from typing import Any

import pytest

from productfruits.adoption import evaluate, explain, rules
from productfruits.adoption.evaluate import Residual
from productfruits.adoption.subjects import EventCount, Subject

NOW = dt.datetime(2030, 5, 10, 12, tzinfo=dt.UTC)
ANN = Subject(
    is_known=True,
    username="ann",
    email="Ann@Example.com",
    traits={
        "plan": "pro",
        "seats": 5,
        "score": 0.1,
        "huge": 10**400,
        "admin": True,
        "one": 1,
        "tags": ["a", 1, True, ["b"], {"c": 1}],
        "address": {"city": "Oslo"},
        "first_name": "Ann",
        "trial_ends": "2030-05-12",
        "signed_up": "2030-05-10T12:00:00.9+02:00",
        "odd_day": "2030-02-31",
        "no_date": "2030-13-01",
        "empty": "",
    },
    first_seen=dt.datetime(2030, 5, 1, 0, 0, 0, 999_999, tzinfo=dt.UTC),
    last_seen=NOW,
    visits=3,
    groups={"acme": {"plan": "team"}, "beta": {}},
    event_counts={EventCount("Paid", None): 2, EventCount("Paid", 7): 1},
    contents={"welcome": "completed"},
)


def trait(name: str, op: str, *value: Any) -> dict[str, Any]:
    return {"kind": "trait", "name": name, "op": op, **({"value": value[0]} if value else {})}


def computed(name: str, op: str, value: Any) -> dict[str, Any]:
    return {"kind": "computed", "name": name, "op": op, "value": value}


def apply(document: Any, audiences: dict[str, Any] | None = None) -> Any:
    saved = {key: rules.parse(rule) for key, rule in (audiences or {}).items()}
    compiled = evaluate.compile(rules.parse(document), saved)
    answer = compiled.apply(ANN, NOW)
    assert [answer] == evaluate.apply_all([compiled], ANN, NOW)
    return answer.tree if isinstance(answer, Residual) else answer


MET = [
    trait("plan", "is", "pro"),
    trait("plan", "is_not", "Pro"),
    trait("seats", "is", 5.0),
    trait("huge", "greater", 2**53 - 1),
    trait("score", "is", 0.1),
    trait("admin", "is", True),
    trait("one", "is_not", True),
    trait("admin", "is_not", 1),
    trait("seats", "is_not", "5"),
    trait("absent", "is_not", "x"),
    trait("plan", "contains", "ro"),
    trait("tags", "contains", "a"),
    trait("tags", "contains", 1),
    trait("tags", "contains", True),
    trait("tags", "not_contains", "b"),
    trait("absent", "not_contains", "b"),
    trait("plan", "starts_with", "pr"),
    trait("plan", "ends_with", "ro"),
    trait("seats", "at_least", 5),
    trait("seats", "less", 5.1),
    trait("address", "exists"),
    trait("empty", "exists"),
    trait("absent", "missing"),
    trait("firstName", "is", "Ann"),
    trait("FirstName", "starts_with", "A"),
    trait("plan", "one_of", ["free", "pro"]),
    trait("seats", "one_of", ["free", 5]),
    trait("email", "ends_with", "@Example.com"),
    trait("trial_ends", "after", "2030-05-11"),
    trait("trial_ends", "before", "2030-05-12T00:00:01Z"),
    trait("signed_up", "before", "2030-05-10T10:00:01Z"),
    trait("signed_up", "after", "2030-05-10T09:59:59Z"),
    trait("signed_up", "in_last_days", 1),
    trait("odd_day", "after", "2030-03-02"),
    trait("odd_day", "more_than_days_ago", 30),
    computed("username", "is", "ann"),
    computed("first_seen", "before", "2030-05-01T00:00:01Z"),
    computed("first_seen", "more_than_days_ago", 9),
    computed("last_seen", "in_last_days", 1),
    computed("visits", "at_least", 3),
    {"kind": "group"},
    {"kind": "group", "group_id": "beta"},
    {"kind": "group", "name": "plan", "op": "is", "value": "team"},
    {"kind": "group", "group_id": "beta", "name": "plan", "op": "missing"},
    {"kind": "event", "name": "Paid", "at_least": 2},
    {"kind": "event", "name": "Paid", "at_most": 1, "in_days": 7},
    {"kind": "event", "name": "Refunded", "at_most": 0},
    {"kind": "content", "key": "welcome", "state": "completed"},
    {"kind": "content", "key": "other", "state": "not_started"},
]
NOT_MET = [
    trait("plan", "is", "Pro"),
    trait("plan", "is", True),
    trait("one", "is", True),
    trait("tags", "is", "a"),
    trait("tags", "one_of", ["a"]),
    trait("tags", "contains", "b"),
    trait("seats", "contains", 5),
    trait("plan", "greater", 1),
    trait("admin", "at_least", 1),
    trait("seats", "greater", 5),
    trait("absent", "contains", "a"),
    trait("trial_ends", "after", "2030-05-12"),
    trait("trial_ends", "in_last_days", 30),
    trait("no_date", "before", "2031-01-01"),
    trait("seats", "before", "2031-01-01"),
    computed("first_seen", "after", "2030-05-01T00:00:00Z"),
    {"kind": "group", "group_id": "gamma"},
    {"kind": "group", "group_id": "beta", "name": "plan", "op": "is", "value": "team"},
    {"kind": "event", "name": "Paid", "at_least": 1, "at_most": 1},
    {"kind": "event", "name": "Refunded"},
    {"kind": "audience", "key": "gone"},
]


@pytest.mark.parametrize("document", MET)
def test_a_condition_is_met(document: dict[str, Any]) -> None:
    assert apply(document) is True
    assert apply({"not": document}) is False


@pytest.mark.parametrize("document", NOT_MET)
def test_a_condition_is_not_met(document: dict[str, Any]) -> None:
    assert apply(document) is False
    assert apply({"not": document}) is True


YES, NO = trait("plan", "is", "pro"), trait("plan", "is", "secret")
URL = {"kind": "url", "op": "is", "value": "/a"}
WIDE = {"kind": "device_width", "op": "at_least", "value": 800}


@pytest.mark.parametrize(
    ("document", "left"),
    [
        ({"all": [YES, URL]}, URL),
        ({"all": [NO, URL]}, False),
        ({"any": [YES, URL]}, True),
        ({"any": [URL, NO]}, URL),
        ({"any": [{"all": [NO, WIDE]}, {"all": [YES, URL]}]}, URL),
        ({"all": [URL, {"any": [WIDE, NO]}]}, {"all": [URL, WIDE]}),
        ({"not": {"any": [NO, URL]}}, {"not": URL}),
        ({"not": {"all": [NO, URL]}}, True),
        ({"all": [{"not": {"all": [URL, WIDE]}}, YES]}, {"not": {"all": [URL, WIDE]}}),
        (
            {"kind": "element", "selector": "#a", "present": False},
            {"kind": "element", "selector": "#a", "present": False},
        ),
        ({"all": [YES, YES]}, True),
        (None, True),
    ],
)
def test_only_page_conditions_are_left_for_the_page(document: Any, left: Any) -> None:
    assert apply(document) == left


def test_audiences_are_looked_through() -> None:
    saved = {"pros": YES, "both": {"all": [{"kind": "audience", "key": "pros"}, {"not": NO}]}}
    assert apply({"kind": "audience", "key": "both"}, saved) is True
    assert apply({"kind": "audience", "key": "round"}, {"round": {"kind": "audience", "key": "round"}}) is False


def test_a_rule_says_what_it_needs() -> None:
    def compiled(document: Any) -> evaluate.Compiled:
        saved = {"new": rules.parse({"kind": "event", "name": "Joined", "in_days": 3})}
        return evaluate.compile(rules.parse(document), saved)

    page = compiled(URL)
    assert (page.uses_store, page.depends_on_time, page.asks) == (False, False, frozenset())
    rule = compiled({"any": [URL, {"kind": "audience", "key": "new"}]})
    assert (rule.uses_store, rule.depends_on_time, rule.asks) == (True, True, frozenset({EventCount("Joined", 3)}))
    assert compiled(trait("a", "in_last_days", 3)).depends_on_time
    assert not compiled(trait("a", "before", "2030-01-01")).depends_on_time


@pytest.mark.parametrize(
    ("document", "said", "known"),
    [
        (NO, "trait plan is secret", "the user's plan is pro"),
        ({"all": [YES, trait("absent", "exists"), NO]}, "trait absent exists", "the user's absent is missing"),
        ({"any": [NO, URL]}, None, None),
        (
            {"any": [NO, {"kind": "group", "group_id": "gamma"}]},
            "trait plan is secret or in group gamma",
            "the user's plan is pro; the user is not in it",
        ),
        ({"not": YES}, "not trait plan is pro", "the user's plan is pro"),
        (
            {"kind": "event", "name": "Paid", "at_most": 0, "in_days": 7},
            "event Paid never happened in the last 7 days",
            "it happened once",
        ),
        (
            {"kind": "audience", "key": "team"},
            "in audience team (trait seats is greater than 9)",
            "the user's seats is 5",
        ),
        (
            computed("first_seen", "after", "2030-05-02"),
            "first seen is after 2030-05-02",
            "the user's first seen is 2030-05-01 00:00 UTC",
        ),
        (
            {"kind": "content", "key": "welcome", "state": "not_started"},
            "welcome is not started",
            "it is completed",
        ),
    ],
)
def test_the_condition_in_the_way_is_named(document: Any, said: str | None, known: str | None) -> None:
    saved = {"team": rules.parse(trait("seats", "greater", 9))}
    found = explain.mismatch(evaluate.compile(rules.parse(document), saved), ANN, NOW)
    assert (found and found.said, found and found.known) == (said, known)
