"""The form of the editor: what it shows reads back to the same document, and its buttons change what they name."""

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from productfruits.adoption import documents
from productfruits.web.admin.editor import blank, controls, reading, rules
from productfruits.web.admin.editor.controls import Control
from productfruits.web.admin.editor.rules import Input, RuleControl

TOUR: dict[str, Any] = {
    "key": "welcome",
    "name": "Welcome tour",
    "language": "en",
    "priority": 70,
    "start": "manual",
    "targeting": {
        "all": [
            {"kind": "trait", "name": "plan", "op": "one_of", "value": ["pro", "team"]},
            {
                "any": [
                    {"kind": "event", "name": "Signed In", "at_least": 2, "in_days": 7},
                    {"kind": "audience", "key": "vip"},
                ]
            },
            {"not": {"kind": "url", "op": "glob", "value": "/admin/*"}},
            {"kind": "trait", "name": "zip", "op": "is", "value": "0042"},
            {"kind": "trait", "name": "seats", "op": "at_least", "value": 5},
            {"kind": "trait", "name": "beta", "op": "is", "value": True},
            {"kind": "trait", "name": "count", "op": "is", "value": "42"},
            {"kind": "element", "selector": ".new", "present": False},
            {"kind": "group", "name": "industry", "op": "exists"},
        ]
    },
    "frequency": {"show": "every_days", "days": 30},
    "schedule": {"from": "2026-03-01T09:00", "until": "2026-04-01T09:00"},
    "theme": "ours",
    "steps": [
        {
            "id": "hello",
            "kind": "modal",
            "title": "Hello {{firstName|there}}",
            "body": "First **line**\n\nSecond line",
            "image": {"url": "https://acme.example/a.png", "alt": "A picture"},
            "backdrop": True,
            "buttons": [
                {"id": "go", "label": "Show me", "action": {"do": "next"}},
                {
                    "id": "docs",
                    "label": "Read",
                    "style": "link",
                    "action": {"do": "open_url", "url": "/docs", "new_tab": True},
                },
                {"id": "later", "label": "Later", "style": "secondary", "action": {"do": "snooze", "minutes": 60}},
            ],
        },
        {
            "id": "create",
            "name": "Create a project",
            "kind": "tooltip",
            "title": "Create a project",
            "target": {"selector": "#new", "data": {"name": "tour", "value": "create"}, "text": "New project"},
            "placement": "bottom-start",
            "advance": {"on": "event", "event": "Project Created"},
            "wait": {"seconds": 20, "missing": "stop"},
        },
    ],
    "translations": {
        "de": {
            "steps": [
                {
                    "id": "hello",
                    "title": "Hallo",
                    "image": {"alt": "Ein Bild"},
                    "buttons": [{"id": "go", "label": "Los"}],
                }
            ]
        },
        "pt-BR": {},
    },
}
CHECKLIST: dict[str, Any] = {
    "key": "first-steps",
    "name": "First steps",
    "title": "First steps",
    "order": "ordered",
    "launcher": {"label": "Start here", "position": "bottom-left"},
    "open": True,
    "dismissible": False,
    "items": [
        {
            "id": "tour",
            "title": "Look around",
            "action": {"do": "start_tour", "tour": "welcome"},
            "done": {"by": "tour", "tour": "welcome"},
        },
        {
            "id": "three",
            "title": "Export",
            "body": "Three times",
            "done": {"by": "event", "event": "Exported", "at_least": 3},
        },
        {
            "id": "pay",
            "title": "Upgrade",
            "done": {"by": "trait", "rule": {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}},
        },
    ],
    "completion": {"title": "Well done", "body": ""},
}


def submitted(found: dict[str, Control]) -> "MultiDict[str, str]":
    """What a browser sends of these controls."""
    form: MultiDict[str, str] = MultiDict()
    for control in found.values():
        for name, value in _inputs(control):
            form.add(name, value)
    return form


def _inputs(control: Control) -> Iterator[tuple[str, str]]:
    if control.rule is not None:
        yield from _rule_inputs(control.rule)
    elif control.kind in ("part", "list", "translations"):
        for inside in control.inside:
            yield from _inputs(inside)
    elif control.kind == "switch":
        yield control.name, "0"
        if control.value:
            yield control.name, "1"
    elif control.kind == "choice":
        # A browser takes the first one where none is selected.
        yield control.name, control.value if control.value is not None else control.choices[0][0]
    else:
        yield control.name, "" if control.value is None else str(control.value)


def _rule_inputs(rule: RuleControl) -> Iterator[tuple[str, str]]:
    if rule.match is not None:
        yield f"{rule.name}.match", rule.match
    if rule.kind is not None:
        yield f"{rule.name}.kind", rule.kind
    for node in rule.nodes:
        yield from _rule_inputs(node)
    for one in rule.inputs:
        yield one.name, one.value


def through_the_form(document: dict[str, Any]) -> dict[str, Any]:
    kind = document["kind"]
    schema = documents.SCHEMAS[kind]()
    form = submitted(controls.of_document(schema, document, ()))
    return {"key": document["key"], **reading.read_document(schema, form)}


@pytest.mark.parametrize(
    "document",
    [
        documents.load("tour", TOUR),
        documents.load("checklist", CHECKLIST),
        blank.document("tour", "a", "A"),
        blank.document("checklist", "a", "A"),
    ],
    ids=["tour", "checklist", "blank tour", "blank checklist"],
)
def test_what_the_form_shows_reads_back_to_the_same_document(document: dict[str, Any]) -> None:
    assert documents.load(document["kind"], through_the_form(document)) == document


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        (None, None),
        ({"all": [{"kind": "audience", "key": "a"}]}, {"kind": "audience", "key": "a"}),
        ({"not": {"any": [{"kind": "audience", "key": "a"}]}}, {"not": {"kind": "audience", "key": "a"}}),
        ({"not": {"all": [{"kind": "audience", "key": "a"}, {"kind": "audience", "key": "b"}]}},) * 2,
        ({"not": {"not": {"kind": "audience", "key": "a"}}},) * 2,
        ({"any": [{"all": [{"not": {"any": [{"kind": "audience", "key": k} for k in "abc"]}}]}]},) * 2,
    ],
)
def test_any_rule_can_be_written_in_it(rule: Any, read: Any) -> None:
    document = documents.load("tour", {**TOUR, "targeting": rule})
    assert through_the_form(document).get("targeting") == read


def test_a_control_that_the_chosen_kind_has_not_says_nothing() -> None:
    document = documents.load("tour", TOUR)
    form = submitted(controls.of_document(documents.SCHEMAS["tour"](), document, ()))
    form["steps.1.kind"] = "modal"
    form["steps.1.advance.on"] = "button"
    read = reading.read_document(documents.SCHEMAS["tour"](), form)
    assert set(read["steps"][1]) & {"target", "placement", "wait"} == set()
    assert read["steps"][1]["advance"] == {"on": "button"}


def test_errors_stand_at_their_controls() -> None:
    said = {**TOUR, "targeting": {"any": [{"kind": "audience", "key": "Not A Key"}]}}
    said["steps"] = [{**TOUR["steps"][0], "title": ""}]
    said["translations"] = {}
    with pytest.raises(documents.InvalidDocument) as refused:
        documents.load("tour", said)
    found = controls.of_document(documents.SCHEMAS["tour"](), said, refused.value.problems)
    assert [one.name for one in found["steps"].inside[0].inside if one.errors] == ["steps.0.title"]
    rule = found["targeting"].rule
    assert rule is not None
    assert [one.name for one in rule.nodes[0].inputs if one.errors] == ["targeting.0.key"]


BAD = {"kind": "audience", "key": "Not A Key"}


@pytest.mark.parametrize(
    "rule",
    [
        BAD,
        {"any": [BAD]},
        {"not": BAD},
        {"not": {"any": [BAD]}},
        {"not": {"not": BAD}},
        {"not": {"all": [BAD]}},
        {"all": [{"kind": "audience", "key": "a"}, {"any": [{"not": {"any": [BAD]}}]}]},
    ],
)
def test_a_problem_in_a_rule_leads_to_the_input_that_shows_it(rule: Any) -> None:
    said = {**TOUR, "targeting": rule}
    with pytest.raises(documents.InvalidDocument) as refused:
        documents.load("tour", said)
    (problem,) = refused.value.problems
    control = controls.of_document(documents.SCHEMAS["tour"](), said, refused.value.problems)["targeting"].rule
    assert control is not None
    assert [rules.input_of(said, problem.path)] == [one.name for one in inputs_of(control) if one.errors]


def inputs_of(control: RuleControl) -> Iterator[Input]:
    yield from control.inputs
    for node in control.nodes:
        yield from inputs_of(node)


@pytest.mark.parametrize(
    ("action", "ids"),
    [
        ("add steps", ["hello", "create", "step-3"]),
        ("remove steps.0", ["create"]),
        ("down steps.0", ["create", "hello"]),
        ("up steps.1", ["create", "hello"]),
        ("up steps.0", ["hello", "create"]),
        ("down steps.1", ["hello", "create"]),
        ("remove steps.7", ["hello", "create"]),
        ("remove steps.x", ["hello", "create"]),
        ("add nothing.at.all", ["hello", "create"]),
        ("explode steps.0", ["hello", "create"]),
        ("", ["hello", "create"]),
    ],
)
def test_its_buttons_add_remove_and_move(action: str, ids: list[str]) -> None:
    document = documents.load("tour", TOUR)
    reading.act(document, action)
    assert [step["id"] for step in document["steps"]] == ids


def test_its_buttons_reach_into_parts_and_languages() -> None:
    document = documents.load("tour", TOUR)
    reading.act(document, "add steps.0.buttons")
    reading.act(document, "remove translations.de")
    reading.act(document, "translate translations.fr")
    assert document["steps"][0]["buttons"][-1] == {"id": "button-4"}
    assert list(document["translations"]) == ["pt-BR", "fr"]


def test_conditions_and_groups_are_added_and_removed() -> None:
    form: MultiDict[str, str] = MultiDict({"targeting.match": "all"})
    schema = documents.SCHEMAS["tour"]()
    reading.act_on_form(form, "condition targeting")
    form["targeting.0.name"], form["targeting.0.op"] = "plan", "exists"
    reading.act_on_form(form, "group targeting")
    form["targeting.1.0.name"], form["targeting.1.0.op"] = "role", "missing"
    assert reading.read_document(schema, form)["targeting"] == {
        "all": [
            {"kind": "trait", "name": "plan", "op": "exists"},
            {"any": [{"kind": "trait", "name": "role", "op": "missing"}]},
        ]
    }
    reading.act_on_form(form, "drop targeting.0")
    assert reading.read_document(schema, form)["targeting"] == {
        "all": [{"any": [{"kind": "trait", "name": "role", "op": "missing"}]}]
    }
