"""What SDKs and functions post, read from bytes: batches, types by path, contexts, clocks, settings."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.segment import batches, messages, settings, slices, tracking
from productfruits.segment.batches import Envelope
from productfruits.segment.reader import Unreadable

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)

words = st.text(alphabet='"\\{}[],: aé\u2028\x00', max_size=4)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.just("type"), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["batch", "type", "context", "sentAt", "writeKey", "messageId", "é", 'a"b'])


def envelope(body: bytes) -> Envelope | str:
    """What both readers make of a batch: the same, or the same refusal."""
    answers: list[Envelope | str] = []
    for read in (batches.read, batches.read_tolerantly):
        try:
            answers.append(read(body))
        except Unreadable as err:
            answers.append(err.code)
    fast, tolerant = answers
    if isinstance(fast, Envelope) and isinstance(tolerant, Envelope):
        assert fast.body == tolerant.body
        assert {k: v for k, v in fast.fields.items() if v is not None} == {
            k: v for k, v in tolerant.fields.items() if v is not None
        }
    else:
        assert fast == tolerant
    return fast


@given(st.dictionaries(fields, values, max_size=6) | st.dictionaries(fields, st.lists(values, max_size=4), max_size=4))
def test_both_readers_open_a_batch_alike(sent: dict[str, Any]) -> None:
    body = json.dumps(sent).encode()
    members = slices.members(body)
    assert members is not None
    assert {key: json.loads(raw) for key, raw in members.items()} == sent
    opened = envelope(body)
    if isinstance(sent.get("batch"), list):
        assert isinstance(opened, Envelope)
        assert len(opened.body.elements) == len(sent["batch"])
    else:
        assert opened == "no_batch"


@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,batch 1', max_size=40).map(str.encode))
def test_no_bytes_make_a_reader_of_batches_fail(body: bytes) -> None:
    envelope(body)
    envelope(b'{"batch":' + body + b"}")
    slices.members(body)


def test_a_bad_element_spoils_only_itself() -> None:
    opened = envelope(b'\xef\xbb\xbf {"batch":[{"a":1e400},{"a":"\\ud800"},{"type":"alias","a":1,"a":2}]}')
    assert isinstance(opened, Envelope)
    assert [each.problem or each.value for each in opened.body.elements] == [
        "number_out_of_range",
        {"a": "\N{REPLACEMENT CHARACTER}"},
        "duplicate_key",
    ]


def test_of_a_field_given_twice_the_last_counts() -> None:
    assert tracking.read_batch(b'{"batch":[1,2],"writeKey":"a","batch":[3],"writeKey":"b"}').write_key == "b"
    assert len(tracking.read_batch(b'{"batch":[1,2],"batch":[3]}').body.elements) == 1


def test_the_path_says_the_type_and_how_strictly_it_is_read() -> None:
    post = tracking.read_single(
        b'{"type":"delete","userId":"u","event":"E","writeKey":"k","sentAt":"2026-01-01"}', "track"
    )
    (element,) = post.body.elements
    assert (element.value["type"], post.write_key, post.sent_at) == ("track", "k", NOON.replace(hour=0))
    assert tracking.read_single(b'{"userId":"a","userId":"b"}', "alias").body.elements[0].problem == "duplicate_key"


def test_short_paths_are_the_first_letters() -> None:
    assert sorted(name for name in tracking.TYPES_BY_PATH if len(name) == 1) == ["a", "g", "i", "p", "s", "t"]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b'{"type":"track","batch":[1,2]}', 1),
        (b'{"batch":[1,2]}', 2),
        (b'[{"batch":[1,2]},{}]', 2),
        (b'{"type":"track","properties":{"batch":[1,2]}}', 1),
        (b'{"batch":7}', 1),
    ],
)
def test_a_function_posts_one_event_or_many(body: bytes, events: int) -> None:
    post = tracking.read_function_post(body)
    assert (len(post.body.elements), post.sent_at) == (events, None)


def test_contexts_are_joined_at_every_level_and_the_events_own_wins() -> None:
    base = {"app": {"name": "a", "build": {"n": 1}}, "ip": "1"}
    own = {"app": {"build": {"m": 2}, "name": None}, "ip": {"v": 4}}
    assert tracking.under(base, own) == {"app": {"name": None, "build": {"n": 1, "m": 2}}, "ip": {"v": 4}}
    assert base == {"app": {"name": "a", "build": {"n": 1}}, "ip": "1"}


@pytest.mark.parametrize(
    ("sent_at", "timestamp", "expected"),
    [
        ("2026-01-01T11:00:00Z", "2026-01-01T10:59:50Z", "2026-01-01T11:59:50+00:00"),
        ("2026-01-01T13:00:00Z", "2013-01-01T00:00:00Z", "2012-12-31T23:00:00+00:00"),
        ("9999-12-31T00:00:00Z", "0001-01-02T00:00:00Z", "0001-01-02T00:00:00+00:00"),
        (None, "2026-01-01T10:00:00Z", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01T11:00:00Z", None, None),
    ],
)
def test_times_are_told_by_our_clock(sent_at: str | None, timestamp: str | None, expected: str | None) -> None:
    event = {"batch": [{"type": "track", "event": "E", "timestamp": timestamp}], "sentAt": sent_at}
    post = tracking.read_batch(json.dumps(event).encode())
    (message,) = messages.parse(post.body, signed=None, late_by=tracking.late_by(post.sent_at, NOON)).messages
    assert (message.timestamp and message.timestamp.isoformat()) == expected


def test_settings_have_one_integration_that_points_here() -> None:
    found = settings.document("key_1", "https://pf.example/below/")
    assert list(found["integrations"]) == ["Segment.io"]
    assert (
        found["integrations"]["Segment.io"] | {"apiHost": "pf.example/below/v1", "protocol": "https"}
        == (found["integrations"]["Segment.io"])
    )
