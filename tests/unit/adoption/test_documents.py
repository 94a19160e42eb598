"""Documents: what is refused, in which words and at which place; what is completed; one form of each."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from productfruits.adoption import documents, fields
from productfruits.adoption.documents import InvalidDocument
from tests.unit.adoption import authored


def refusals(kind: str, document: object) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        documents.load(kind, document)
    assert all(str(problem) in str(refused.value) for problem in refused.value.problems)
    return {documents.spelled(problem.path): problem.message for problem in refused.value.problems}


@pytest.mark.parametrize("kind", ["tour", "checklist"])
def test_a_full_document_stays_as_it_is(kind: str) -> None:
    full = authored.full_tour() if kind == "tour" else authored.full_checklist()
    loaded = documents.load(kind, full)
    assert loaded == full
    assert json.dumps(loaded) == json.dumps(full), "the order of the keys is that of the schema"
    assert full == (authored.full_tour() if kind == "tour" else authored.full_checklist())


def test_a_short_document_is_completed() -> None:
    loaded = documents.load("tour", authored.tour())
    assert {name: loaded[name] for name in loaded if name not in ("key", "name", "steps")} == {
        "kind": "tour",
        "language": "en",
        "priority": 50,
        "start": "auto",
        "targeting": None,
        "frequency": {"show": "once"},
        "schedule": {},
        "theme": None,
        "translations": {},
    }
    modal, tooltip = loaded["steps"]
    assert modal["buttons"][0]["style"] == "primary" and modal["advance"] == {"on": "button"}
    assert (tooltip["placement"], tooltip["wait"]) == ("auto", {"seconds": 8, "missing": "skip"})
    assert not {"target", "placement", "wait"} & set(modal)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("tour", authored.tour()),
        ("tour", authored.full_tour()),
        ("checklist", authored.checklist()),
        ("checklist", authored.full_checklist()),
        ("theme", authored.theme()),
        ("theme", authored.theme(radius=0, default=True)),
    ],
)
def test_compact_and_loaded_are_the_same_document(kind: str, document: Any) -> None:
    loaded = documents.load(kind, document)
    assert documents.load(kind, loaded) == loaded
    short = documents.compact(kind, loaded)
    assert documents.load(kind, short) == loaded
    assert len(json.dumps(short)) < len(json.dumps(loaded))


def test_the_store_may_give_keys_in_any_order() -> None:
    full = authored.full_tour()
    shuffled = json.loads(json.dumps(full, sort_keys=True))
    assert json.dumps(documents.ordered("tour", shuffled)) == json.dumps(full)


def test_the_same_says_the_same() -> None:
    one = documents.load("tour", authored.tour())
    assert documents.same(one, json.loads(json.dumps(one, sort_keys=True)))
    assert not documents.same({"a": 1}, {"a": True})


@pytest.mark.parametrize(
    ("document", "place", "words"),
    [
        ([], "", "Invalid input type."),
        (None, "", "Invalid input type."),
        (authored.tour(kind="checklist"), "kind", "Here it is a tour."),
        (authored.tour(key="Big Key"), "key", "begins with a letter or digit"),
        (authored.tour(key="x" * 65), "key", "1 to 64"),
        (authored.tour(key="a\n"), "key", "1 to 64"),
        (authored.tour(name="  "), "name", "between 1 and 200"),
        (authored.tour(name="a\0b"), "name", "control"),
        (authored.tour(name="a\nb"), "name", "one line"),
        (authored.tour(name="\ud800"), "name", "control"),
        (authored.tour(name=5), "name", "string"),
        (authored.tour(titel="x"), "titel", "no such field"),
        (authored.tour(prioriti=1), "prioriti", "did you mean `priority`?"),
        (authored.tour(priority=101), "priority", "100"),
        (authored.tour(priority=True), "priority", "integer"),
        (authored.tour(priority="5"), "priority", "integer"),
        (authored.tour(priority=5.5), "priority", "integer"),
        (authored.tour(priority=10**400), "priority", "100"),
        (authored.tour(language="english"), "language", "like en, pt-BR"),
        (authored.tour(theme="a b"), "theme", "1 to 64"),
        (authored.tour(targeting=[]), "targeting", 'a "kind"'),
        (
            authored.tour(targeting={"all": [{"kind": "trait", "op": "is", "value": 1}]}),
            "targeting.all[0].name",
            "required",
        ),
        (authored.tour(targeting={"not": {"kind": "moon"}}), "targeting.not.kind", "one of"),
        (authored.tour(frequency={"show": "every_days"}), "frequency.days", "`show: every_days` needs this."),
        (authored.tour(frequency={"show": "once", "days": 2}), "frequency.days", "`show: once` does not take this."),
        (authored.tour(schedule={"from": "2030-01-01T00:00Z"}), "schedule.from", "time zone"),
        (authored.tour(schedule={"from": "2030-01-01"}), "schedule.from", "2026-03-01T09:00"),
        (authored.tour(schedule={"from": "tomorrow"}), "schedule.from", "2026-03-01T09:00"),
        (
            authored.tour(schedule={"from": "2030-01-02T00:00", "until": "2030-01-01T00:00"}),
            "schedule.until",
            "before it begins",
        ),
        (authored.tour(steps=[]), "steps", "between 1 and 50"),
        (authored.step(kind="banner"), "steps[0].kind", "tooltip, modal"),
        (authored.step(kind="tooltip"), "steps[0].target", "needs an element"),
        (authored.step(target={"selector": "#x"}), "steps[0].target", "Only a tooltip"),
        (authored.step(kind="tooltip", target={}), "steps[0].target", "`selector`, `data` or `text`"),
        (
            authored.step(kind="tooltip", target={"data": {"name": "Tour", "value": "x"}}),
            "steps[0].target.data.name",
            "",
        ),
        (authored.step(advance={"on": "click"}), "steps[0].advance.on", "Only a tooltip"),
        (authored.step(advance={"on": "event"}), "steps[0].advance.event", "needs this"),
        (authored.step(image={"url": "/a.png"}), "steps[0].image.alt", "required"),
        (authored.step(image={"url": "data:image/png;base64,", "alt": "x"}), "steps[0].image.url", "picture"),
        (authored.step(backdrop="yes"), "steps[0].backdrop", "boolean"),
        (authored.step(buttons=[authored.button("fly")]), "steps[0].buttons[0].action.do", "Must be one of"),
        (authored.step(buttons=[authored.button("snooze")]), "steps[0].buttons[0].action.minutes", "needs this"),
        (authored.step(buttons=[authored.button(url="/")]), "steps[0].buttons[0].action.url", "does not take this"),
        (authored.step(buttons=[authored.button()] * 2), "steps[0].buttons[1].id", "same id"),
        (authored.step(buttons=[authored.button()] * 5), "steps[0].buttons", "between 0 and 4"),
        (authored.tour(steps=[*authored.tour()["steps"], authored.tour()["steps"][0]]), "steps[2].id", "same id"),
        (authored.step(body="![x](/a.png)"), "steps[0].body", "`image`"),
        (authored.step(body="[x](javascript:alert(1))"), "steps[0].body", "https://"),
        (authored.step(body="[x](/users/{{id}})"), "steps[0].body", "same for everybody"),
        (authored.step(body="x" * 10_001), "steps[0].body", "between 0 and 10000"),
        (authored.step(body="a\x1bb"), "steps[0].body", "Control"),
        (authored.tour(translations={"xxxx": {}}), "translations.xxxx", "no language"),
        (authored.tour(translations={"en": {}}), "translations.en", "of the document itself"),
        (authored.tour(translations={"de": []}), "translations.de", "Invalid input type"),
        (authored.tour(translations={"pt-br": {}, "pt-BR": {}}), "translations", "given twice"),
        (authored.tour(translations=[]), "translations", "mapping"),
        (
            authored.tour(translations={"de": {"steps": [{"id": "x"}]}}),
            "translations.de.steps[0].id",
            "nothing with this id",
        ),
        (
            authored.tour(translations={"de": {"steps": [{"id": "hello"}, {"id": "hello"}]}}),
            "translations.de.steps[1].id",
            "already",
        ),
        (
            authored.tour(translations={"de": {"steps": [{"id": "hello", "buttons": [{"id": "x", "label": "x"}]}]}}),
            "translations.de.steps[0].buttons[0].id",
            "`buttons`",
        ),
        (
            authored.tour(translations={"de": {"steps": [{"id": "hello", "titel": "x"}]}}),
            "translations.de.steps[0].titel",
            "did you mean `title`?",
        ),
    ],
)
def test_a_tour_that_cannot_be_used_is_refused_with_place_and_words(document: object, place: str, words: str) -> None:
    refused = refusals("tour", document)
    assert words in refused[place]
    assert list(refused) == [place]


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"title": ""}, "title", "between 1"),
        ({"order": "random"}, "order", "free, ordered"),
        ({"launcher": {"position": "top"}}, "launcher.position", "bottom-right"),
        ({"items": [{"id": "a", "title": "A"}] * 2}, "items[1].id", "same id"),
        ({"items": [{"id": "a", "title": "A", "done": {"by": "event"}}]}, "items[0].done.event", "needs this"),
        ({"items": [{"id": "a", "title": "A", "done": {"by": "api", "tour": "x"}}]}, "items[0].done.tour", "not take"),
        (
            {"items": [{"id": "a", "title": "A", "action": {"do": "start_tour"}}]},
            "items[0].action.tour",
            "needs this",
        ),
        (
            {"items": [{"id": "a", "title": "A", "done": {"by": "trait", "rule": {"kind": "event", "name": "x"}}}]},
            "items[0].done.rule.kind",
            "its kind is trait",
        ),
        ({"completion": {"body": "x"}}, "completion.title", "required"),
        ({"steps": []}, "steps", "did you mean `items`?"),
    ],
)
def test_a_checklist_that_cannot_be_used_is_refused_with_place_and_words(
    changes: dict[str, Any], place: str, words: str
) -> None:
    assert words in refusals("checklist", authored.checklist(**changes))[place]


def test_all_problems_are_told_at_once() -> None:
    wrong = authored.tour(name="", steps=[{"id": "A", "kind": "modal", "titel": "x"}])
    assert list(refusals("tour", wrong)) == ["name", "steps[0].id", "steps[0].title", "steps[0].titel"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [("EN", "en"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), (" es-419 ", "es-419"), ("NO", "no")],
)
def test_a_language_has_one_spelling(said: str, kept: str) -> None:
    assert documents.load("tour", authored.tour(language=said))["language"] == kept


def test_text_has_one_form() -> None:
    loaded = documents.load("tour", authored.step(title="  Hi  ", body="\r\na  \r\nb\r\n\r\n"))
    assert (loaded["steps"][0]["title"], loaded["steps"][0]["body"]) == ("Hi", "a  \nb")
    scheduled = authored.tour(schedule={"from": "2030-01-01 09:00:00", "until": "20300102T090001"})
    assert documents.load("tour", scheduled)["schedule"] == {"from": "2030-01-01T09:00", "until": "2030-01-02T09:00:01"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(st.data())
def test_no_value_anywhere_makes_more_than_a_refusal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["tour", "checklist"]))
    document = authored.full_tour() if kind == "tour" else authored.full_checklist()
    parts: list[Any] = [document]
    for part in parts:
        parts += [
            inner
            for inner in (part.values() if isinstance(part, dict) else part)
            if inner and isinstance(inner, (dict, list))
        ]
    part = data.draw(st.sampled_from(parts))
    place: Any = data.draw(st.sampled_from(sorted(part))) if isinstance(part, dict) else 0
    part[place] = data.draw(json_values)
    before = copy.deepcopy(document)
    try:
        loaded = documents.load(kind, document)
    except InvalidDocument as refused:
        assert refused.problems
    else:
        assert documents.load(kind, documents.compact(kind, loaded)) == loaded
    assert document == before


def test_ids_and_languages_are_ascii() -> None:
    assert fields.ID.fullmatch("äa") is None and fields.LANGUAGE.fullmatch("dé") is None
