"""The load must be what Segment sends, and never the same twice: else a pass measures something cheaper."""

import base64
import hashlib
import hmac
import json

from bench.payloads import BATCH_SIZE, EXISTING_SHARE, Endpoint, Request, Traffic, batch, single, tracked

ENDPOINT = Endpoint("/webhooks/segment/token", b"a secret of the connection")


def parts(request: Request) -> tuple[dict[str, str], bytes]:
    head, _, body = request.wire.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


def signature(covered: bytes) -> str:
    return hmac.new(ENDPOINT.secret, covered, hashlib.sha1).hexdigest()


def test_it_signs_the_whole_body_of_a_single_message() -> None:
    (message,) = Traffic(seed=1, known=10).take(1)

    headers, body = parts(single(ENDPOINT, message))

    assert body == message.raw
    assert headers["x-signature"] == signature(body)
    assert int(headers["content-length"]) == len(body)


def test_it_signs_the_first_element_of_a_batch_alone() -> None:
    messages = Traffic(seed=1, known=10).take(3)

    headers, body = parts(batch(ENDPOINT, messages))

    assert [element["messageId"] for element in json.loads(body)] == [message.message_id for message in messages]
    assert headers["x-signature"] == signature(messages[0].raw)
    assert int(headers["content-length"]) == len(body)


def test_a_batch_of_an_sdk_carries_the_write_key_and_no_signature() -> None:
    messages = Traffic(seed=1, known=10).take(3)

    headers, body = parts(tracked(Endpoint("", b"", "key_1"), messages))

    assert headers["authorization"] == "Basic " + base64.b64encode(b"key_1:").decode()
    assert "x-signature" not in headers
    assert [element["messageId"] for element in json.loads(body)["batch"]] == [each.message_id for each in messages]
    assert int(headers["content-length"]) == len(body)


def test_no_message_comes_twice_from_one_stream() -> None:
    traffic = Traffic(seed=1, known=10)

    requests = traffic.singles(ENDPOINT, 300) + traffic.batches(ENDPOINT, 2)

    ids = [message_id for request in requests for message_id in request.message_ids]
    assert len(ids) == len(set(ids)) == 300 + 2 * BATCH_SIZE


def test_about_a_third_of_the_messages_comes_from_known_users() -> None:
    known = sum(json.loads(message.raw)["userId"].startswith("known-") for message in Traffic(3, 50).take(4_000))

    assert abs(known / 4_000 - EXISTING_SHARE) < 0.04


def test_a_message_is_about_as_long_as_a_real_browser_message() -> None:
    sizes = [len(message.raw) for message in Traffic(seed=2, known=50).take(500)]

    assert 1_200 < sum(sizes) / len(sizes) < 1_350


def test_every_hot_message_brings_a_trait_key_of_its_own() -> None:
    stream = Traffic(seed=4, known=5).hot(users=5, count=60)

    assert len({key for _, key, _ in stream}) == 60
    for user, key, message in stream:
        sent = json.loads(message.raw)
        assert sent["userId"] == f"hot-{user}"
        assert key in sent["traits"]
