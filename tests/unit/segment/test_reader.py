"""From bytes to values: what is read, what is refused, and that the two readers say the same."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment import reader
from productfruits.segment.reader import Body, Element, Unreadable, read, read_tolerantly

REPLACED = "\N{REPLACEMENT CHARACTER}"


def value_of(body: bytes) -> Any:
    """The value of a body of one object, the same from both readers."""
    found = read(body)
    assert found == read_tolerantly(body)
    assert not found.is_array
    (element,) = found.elements
    assert (element.problem, element.detail) == (None, None)
    return element.value


def elements_of(body: bytes) -> list[Any]:
    """Values, or codes of problems, of an array; the same from both readers."""
    found = read(body)
    assert found == read_tolerantly(body)
    assert found.is_array
    assert all((element.problem is None) == (element.detail is None) for element in found.elements)
    return [element.problem or element.value for element in found.elements]


def refusal_of(body: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as tolerant:
        read_tolerantly(body)
    with pytest.raises(Unreadable) as caught:
        read(body)
    assert caught.value.code == tolerant.value.code
    return caught.value


def test_it_reads_an_object_as_one_element() -> None:
    assert read(b'{"type":"track"}') == Body(False, (Element({"type": "track"}),))


def test_it_reads_an_array_as_its_elements() -> None:
    assert elements_of(b'[{"type":"track"}, {"a":[1,2.5,null,true]}]') == [
        {"type": "track"},
        {"a": [1, 2.5, None, True]},
    ]


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"\xef\xbb\xbf[\n]"])
def test_it_reads_an_empty_array(body: bytes) -> None:
    assert elements_of(body) == []


@pytest.mark.parametrize("body", [b' {"a":1}', b'\r\n\t{"a":1} \n', b'\xef\xbb\xbf{"a":1}', b'\xef\xbb\xbf \n{"a":1}'])
def test_it_takes_blanks_and_a_byte_order_mark_around_the_body(body: bytes) -> None:
    assert value_of(body) == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b'{"type":"track",',
        b'{"a":1}}',
        b"{} {}",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":nan}',
        b'{"a":undefined}',
        b'{"a":"\x01"}',
        b'{"a":"\x00"}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u12"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'{"\xff":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"\x1f\x8b\x08\x00",
        b"a=b&c=d",
        b"<xml/>",
        b"[{}",
        b"[{},]",
        b"[,{}]",
        b"[{} {}]",
        b"[{}]x",
        b"[{}][{}]",
        b'[{"a":NaN}]',
        b'[{"a":1},{"a":01}]',
        b'[{"a":1},{"a":"\xff"}]',
        b"[nul]",
        b"[" * 10,
        b"]",
        b"}",
    ],
)
def test_it_refuses_what_is_no_json(body: bytes) -> None:
    refusal = refusal_of(body)
    assert (refusal.code, refusal.status) == ("invalid_json", 400)


@pytest.mark.parametrize("body", [b'"hello"', b"null", b"true", b"12", b"-1.5e3", b'"{}"', b"1e400", b"9" * 5_000])
def test_it_refuses_json_that_holds_no_event(body: bytes) -> None:
    refusal = refusal_of(body)
    assert (refusal.code, refusal.status) == ("not_object_or_array", 400)


@pytest.mark.parametrize("code", reader.WORDS)
def test_it_says_in_a_sentence_what_is_wrong(code: str) -> None:
    words = str(Unreadable(code))
    assert words == reader.WORDS[code] and words[0].isupper() and words.endswith(".")


class TestText:
    @pytest.mark.parametrize(
        ("written", "read_as"),
        [
            (b"a\\u0000b", f"a{REPLACED}b"),
            (b"\\u0000", REPLACED),
            (b"\\\\u0000", "\\u0000"),
            (b"\\\\\\u0000", f"\\{REPLACED}"),
            (b"bad \\ud83d end", f"bad {REPLACED} end"),
            (b"\\uD83D", REPLACED),
            (b"\\ude00\\ud83d", REPLACED * 2),
            (b"\\ud83d\\ude00", "😀"),
            ("😀é\u2028".encode(), "😀é\u2028"),
            (b"\\ud83d and \\u0000 \\ud83d\\ude00", f"{REPLACED} and {REPLACED} 😀"),
            (b"\\ufffe\\uffff\\ufeff", "\ufffe\uffff\ufeff"),
            (b"\x7f\\u001f", "\x7f\x1f"),
        ],
    )
    def test_it_makes_text_storable_in_values_and_in_keys(self, written: bytes, read_as: str) -> None:
        body = b'{"k":["' + written + b'"],"o":{"' + written + b'":1}}'
        assert value_of(body) == {"k": [read_as], "o": {read_as: 1}}
        assert elements_of(b"[" + body + b"]") == [{"k": [read_as], "o": {read_as: 1}}]

    def test_it_leaves_nothing_that_utf_8_cannot_carry(self) -> None:
        every_half = "".join(f"\\u{code:04x} " for code in range(0xD800, 0xE000)).encode()
        value_of(b'{"a":"' + every_half + b'"}')["a"].encode()


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "number"),
        [
            (b"0", 0),
            (b"-0", 0),
            (b"9223372036854775807", 2**63 - 1),
            (b"9223372036854775808", 2**63),
            (b"18446744073709551616", 2**64),
            (b"12345678901234567890", 12345678901234567890),
            (b"-9223372036854775809", -(2**63) - 1),
            (b"1e-07", 1e-07),
            (b"1e+21", 1e21),
            (b"1E400".replace(b"400", b"308"), 1e308),
            (b"5e-324", 5e-324),
            (b"1e-400", 0.0),
            (b"0e400", 0.0),
            (b"1.0", 1.0),
        ],
    )
    def test_it_keeps_numbers(self, written: bytes, number: float) -> None:
        found = value_of(b'{"n":' + written + b"}")["n"]
        assert found == number and type(found) is type(number)

    def test_it_keeps_the_sign_of_zero(self) -> None:
        assert str(value_of(b'{"n":-0.0}')["n"]) == "-0.0"

    @pytest.mark.parametrize("digits", [400, 4_300])
    @pytest.mark.parametrize("sign", ["", "-"])
    def test_it_keeps_every_digit_of_a_long_integer(self, digits: int, sign: str) -> None:
        found = value_of(b'{"n":' + (sign + "7" * digits).encode() + b"}")["n"]
        assert type(found) is int
        assert json.dumps(found) == sign + "7" * digits

    @pytest.mark.parametrize("digits", [4_301, 100_000])
    @pytest.mark.parametrize("sign", ["", "-"])
    def test_it_keeps_the_digits_of_integers_python_cannot_print_as_text(self, digits: int, sign: str) -> None:
        written = sign + "7" * digits
        found = value_of(b'{"n":[' + written.encode() + b"]}")
        assert found == {"n": [written]}
        json.dumps(found)

    def test_it_keeps_the_digits_where_the_machine_allows_fewer(self) -> None:
        allowed = sys.get_int_max_str_digits()
        try:
            sys.set_int_max_str_digits(640)
            assert read_tolerantly(b'{"n":' + b"7" * 641 + b"}").elements[0].value == {"n": "7" * 641}
        finally:
            sys.set_int_max_str_digits(allowed)

    @pytest.mark.parametrize("written", [b"1e400", b"-1e400", b"1" + b"0" * 400 + b".0", b"1.7976931348623159e308"])
    def test_it_refuses_a_number_nobody_can_keep(self, written: bytes) -> None:
        refusal = refusal_of(b'{"n":' + written + b"}")
        assert (refusal.code, refusal.status) == ("number_out_of_range", 400)
        assert elements_of(b'[{"a":1},{"n":' + written + b"},{}]") == [{"a": 1}, "number_out_of_range", {}]


def nested(depth: int, opening: str = '{"a":', closing: str = "}") -> bytes:
    """An object that nests so many levels deep, itself counted."""
    return ('{"x":' + opening * (depth - 1) + "1" + closing * (depth - 1) + "}").encode()


class TestLimits:
    @pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
    def test_it_takes_64_levels_and_not_one_more(self, opening: str, closing: str) -> None:
        value_of(nested(64, opening, closing))
        refusal = refusal_of(nested(65, opening, closing))
        assert (refusal.code, refusal.status) == ("too_deep", 400)

    @pytest.mark.parametrize("depth", [65, 900, 5_000, 100_000])
    def test_it_refuses_only_the_deep_element_of_an_array(self, depth: int) -> None:
        body = b'[{"a":1},' + nested(depth, "[", "]") + b"," + nested(64) + b"]"
        first, deep, last = elements_of(body)
        assert (first, deep) == ({"a": 1}, "too_deep")
        assert isinstance(last, dict)

    def test_it_does_not_count_the_array_itself_as_a_level(self) -> None:
        (value,) = elements_of(b"[" + nested(64) + b"]")
        assert isinstance(value, dict)

    def test_it_does_not_take_many_brackets_for_depth(self) -> None:
        assert value_of(b'{"a":[' + b",".join([b"[{}]"] * 500) + b"]}") == {"a": [[{}]] * 500}

    @pytest.mark.parametrize(
        "hostile",
        [
            b"[" * 1_048_576,
            b"{" * 1_048_576,
            b'{"a":' * 209_715,
            b'[{"a":' * 174_762,
            b"[" + b"[]," * 349_000,
            b'{"a":"' + b"\\" * 1_048_570,
            b'["' + b"\\u0000" * 174_760 + b'"',
            b"\\" * 1_048_576,
            b" " * 1_048_576,
            b'{"a":' + b"-" * 1_048_570,
            b'{"a":1' + b"e" * 1_048_570,
            b'{"a"' + b":" * 1_048_570,
            b"\x00" * 1_048_576,
        ],
        ids=lambda body: repr(bytes(body[:8])),
    )
    def test_it_refuses_hostile_bodies_of_a_mebibyte(self, hostile: bytes) -> None:
        assert refusal_of(hostile).status in (400, 413)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"a":' + b"1" * 1_048_560 + b"}",
            b'{"a":0.' + b"1" * 1_048_560 + b"}",
            b'{"a":"' + b'\\"' * 524_280 + b'"}',
            b'{"a":1' + b',"a":1' * 174_000 + b"}",
            b'{"a":[' + b"[]," * 100_000 + b"[]]}",
        ],
        ids=lambda body: repr(bytes(body[:8])),
    )
    def test_it_reads_large_oddities_that_are_json(self, body: bytes) -> None:
        assert list(value_of(body)) == ["a"]

    def test_it_takes_10000_keys_and_not_one_more(self) -> None:
        inner = ",".join(f'"k{number}":{number}' for number in range(9_999))
        assert len(value_of(('{"o":{' + inner + "}}").encode())["o"]) == 9_999
        refusal = refusal_of(('{"o":{' + inner + '},"p":1}').encode())
        assert (refusal.code, refusal.status) == ("too_many_keys", 400)

    def test_it_counts_the_shortest_keys_there_are(self) -> None:
        keys = [chr(code) for code in range(0x100, 0x100 + 10_001)]
        body = ("{" + ",".join(f'"{key}":1' for key in keys) + "}").encode()
        assert refusal_of(body).code == "too_many_keys"

    def test_it_refuses_only_the_element_with_too_many_keys(self) -> None:
        many = json.dumps({f"k{number}": number for number in range(10_001)}).encode()
        assert elements_of(b"[" + many + b',{"a":1}]') == ["too_many_keys", {"a": 1}]

    def test_it_counts_keys_per_element(self) -> None:
        many = json.dumps({f"k{number}": number for number in range(6_000)}).encode()
        assert len(elements_of(b"[" + many + b"," + many + b"]")) == 2

    def test_it_takes_4000_elements_and_not_one_more(self) -> None:
        assert len(elements_of(b"[" + b",".join([b"{}"] * 4_000) + b"]")) == 4_000
        refusal = refusal_of(b"[" + b",".join([b"{}"] * 4_001) + b"]")
        assert (refusal.code, refusal.status) == ("batch_too_large", 413)

    def test_it_stops_counting_when_there_are_far_too_many(self) -> None:
        assert refusal_of(b"[" + b"1," * 600_000 + b"1]").code == "batch_too_large"


class TestDoubleKeys:
    @pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "set"])
    def test_it_takes_the_last_value_of_a_key_given_twice(self, kind: str) -> None:
        body = f'{{"type":"{kind}","userId":"a","userId":"b"}}'.encode()
        assert value_of(body) == {"type": kind, "userId": "b"}

    @pytest.mark.parametrize("kind", ["delete", "alias", "Delete", "ALIAS", "d\\u0065lete"])
    @pytest.mark.parametrize(
        "members",
        [
            '"userId":"a","userId":"b"',
            '"userId":"a","userId":"a"',
            '"userId":"a","user\\u0049d":"b"',
            '"context":{},"context":{}',
            '"a\\u0000":1,"a\\ufffd":2',
        ],
    )
    def test_it_refuses_a_delete_or_alias_that_gives_a_key_twice(self, kind: str, members: str) -> None:
        event = f'{{{members},"type":"{kind}"}}'.encode()
        for found in (read(event), read_tolerantly(event)):
            assert found.elements == (Element(None, "duplicate_key", reader.WORDS["duplicate_key"]),)
        good = b'{"type":"delete","userId":"a"}'
        assert elements_of(b"[" + good + b"," + event + b"," + good + b"]") == [
            {"type": "delete", "userId": "a"},
            "duplicate_key",
            {"type": "delete", "userId": "a"},
        ]

    def test_it_refuses_a_type_that_became_a_delete_by_its_second_value(self) -> None:
        assert read(b'{"type":"track","type":"delete"}').elements[0].problem == "duplicate_key"

    def test_it_minds_only_the_top_level(self) -> None:
        assert value_of(b'{"type":"delete","userId":"a","context":{"a":1,"a":2}}')["context"] == {"a": 2}

    def test_it_reads_an_alias_with_numbers_of_any_length(self) -> None:
        value_of(b'{"type":"alias","n":' + b"7" * 5_000 + b',"userId":"a\\ud800"}')


class TestWrappedEvents:
    def test_it_unwraps_the_events_of_an_extensible_webhook(self) -> None:
        assert elements_of(b'[{"json":{"type":"track"}}, {"json": {"type":"page"}}]') == [
            {"type": "track"},
            {"type": "page"},
        ]

    @pytest.mark.parametrize("element", [b'{"json":{},"type":"track"}', b'{"json":[]}', b'{"json":"{}"}'])
    def test_it_leaves_alone_what_is_not_exactly_a_wrapper(self, element: bytes) -> None:
        assert elements_of(b"[" + element + b"]") == [json.loads(element)]

    def test_it_does_not_unwrap_a_single_event(self) -> None:
        assert value_of(b'{"json":{"type":"track"}}') == {"json": {"type": "track"}}

    @pytest.mark.parametrize(
        "element",
        [
            b'{"json":{"type":"delete","userId":"a","userId":"b"}}',
            b'{"json":{"type":"track"},"json":{"type":"delete","userId":"b"}}',
            b'{"json":1,"json":{"type":"delete","userId":"b"}}',
        ],
    )
    def test_it_refuses_a_wrapped_delete_that_gives_a_key_twice(self, element: bytes) -> None:
        assert elements_of(b"[" + element + b"]") == ["duplicate_key"]


# Text as senders and attackers write it, so that escapes, halves of pairs and NULs meet often.
json_text = st.text(alphabet='ab"\\/{}[],:\0\n\u2028é😀\ud83d\ude00\ufffd', max_size=6) | st.text(max_size=6)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | json_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_text, inner, max_size=4),
    max_leaves=15,
)
kinds = st.sampled_from(["identify", "track", "alias", "delete", "Delete", "set"])
events = st.builds(
    lambda value, kind: {**value, "type": kind}, st.dictionaries(json_text, json_values, max_size=5), kinds
)


def storable(value: Any) -> Any:
    """What must come of a value: the rule of the reader said in another way."""
    if isinstance(value, str):
        return "".join(REPLACED if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    return value


def printed(value: Any, ensure_ascii: bool) -> bytes:
    # A half pair has no UTF-8 form: JavaScript escapes it.
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    return "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text).encode()


@given(events, st.booleans())
def test_it_reads_every_object_like_the_standard_library(event: dict[str, Any], ensure_ascii: bool) -> None:
    body = printed(event, ensure_ascii)
    found = read(body)
    assert found == read_tolerantly(body)
    (element,) = found.elements
    # A half pair behind another half becomes one character once it is printed, so the oracle reads the print.
    expected = json.loads(body)
    if element.problem is None:
        assert element.value == storable(expected)
    else:
        assert element.problem == "duplicate_key"
        assert len(storable(expected)) < len(expected)


@given(st.lists(events | json_values, max_size=5), st.booleans())
def test_it_reads_every_array_like_its_elements_alone(values: list[Any], ensure_ascii: bool) -> None:
    body = printed(values, ensure_ascii)
    found = read(body)
    assert found == read_tolerantly(body)
    assert [element.value for element in found.elements if element.problem is None] == [
        storable(value) for value, element in zip(json.loads(body), found.elements, strict=True) if not element.problem
    ]


def answer(read_it: Any, body: bytes) -> Body | str:
    try:
        found: Body = read_it(body)
    except Unreadable as err:
        return err.code
    return found


@given(
    st.binary(max_size=40)
    | st.text(alphabet='{}[],:"\\u0d8 1eE+-.truefalsnNaI', max_size=40).map(str.encode)
    | st.tuples(events, st.integers(0, 200), st.binary(max_size=3)).map(
        lambda drawn: printed(drawn[0], True)[: drawn[1]] + drawn[2] + printed(drawn[0], True)[drawn[1] :]
    )
)
def test_it_gives_one_answer_by_both_readers_to_any_bytes(body: bytes) -> None:
    assert answer(read, body) == answer(read_tolerantly, body)
    assert answer(read, b"[" + body + b"]") == answer(read_tolerantly, b"[" + body + b"]")
