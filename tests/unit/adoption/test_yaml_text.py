"""YAML files: lines of everything, YAML 1.2 as JSON understands it, and what is written is read back the same."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from productfruits.adoption import documents, yaml_text
from productfruits.adoption.yaml_text import NotYaml
from tests.unit.adoption import authored

TEXT = """\
key: welcome
name: Welcome
steps:
  - id: hello
    title: |
      Hi

      there
  -
    id: second

    advance: {on: click,
      event: x}
"""


def test_everything_has_its_line() -> None:
    read = yaml_text.read(TEXT)
    assert read.value == {
        "key": "welcome",
        "name": "Welcome",
        "steps": [
            {"id": "hello", "title": "Hi\n\nthere\n"},
            {"id": "second", "advance": {"on": "click", "event": "x"}},
        ],
    }
    assert [
        read.line(path)
        for path in (
            (),
            ("key",),
            ("steps", 0),
            ("steps", 0, "title"),
            ("steps", 1, "id"),
            ("steps", 1, "advance", "event"),
            ("steps", 1, "target", "selector"),
            ("nothing",),
        )
    ] == [1, 1, 4, 5, 10, 13, 10, 1]


def test_text_is_text_and_numbers_are_numbers() -> None:
    text = "{a: on, b: no, c: 2030-01-01, d: 012, e: 0x10, f: 1_000, g: 12:30, h: .nan, i: '5', j: !!str 5}"
    assert all(isinstance(value, str) for value in yaml_text.read(text).value.values())
    text = "{a: true, b: False, c: ~, d: null, e: , f: 5, g: -2.5, h: 1e3, i: 12345678901234567890}"
    assert list(yaml_text.read(text).value.values()) == [
        True,
        False,
        None,
        None,
        None,
        5,
        -2.5,
        1000.0,
        12345678901234567890,
    ]
    assert yaml_text.read("on: 1\nno: 2\n5: 3\n").value == {"on": 1, "no": 2, "5": 3}
    assert yaml_text.read('a: "\\0\\ud800"').value == {"a": "\ufffd\ufffd"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("a: 1\nb: [1", 2, "not YAML"),
        ("a: 1\n\tb: 2", 2, "not YAML"),
        ("a: 1\na: 2", 2, "twice"),
        ("a: &x 1\nb: 2", 1, "Anchors"),
        ("a: 1\nb: *x", 2, "Anchors"),
        ("a: 1\nb: !!python/object/apply:os.system [x]", 2, "tag"),
        ("a: !!binary aGk=", 1, "binary"),
        ("a: !!set {x, y}", 1, "tag"),
        ("a: !!int x", 1, "int"),
        ("a: 1\nb: 1e999", 2, "1e999"),
        ("? [a]\n: b", 1, "key is text"),
        ("a: 1\nb: \x07", 2, "control"),
        ("---\na: 1\n---\nb: 1", 3, "not YAML"),
        ("[" * 1_500, 1, "nested"),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(NotYaml, match=words) as refused:
        yaml_text.read(text)
    assert refused.value.line == line


AWKWARD = ["no", "on", "~", "null", "1e5", "012", "2030-01-01", "#x", "{{a|b}}", "'", '"', "|", ">-", "…", "😀", "="]
awkward = st.text(max_size=30) | st.sampled_from(
    [*AWKWARD, "<<", "%a", "@a", "`a`", "- a", "a: b", "a\nb", "  a\n b", "a \nb", "\n", "\ufeff", "\x85", "a\u2028\nb"]
)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z~#-]{1,4}", fullmatch=True),
        awkward | st.lists(awkward, max_size=2) | st.integers() | st.booleans() | st.none(),
    )
)
def test_what_is_written_is_read_back_the_same(value: dict[str, Any]) -> None:
    storable = json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))
    try:
        json.dumps(storable, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    storable.pop("body", None)
    assert yaml_text.read(yaml_text.write(storable)).value == storable


@settings(max_examples=60)
@given(awkward, awkward, awkward)
def test_a_document_survives_its_file(title: str, body: str, value: str) -> None:
    try:
        rule = {"kind": "trait", "name": "plan", "op": "is", "value": value}
        loaded = documents.load("tour", authored.step(title=title, body=body) | {"targeting": rule})
    except documents.InvalidDocument:
        return
    written = yaml_text.write(documents.compact("tour", loaded))
    assert documents.load("tour", yaml_text.read(written).value) == loaded


def test_a_file_is_nice_to_read_and_to_compare() -> None:
    written = yaml_text.write(documents.compact("tour", documents.load("tour", authored.full_tour())))
    assert "    body: |\n      Make a **project**.\n\n      - one\n      - two\n" in written
    assert "\n    advance:\n      on: event\n" in written
    changed = authored.full_tour()
    changed["steps"][0]["title"] = "Hello"
    other = yaml_text.write(documents.compact("tour", documents.load("tour", changed)))
    differing = [line for line, was in zip(other.split("\n"), written.split("\n"), strict=True) if line != was]
    assert differing == ["    title: Hello"]


def test_other_readers_take_our_texts_for_texts() -> None:
    texts = ["no", "on", "012", "2030-01-01", "1_000", "12:30", "true", "~"]
    assert yaml.safe_load(yaml_text.write({"a": texts})) == {"a": texts}
