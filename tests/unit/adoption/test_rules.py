"""Reading rules: what is refused, where, and in which words; audiences that lead in circles."""

from typing import Any

import pytest

from productfruits.adoption import rules
from productfruits.adoption.conditions import Rule
from productfruits.adoption.rules import InvalidRule, Path

GOOD: list[dict[str, Any]] = [
    {"kind": "trait", "name": "plan", "op": "is", "value": "pro"},
    {"kind": "trait", "name": "seats", "op": "at_least", "value": 2.5},
    {"kind": "trait", "name": "tags", "op": "contains", "value": 7},
    {"kind": "trait", "name": "Größe 😀", "op": "exists"},
    {"kind": "trait", "name": "plan", "op": "one_of", "value": ["pro", 1, True]},
    {"kind": "trait", "name": "renewal", "op": "before", "value": "2026-05-01T10:00:00.5+02:00"},
    {"kind": "computed", "name": "first_seen", "op": "in_last_days", "value": 7},
    {"kind": "computed", "name": "visits", "op": "at_least", "value": 2},
    {"kind": "group"},
    {"kind": "group", "group_id": "acme", "name": "plan", "op": "is_not", "value": "free"},
    {"kind": "event", "name": "Order Completed"},
    {"kind": "event", "name": "Order Completed", "at_least": 2, "in_days": 7},
    {"kind": "event", "name": "Order Completed", "at_most": 0},
    {"kind": "content", "key": "welcome", "state": "completed"},
    {"kind": "audience", "key": "trial"},
    {"kind": "url", "op": "glob", "value": "/projects/*"},
    {"kind": "element", "selector": "#save"},
    {"kind": "language", "value": "pt-BR"},
    {"kind": "device_width", "op": "at_least", "value": 800},
]


def deep(depth: int) -> dict[str, Any]:
    rule = GOOD[0]
    for _ in range(depth - 1):
        rule = {"not": rule}
    return rule


@pytest.mark.parametrize("leaf", GOOD)
def test_every_kind_of_condition_can_be_written(leaf: dict[str, Any]) -> None:
    assert rules.parse({"any": [{"all": [leaf]}, {"not": leaf}]}).document is not None


TRAIT = {"kind": "trait", "name": "plan"}
BAD: list[tuple[Any, Path, str]] = [
    ([], (), "object"),
    ("pro", (), "object"),
    ({}, ("kind",), "trait, computed"),
    ({"kind": ["trait"]}, ("kind",), "trait, computed"),
    ({"all": []}, ("all",), "at least one"),
    ({"any": {}}, ("any",), "at least one"),
    ({"all": [GOOD[0]], "kind": "trait"}, (), "stands alone"),
    ({"all": [GOOD[0], {"not": {"kind": "no"}}]}, ("all", 1, "not", "kind"), "one of"),
    ({**GOOD[0], "more": 1}, ("more",), "Unknown"),
    ({"kind": "trait", "op": "is", "value": 1}, ("name",), "Missing"),
    ({"kind": "trait", "name": 'a"b', "op": "exists"}, ("name",), "quotation"),
    ({**TRAIT, "op": "matches", "value": "x"}, ("op",), "no such operator"),
    ({**TRAIT, "op": "is"}, ("value",), "must be text"),
    ({**TRAIT, "op": "is", "value": {"a": 1}}, ("value",), "must be text"),
    ({**TRAIT, "op": "is", "value": None}, ("value",), "must be text"),
    ({**TRAIT, "op": "is", "value": "x" * 501}, ("value",), "at most 500"),
    ({**TRAIT, "op": "is", "value": "a\0"}, ("value",), "cannot be stored"),
    ({**TRAIT, "op": "is", "value": "\ud800"}, ("value",), "cannot be stored"),
    ({**TRAIT, "op": "greater", "value": "5"}, ("value",), "needs a number"),
    ({**TRAIT, "op": "greater", "value": True}, ("value",), "needs a number"),
    ({**TRAIT, "op": "greater", "value": 2**53}, ("value",), "at most"),
    ({**TRAIT, "op": "is", "value": float("nan")}, ("value",), "at most"),
    ({**TRAIT, "op": "contains", "value": ""}, ("value",), "not empty"),
    ({**TRAIT, "op": "starts_with", "value": 5}, ("value",), "not empty"),
    ({**TRAIT, "op": "before", "value": "yesterday"}, ("value",), "a date like"),
    ({**TRAIT, "op": "after", "value": "1024-01-01"}, ("value",), "1900"),
    ({**TRAIT, "op": "in_last_days", "value": 1.5}, ("value",), "number of days"),
    ({**TRAIT, "op": "exists", "value": "x"}, ("value",), "leave it out"),
    ({**TRAIT, "op": "one_of", "value": []}, ("value",), "list"),
    ({**TRAIT, "op": "one_of", "value": [[1]]}, ("value",), "must be text"),
    ({"kind": "computed", "name": "age", "op": "is", "value": 1}, ("name",), "first_seen"),
    ({"kind": "computed", "name": "visits", "op": "contains", "value": "1"}, ("op",), "compared with"),
    ({"kind": "computed", "name": "visits", "op": "is", "value": "1"}, ("value",), "a number"),
    ({"kind": "computed", "name": "email", "op": "is", "value": 1}, ("value",), "text"),
    ({"kind": "group", "name": "plan"}, ("op",), "both"),
    ({"kind": "group", "value": 1}, ("value",), "leave it out"),
    ({"kind": "event", "name": "A", "at_least": 3, "at_most": 2}, ("at_most",), "less than"),
    ({"kind": "event", "name": "A", "at_least": "3"}, ("at_least",), "integer"),
    ({"kind": "event", "name": "A", "in_days": 0}, ("in_days",), "greater"),
    ({"kind": "content", "key": "Welcome", "state": "completed"}, ("key",), "small letters"),
    ({"kind": "content", "key": "welcome", "state": "done"}, ("state",), "no such state"),
    ({"kind": "url", "op": "is", "value": "settings"}, ("value",), "begins with"),
    ({"kind": "url", "op": "regex", "value": "/"}, ("op",), "Use one of"),
    ({"kind": "element", "selector": "#a", "present": "yes"}, ("present",), "boolean"),
    ({"kind": "language", "value": "english please"}, ("value",), "written like"),
    ({"kind": "device_width", "op": "at_least", "value": 0}, ("value",), "greater"),
    (deep(11), (*("not",) * 9,), "nested"),
    ({"all": [GOOD[0]] * 201}, ("all",), "at most 200"),
    ({"all": [{"all": [GOOD[0]] * 101}] * 2}, (), "at most 200"),
]


@pytest.mark.parametrize(("document", "path", "reason"), BAD)
def test_a_bad_rule_is_refused_with_the_place_and_the_reason(document: Any, path: Path, reason: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        rules.parse(document)
    assert refused.value.path == path
    assert reason in refused.value.problems[0][1]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InvalidRule) as refused:
        rules.parse({"any": [{"kind": "trait", "op": "is"}, {"not": {"kind": "url", "op": "is", "value": "x"}}]})
    assert list(refused.value.messages()) == ["any[0].name", "any[1].not.value"]
    assert "any[0].name" in str(refused.value)


def test_the_limits_themselves_are_allowed() -> None:
    assert len(list(rules.parse({"all": [GOOD[0]] * 200}).leaves())) == 200
    rules.parse(deep(10))


def test_no_rule_is_the_rule_that_everybody_meets() -> None:
    assert rules.parse(None) == rules.EVERYBODY


def test_the_email_is_the_same_field_whatever_the_rule_calls_it() -> None:
    assert rules.parse({"kind": "trait", "name": "Email", "op": "exists"}) == rules.parse(
        {"kind": "computed", "name": "email", "op": "exists"}
    )


def audience(*keys: str) -> Rule:
    return rules.parse({"any": [GOOD[0], *({"kind": "audience", "key": key} for key in keys)]})


def test_audiences_may_refer_to_others() -> None:
    rules.check_audiences({"a": audience("b", "c"), "b": audience("c"), "c": audience("gone")})


@pytest.mark.parametrize("circle", [{"a": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["a"]}])
def test_audiences_in_a_circle_are_refused(circle: dict[str, list[str]]) -> None:
    with pytest.raises(rules.EndlessAudience):
        rules.check_audiences({key: audience(*others) for key, others in circle.items()})


@pytest.mark.parametrize("order", [1, -1])
def test_audiences_are_refused_where_too_much_is_behind_one(order: int) -> None:
    chain = [(f"a{n}", audience(f"a{n + 1}")) for n in range(6)]
    with pytest.raises(rules.HeavyAudience):
        rules.check_audiences(dict(chain[::order]))
    rules.check_audiences(dict(chain[1:][::order]))
    wide = {f"b{n}": rules.parse({"all": [GOOD[0]] * 200}) for n in range(3)}
    rules.check_audiences({**wide, "some": audience("b0", "b1")})
    rules.check_weight(audience("b0", "b1", "gone"), wide)
    with pytest.raises(rules.HeavyAudience):
        rules.check_audiences({**wide, "all": audience(*wide)})
    with pytest.raises(rules.HeavyAudience):
        rules.check_weight(audience(*wide), wide)
