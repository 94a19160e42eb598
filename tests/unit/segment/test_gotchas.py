"""What surprises receivers of Segment's webhooks, one test a surprise, as far as this room can see it.

Numbers are those of the list of surprises this product was designed against. The others of that list belong to other
rooms: ids and e-mails (9, 20, 22, 23) to identity, order and retries (3, 11) to intake, answers (14 to 17) to web,
tracking libraries (4 to 8, 10) to the tracking paths.
"""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from productfruits.segment.messages import MalformedMessage, Message, Parsed, parse
from productfruits.segment.reader import Unreadable, read
from productfruits.segment.signature import BadSignature, sign, verify

SECRET = b"whs_secret"


def received(body: bytes | Any, signed_part: bytes | None = None) -> Parsed:
    """What a webhook request says that was signed over `signed_part`, or else over its whole body."""
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    signature = sign(raw if signed_part is None else signed_part, SECRET)
    signed = verify(raw, x_signature=signature, x_segment_signature=None, secrets=[SECRET])
    return parse(read(raw), signed=signed)


def one(body: bytes | Any) -> Message:
    found = received(body)
    (message,) = found.messages
    assert (found.refused, found.ignored) == ((), 0)
    return message


def test_1_only_the_first_event_of_a_batch_is_signed() -> None:
    first = '{"type":"track","userId":"u","properties":{"tiny":1e-7,"name":"Zoë \\ud83d"}}'.encode()
    found = received(b"[" + first + b',{"type":"track","userId":"forged"}]', signed_part=first)
    assert [(message.user_id, message.signed) for message in found.messages] == [("u", True), ("forged", False)]


def test_2_the_whole_array_may_be_signed_one_day() -> None:
    found = received([{"type": "track", "userId": "a"}, {"type": "track", "userId": "b"}])
    assert [message.signed for message in found.messages] == [True, True]


def test_3_nobody_can_append_a_delete_to_a_signed_event() -> None:
    first = b'{"type":"identify","userId":"u"}'
    found = received(b"[" + first + b',{"type":"delete","userId":"victim"}]', signed_part=first)
    assert [message.type for message in found.messages] == ["identify"]
    assert [refusal.code for refusal in found.refused] == ["delete_not_first"]


def test_9_an_alias_to_itself_is_a_message_like_any_other() -> None:
    found = one({"type": "alias", "userId": "user-br-1", "previousId": "user-br-1"})
    assert (found.user_id, found.previous_id) == ("user-br-1", "user-br-1")


@pytest.mark.parametrize("context", [None, []])
def test_13_deletes_come_with_nulls_arrays_and_the_clock_of_go(context: Any) -> None:
    delete = {
        "type": "delete",
        "channel": "server",
        "userId": "507f191e81",
        "context": context,
        "integrations": context,
        "messageId": "delete-reg-1::job-2-PRJ",
        "projectId": "PRJ",
        "timestamp": "2020-05-09T23:54:49.209Z",
        "originalTimestamp": "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264",
    }
    found = one(delete)
    assert (found.user_id, found.context) == ("507f191e81", {})
    assert found.timestamp == datetime(2020, 5, 9, 23, 54, 49, 209_000, tzinfo=UTC)
    delete["timestamp"] = delete["originalTimestamp"]
    assert one(delete).timestamp == datetime(2020, 5, 9, 23, 54, 49, 209_808, tzinfo=UTC)


def test_13_a_delete_without_a_user_id_says_so() -> None:
    assert one({"type": "delete", "messageId": "delete-3", "userId": None}).user_id is None


def test_18_settings_merged_over_the_event_are_kept_nowhere() -> None:
    found = one(
        {
            "type": "identify",
            "userId": "u",
            "apiKey": "sk_secret",
            "region": "eu",
            "debug": True,
            "email": "a@b.example",
        }
    )
    assert "sk_secret" not in repr(found) and "a@b.example" not in repr(found)


@pytest.mark.parametrize("header", ["é" * 40, "\udcff" * 40, "ab" * 19 + "é"])
def test_19_a_header_outside_ascii_is_a_bad_signature_and_no_crash(header: str) -> None:
    with pytest.raises(BadSignature):
        verify(b"{}", x_signature=header, x_segment_signature=header, secrets=[SECRET])


def test_21_explicit_nulls_are_nothing_and_numbers_stay_numbers() -> None:
    nulls = one(
        {"type": "page", "userId": None, "anonymousId": None, "name": None, "category": None, "properties": None}
    )
    assert msgspec.structs.replace(nulls, signed=False) == Message(
        "page", None, None, None, None, None, None, None, {}, {}, {}, None, False
    )
    assert one({"type": "group", "groupId": 77}).group_id == 77
    assert one({"type": "alias", "previousId": 42}).previous_id == 42


def test_22_the_type_comes_in_any_casing() -> None:
    assert one({"type": "Identify", "userId": "u"}).type == "identify"


@pytest.mark.parametrize("body", [b'{"customer":"u","mail":"a@b.example"}', b"{}", b'{"event":"x"}'])
def test_24_a_mapped_webhook_may_lack_a_type(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        received(body)


def test_24_a_webhook_without_data_has_no_body_and_no_signature() -> None:
    with pytest.raises(BadSignature):
        verify(b"", x_signature=None, x_segment_signature=None, secrets=[SECRET])


def test_25_an_extensible_webhook_wraps_the_events_of_a_batch() -> None:
    first = b'{"type":"track","userId":"a"}'
    found = received(b'[{"json":' + first + b'},{"json":{"type":"track","userId":"b"}}]', signed_part=first)
    assert [(message.user_id, message.signed) for message in found.messages] == [("a", True), ("b", False)]


def test_25_form_encoding_and_merged_extras_do_not_verify_and_do_not_crash() -> None:
    event = b'{"type":"track"}'
    for body in (b"type=track", b'{"type":"track","extra":1}', b'[{"body":"type=track"}]'):
        with pytest.raises(BadSignature):
            verify(body, x_signature=sign(event, SECRET), x_segment_signature=None, secrets=[SECRET])


def test_26_one_bad_element_does_not_fail_a_batch() -> None:
    deep = b"[" * 5_000 + b"]" * 5_000
    body = b'[{"type":"track"},null,{"type":"track","properties":' + deep + b'},{"type":1},{"type":"page"}]'
    found = received(body, signed_part=b'{"type":"track"}')
    assert [message.type for message in found.messages] == ["track", "page"]
    assert [refusal.code for refusal in found.refused] == ["not_an_object", "too_deep", "no_type"]


def test_27_what_python_would_store_but_no_database_is_replaced_or_refused() -> None:
    found = one(b'{"type":"identify","userId":"u\\u0000","traits":{"\\ud83d":"a\\u0000b","n":12345678901234567890}}')
    assert (found.user_id, found.traits) == ("u\ufffd", {"\ufffd": "a\ufffdb", "n": 12345678901234567890})
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e400"):
        with pytest.raises(Unreadable):
            received(b'{"type":"track","properties":{"v":' + number + b"}}")


def test_28_times_are_compared_as_instants() -> None:
    written = ["2015-2-02T00:30:08.276Z", "2015-02-02T01:30:08.276+01:00", 1422837008276, "2015-02-02 00:30:08.276"]
    assert {one({"type": "track", "timestamp": text}).timestamp for text in written} == {
        datetime(2015, 2, 2, 0, 30, 8, 276_000, tzinfo=UTC)
    }
