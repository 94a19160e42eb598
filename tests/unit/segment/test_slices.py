"""Cutting JSON on the raw bytes, held to the standard library's parser."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment import slices

# Little but what matters to a scanner, so that quotes, escapes and brackets meet often.
scanner_text = st.text(alphabet='"\\{}[],: aé\u2028\n')
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | scanner_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scanner_text, inner, max_size=4),
    max_leaves=12,
)
styles = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (" ,\n", " :\t")},
        {"indent": 1},
        {"separators": (",", ":"), "ensure_ascii": False},
    ]
)


@given(st.lists(json_values, max_size=6), styles)
def test_it_cuts_an_array_where_a_parser_would(values: list[Any], style: dict[str, Any]) -> None:
    found = slices.elements(json.dumps(values, **style).encode(), at_most=100)
    assert found is not None
    assert [json.loads(raw) for raw in found] == values


@given(st.lists(st.dictionaries(scanner_text, json_values, max_size=5), min_size=1, max_size=3), styles)
def test_it_cuts_the_first_element_byte_for_byte(values: list[Any], style: dict[str, Any]) -> None:
    separators = style.get("separators", (",", ":"))
    parts = [json.dumps(value, **style).encode() for value in values]
    body = b"[" + separators[0].encode().join(parts) + b"]"
    assert slices.first_element(body) == parts[0]


@given(st.binary(max_size=60) | st.text(alphabet='"\\{}[],:a ', max_size=60).map(str.encode))
def test_it_cuts_anything_without_an_exception_and_never_past_the_end(body: bytes) -> None:
    found = slices.elements(body, at_most=3)
    first = slices.first_element(body)
    assert found is None or all(raw in body for raw in found)
    assert first is None or first in body
    if first is not None and found:
        assert first == found[0]


@given(st.text(alphabet='"\\{}[],:a1 ', max_size=40).map(str.encode))
def test_it_agrees_with_the_parser_on_whatever_is_json(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    found = slices.elements(body, at_most=100)
    if isinstance(value, list):
        assert found is not None
        assert [json.loads(raw) for raw in found] == value
    else:
        assert found is None


@pytest.mark.parametrize(
    ("body", "first"),
    [
        (b"[{}]", b"{}"),
        (b'[{"a":"}"},{}]', b'{"a":"}"}'),
        (b'[{"a":"\\"}"},{}]', b'{"a":"\\"}"}'),
        (b'[{"a":"\\\\"},{}]', b'{"a":"\\\\"}'),
        (b'[{"a":"\\\\\\"}]"}]', b'{"a":"\\\\\\"}]"}'),
        (b'[{"a":[{}]}]', b'{"a":[{}]}'),
        (b'[{"\\u007d":1}]', b'{"\\u007d":1}'),
        (b'[{"a":"\\', None),
        (b'[{"a":"', None),
        (b"[{", None),
        (b"[]", None),
        (b"", None),
        (b"{}", None),
        (b"[1,{}]", None),
        (b'["{}"]', None),
        (b"[[{}]]", None),
        (b'[{"a":1}', b'{"a":1}'),
    ],
)
def test_it_finds_the_first_element(body: bytes, first: bytes | None) -> None:
    assert slices.first_element(body) == first


def test_it_gives_up_on_a_first_element_beyond_the_limit_of_a_single_event() -> None:
    fits = b'{"a":"' + b"x" * (slices.FIRST_ELEMENT_BYTES - 8) + b'"}'
    assert slices.first_element(b"[" + fits + b"]") == fits
    assert slices.first_element(b"[" + fits.replace(b"x", b"xx", 1) + b"]") is None


@pytest.mark.parametrize(
    "body", [b"[,]", b"[1,]", b"[1 2]", b"[1", b"[1,", b"[1]x", b"[]]", b"[}", b"[:]", b"x[]", b'["a]', b"[1}", b"["]
)
def test_it_refuses_what_is_no_array(body: bytes) -> None:
    assert slices.elements(body, at_most=9) is None


def test_it_stops_one_element_after_the_limit() -> None:
    assert slices.elements(b"[1,2,3,4,5,", at_most=3) == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(
    ("element", "event"),
    [
        (b'{"json":{"a":1}}', b'{"a":1}'),
        (b'{"json":{}}', b"{}"),
        (b'{"json": {}}', None),
        (b'{"json":1}', None),
        (b'{"body":"a=b"}', None),
        (b'{"a":1}', None),
    ],
)
def test_it_unwraps_the_events_of_an_extensible_webhook(element: bytes, event: bytes | None) -> None:
    assert slices.unwrapped(element) == event
