"""From JSON values to messages: what is taken as meant, what is refused, what is ignored."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from productfruits.segment import messages, schemas
from productfruits.segment.messages import MESSAGE_TYPES, MalformedMessage, Message, Parsed, parse
from productfruits.segment.reader import Body, Element, read, read_tolerantly
from productfruits.segment.signature import Signed

WHOLE = Signed(0, "body")
FIRST = Signed(0, "first")

COMPLETE: dict[str, Any] = {
    "messageId": "m-1",
    "userId": "u-1",
    "anonymousId": "an-1",
    "previousId": "p-1",
    "groupId": "g-1",
    "event": "Order Completed",
    "name": "Checkout",
    "category": "Shop",
    "traits": {"email": "ann@example.com", "plan": None},
    "properties": {"total": 1e-07},
    "context": {"library": {"name": "x"}},
    "timestamp": "2025-03-01T10:00:00.000Z",
}


def parsed(*events: Any, signed: Signed | None = WHOLE, **allowed: Any) -> Parsed:
    """What an array of these events says."""
    return parse(Body(True, tuple(Element(event) for event in events)), signed=signed, **allowed)


def message(event: dict[str, Any]) -> Message:
    """The one message a single event says."""
    found = parse(Body(False, (Element(event),)), signed=WHOLE)
    assert (found.refused, found.ignored) == ((), 0)
    (only,) = found.messages
    return only


def code_of(event: Any) -> str:
    found = parsed(event)
    assert (found.messages, found.ignored) == ((), 0)
    (refusal,) = found.refused
    assert refusal.detail.endswith(".")
    return refusal.code


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("identify", {"traits": COMPLETE["traits"]}),
        ("track", {"name": "Order Completed", "properties": COMPLETE["properties"]}),
        ("page", {"name": "Checkout", "category": "Shop", "properties": COMPLETE["properties"]}),
        ("screen", {"name": "Checkout", "category": "Shop", "properties": COMPLETE["properties"]}),
        ("group", {"group_id": "g-1", "traits": COMPLETE["traits"]}),
        ("alias", {"previous_id": "p-1"}),
        ("delete", {}),
    ],
)
def test_it_takes_from_each_type_what_belongs_to_it(kind: str, own: dict[str, Any]) -> None:
    assert msgspec.structs.asdict(message({**COMPLETE, "type": kind})) == {
        "type": kind,
        "message_id": "m-1",
        "user_id": "u-1",
        "anonymous_id": "an-1",
        "previous_id": None,
        "group_id": None,
        "name": None,
        "category": None,
        "traits": {},
        "properties": {},
        "context": {"library": {"name": "x"}},
        "timestamp": datetime(2025, 3, 1, 10, tzinfo=UTC),
        "signed": True,
        **own,
    }


def test_it_knows_the_seven_types() -> None:
    assert sorted(MESSAGE_TYPES) == ["alias", "delete", "group", "identify", "page", "screen", "track"]


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_it_takes_a_message_with_nothing_but_its_type(kind: str) -> None:
    found = message({"type": kind})
    assert found == Message(kind, None, None, None, None, None, None, None, {}, {}, {}, None, True)


@pytest.mark.parametrize("kind", ["identify", "Identify", "IDENTIFY", "iDENTIFY"])
def test_it_takes_the_type_in_any_casing(kind: str) -> None:
    assert message({"type": kind}).type == "identify"


@pytest.mark.parametrize("kind", ["set", "", " ", "identify ", "unknown", "Identifies", "__class__"])
def test_it_ignores_types_it_does_not_know(kind: str) -> None:
    assert parse(Body(False, (Element({"type": kind}),)), signed=WHOLE) == Parsed((), (), 1)
    assert parsed({"type": kind}, {"type": kind}) == Parsed((), (), 2)


@pytest.mark.parametrize(
    "event", [{}, {"type": None}, {"type": 1}, {"type": ["track"]}, {"type": {}}, {"Type": "track"}]
)
def test_it_refuses_an_event_whose_type_is_no_text(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(Body(False, (Element(event),)), signed=WHOLE)
    assert (caught.value.code, caught.value.status) == ("no_type", 400)
    assert str(caught.value).endswith(".")
    assert code_of(event) == "no_type"


@pytest.mark.parametrize("element", [None, True, 1, "track", [], [{"type": "track"}]])
def test_it_refuses_an_element_that_is_no_object(element: Any) -> None:
    assert code_of(element) == "not_an_object"


def test_it_keeps_the_good_elements_whatever_the_others_are() -> None:
    found = parsed({"type": "track", "event": "a"}, 7, {"type": "set"}, {"x": 1}, {"type": "page"})
    assert [kept.type for kept in found.messages] == ["track", "page"]
    assert [(refusal.index, refusal.code) for refusal in found.refused] == [(1, "not_an_object"), (3, "no_type")]
    assert found.ignored == 1


def test_it_refuses_an_element_the_reader_had_a_problem_with() -> None:
    found = parse(read(b'[{"type":"track"},{"a":1e400},{"type":"alias","userId":"a","userId":"b"}]'), signed=WHOLE)
    assert [(refusal.index, refusal.code) for refusal in found.refused] == [
        (1, "number_out_of_range"),
        (2, "duplicate_key"),
    ]
    assert len(found.messages) == 1


@pytest.mark.parametrize("kind", ["delete", "alias"])
def test_it_refuses_a_single_delete_or_alias_that_gives_a_key_twice(kind: str) -> None:
    body = read(f'{{"type":"{kind}","userId":"a","userId":"b"}}'.encode())
    with pytest.raises(MalformedMessage) as caught:
        parse(body, signed=WHOLE)
    assert (caught.value.code, caught.value.status) == ("duplicate_key", 400)


class TestSigned:
    def test_it_marks_what_the_signature_does_not_cover(self) -> None:
        events = [{"type": "track"}] * 3
        assert [kept.signed for kept in parsed(*events, signed=WHOLE).messages] == [True, True, True]
        assert [kept.signed for kept in parsed(*events, signed=FIRST).messages] == [True, False, False]
        assert [kept.signed for kept in parsed(*events, signed=None).messages] == [False, False, False]

    def test_it_counts_the_first_element_as_signed_even_when_it_was_refused(self) -> None:
        assert [kept.signed for kept in parsed(7, {"type": "track"}, signed=FIRST).messages] == [False]

    def test_it_marks_a_single_event(self) -> None:
        assert message({"type": "track"}).signed


class TestDeletes:
    DELETE = {"type": "Delete", "userId": "u-1"}  # noqa: RUF012 - never changed
    TRACK = {"type": "track"}  # noqa: RUF012 - never changed

    @pytest.mark.parametrize("signed", [WHOLE, FIRST, None])
    def test_it_takes_a_delete_from_the_first_element_only_however_the_array_is_signed(
        self, signed: Signed | None
    ) -> None:
        found = parsed(self.DELETE, self.TRACK, self.DELETE, signed=signed)
        assert [kept.type for kept in found.messages] == ["delete", "track"]
        assert [(refusal.index, refusal.code) for refusal in found.refused] == [(2, "delete_not_first")]

    def test_it_does_not_move_the_first_place_when_the_first_element_is_bad(self) -> None:
        found = parsed(7, self.DELETE)
        assert [refusal.code for refusal in found.refused] == ["not_an_object", "delete_not_first"]

    def test_it_takes_later_deletes_where_the_sender_may(self) -> None:
        found = parsed(self.TRACK, self.DELETE, self.DELETE, later_may_delete=True)
        assert [kept.type for kept in found.messages] == ["track", "delete", "delete"]

    def test_it_takes_none_where_the_sender_may_not(self) -> None:
        found = parsed(self.DELETE, self.DELETE, self.TRACK, first_may_delete=False)
        assert [refusal.code for refusal in found.refused] == ["delete_not_allowed"] * 2
        assert [kept.type for kept in found.messages] == ["track"]

    def test_it_refuses_a_single_one_without_failing_the_request(self) -> None:
        found = parse(Body(False, (Element(self.DELETE),)), signed=None, first_may_delete=False)
        assert [refusal.code for refusal in found.refused] == ["delete_not_allowed"]


class TestIds:
    @pytest.mark.parametrize("value", ["", " u ", 90210, 1.5, True, None, [], {}, ["u"], -1, 2**70, "é" * 128])
    def test_it_hands_ids_on_as_they_came(self, value: Any) -> None:
        assert message({"type": "identify", "userId": value}).user_id == value
        assert message({"type": "alias", "previousId": value}).previous_id == value
        assert message({"type": "group", "groupId": value}).group_id == value

    @pytest.mark.parametrize("value", ["u" * 512, "é" * 256, "🎉" * 128, " " * 600 + "u" * 512 + " " * 600, 10**511])
    def test_it_takes_ids_up_to_512_bytes(self, value: Any) -> None:
        assert message({"type": "track", "userId": value}).user_id == value

    @pytest.mark.parametrize("value", ["u" * 513, "é" * 257, "🎉" * 129, 10**512, -(10**512), 10**4_299])
    @pytest.mark.parametrize(
        ("kind", "key"),
        [
            ("track", "userId"),
            ("track", "anonymousId"),
            ("track", "messageId"),
            ("alias", "previousId"),
            ("group", "groupId"),
        ],
    )
    def test_it_refuses_longer_ones_and_names_the_key_but_not_the_value(self, kind: str, key: str, value: Any) -> None:
        found = parsed({"type": kind, key: value})
        (refusal,) = found.refused
        assert refusal.code == "id_too_long"
        assert refusal.detail == f"{key}: An id may have at most 512 bytes."

    def test_it_does_not_mind_a_long_id_where_the_type_has_none(self) -> None:
        assert message({"type": "track", "groupId": "g" * 600, "previousId": "p" * 600}).group_id is None

    @pytest.mark.parametrize(
        ("sent", "taken"),
        [
            ("m-1", "m-1"),
            (" m-1 ", " m-1 "),
            (7, "7"),
            (2**70, str(2**70)),
            (1.5, "1.5"),
            ("", None),
            (" \t", None),
            (None, None),
            (True, None),
            ([], None),
            ({"id": 1}, None),
        ],
    )
    def test_it_takes_a_message_id_as_text(self, sent: Any, taken: str | None) -> None:
        assert message({"type": "track", "messageId": sent}).message_id == taken

    def test_it_does_not_read_the_documents_slip_previous_id(self) -> None:
        found = message({"type": "alias", "Previous ID": "old", "User ID": "new"})
        assert (found.previous_id, found.user_id) == (None, None)


class TestNames:
    @pytest.mark.parametrize(
        ("sent", "taken"), [("Opened", "Opened"), ("", ""), (404, "404"), (1.5, "1.5"), (None, None)]
    )
    def test_it_takes_names_as_text(self, sent: Any, taken: str | None) -> None:
        assert message({"type": "track", "event": sent}).name == taken
        assert message({"type": "page", "name": sent}).name == taken
        assert message({"type": "screen", "category": sent}).category == taken

    @pytest.mark.parametrize("sent", [True, [], {}, ["Opened"]])
    def test_it_refuses_an_event_that_has_no_name_but_does_without_the_name_of_a_page(self, sent: Any) -> None:
        assert code_of({"type": "track", "event": sent}) == "name_not_text"
        assert message({"type": "page", "name": sent, "category": sent}).name is None

    @pytest.mark.parametrize(("kind", "key"), [("track", "event"), ("page", "name"), ("screen", "category")])
    def test_it_refuses_names_longer_than_512_bytes(self, kind: str, key: str) -> None:
        assert code_of({"type": kind, key: "é" * 257}) == "name_too_long"
        assert code_of({"type": kind, key: 10**600}) == "name_too_long"
        parsed_name = message({"type": kind, key: "é" * 256})
        assert "é" * 256 in (parsed_name.name, parsed_name.category)


class TestTables:
    @pytest.mark.parametrize("odd", [None, [], "", "text", 0, 7, True, [1, 2], ["a"]])
    @pytest.mark.parametrize("kind", MESSAGE_TYPES)
    def test_it_takes_whatever_is_no_object_as_an_empty_one(self, kind: str, odd: Any) -> None:
        found = message({"type": kind, "traits": odd, "properties": odd, "context": odd})
        assert (found.traits, found.properties, found.context) == ({}, {}, {})

    def test_it_keeps_values_as_they_came(self) -> None:
        properties = {"big": 12345678901234567890, "tiny": 1e-07, "huge": 1e21, "none": None, "deep": [{"a": [1]}]}
        assert message({"type": "track", "properties": properties}).properties == properties

    def test_it_keeps_nothing_of_unknown_top_level_keys(self) -> None:
        found = message(
            {**COMPLETE, "type": "identify", "apiKey": "sk", "_metadata": {}, "region": "eu", "debug": True}
        )
        assert found == message({**COMPLETE, "type": "identify"})


# Values of every kind, near every limit, for any key.
odd_values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**17, 10**18, 10**511, 10**512, -(10**512), 2**63])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.sampled_from(
        ["", " ", "\u2003", "a" * 128, "a" * 129, "é" * 129, "🎉" * 128, "🎉" * 129, "a" * 512, "a" * 513]
    )
    | st.sampled_from([" " * 600, " " * 600 + "a", "2025-03-01T10:00:00Z", "2015-2-02", "nonsense"])
    | st.just([])
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3), max_size=2)
)
events = st.fixed_dictionaries({}, optional=dict.fromkeys([*COMPLETE, "unknown"], odd_values))


@given(st.sampled_from(MESSAGE_TYPES), events)
def test_it_says_what_the_schema_says(kind: str, event: dict[str, Any]) -> None:
    # From bytes: the fast reader and the hand-written checks against the tolerant reader and the schema.
    body = json.dumps([{**event, "type": kind.upper()}]).encode()
    found = parse(read(body), signed=WHOLE)
    try:
        loaded = schemas.BY_TYPE[kind].load(read_tolerantly(body).elements[0].value)
    except ValidationError as err:
        (refusal,) = found.refused
        assert (refusal.code, refusal.detail) == schemas.refusal(err)
        assert found.messages == ()
    else:
        (taken,) = found.messages
        assert {key: getattr(taken, key) for key in loaded} == loaded
        types = {key: type(value) for key, value in loaded.items()}
        assert {key: type(getattr(taken, key)) for key in loaded} == types
        assert (found.refused, found.ignored) == ((), 0)


@given(st.lists(st.sampled_from(MESSAGE_TYPES).flatmap(lambda kind: events.map(lambda event: {**event, "type": kind}))))
def test_it_says_of_an_array_what_it_says_of_its_events_alone(several: list[dict[str, Any]]) -> None:
    together = parsed(*several, later_may_delete=True)
    alone = [parsed(event) for event in several]
    assert list(together.messages) == [kept for found in alone for kept in found.messages]
    assert [refusal.index for refusal in together.refused] == [
        index for index, found in enumerate(alone) if found.refused
    ]


@given(events)
def test_it_never_repeats_a_value_in_a_refusal(event: dict[str, Any]) -> None:
    marked = {key: f"secret-{value}" + "x" * 600 for key, value in event.items()}
    for kind in MESSAGE_TYPES:
        for refusal in parsed({**marked, "type": kind}).refused:
            assert "secret" not in json.dumps(dataclasses.asdict(refusal))


def test_it_has_words_for_every_code() -> None:
    for words in (messages.WORDS, schemas.WORDS):
        assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in words.values())
