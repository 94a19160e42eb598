"""Whether a request is from Segment. The golden vectors are bytes that Node signed: see tests/vectors/make.mjs."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from productfruits.segment.signature import BadSignature, Signed, sign, verify

VECTORS = Path(__file__).parents[2] / "vectors"
INDEX: dict[str, dict[str, Any]] = json.loads((VECTORS / "index.json").read_text("utf-8"))

SECRET = b"whs_one"
BODY = b'{"type":"track","userId":"u-1","event":"Opened"}'
GOOD = sign(BODY, SECRET)


def vector(name: str) -> tuple[bytes, dict[str, Any]]:
    return (VECTORS / f"{name}.body").read_bytes(), INDEX[name]


def verified(body: bytes, entry: dict[str, Any], secrets: list[bytes]) -> Signed:
    headers: dict[str, str | None] = {"x_signature": None, "x_segment_signature": None}
    headers[entry["header"]] = entry["signature"]
    return verify(body, **headers, secrets=secrets)


def test_it_has_an_index_entry_for_every_vector() -> None:
    assert {path.stem for path in VECTORS.glob("*.body")} == set(INDEX)


@pytest.mark.parametrize("name", INDEX)
def test_it_accepts_what_segment_signs(name: str) -> None:
    body, entry = vector(name)
    assert verified(body, entry, [entry["secret"].encode()]) == Signed(0, entry["covers"])


@pytest.mark.parametrize("name", INDEX)
def test_it_refuses_a_vector_under_another_secret(name: str) -> None:
    body, entry = vector(name)
    with pytest.raises(BadSignature):
        verified(body, entry, [b"whs_other", entry["secret"].encode()[:-1], entry["secret"].encode() + b"\n"])


@pytest.mark.parametrize("name", [name for name in INDEX if INDEX[name]["covers"] == "body"])
def test_it_refuses_a_body_with_one_bit_changed(name: str) -> None:
    body, entry = vector(name)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(BadSignature):
            verified(changed, entry, [entry["secret"].encode()])


@pytest.mark.parametrize(
    ("name", "ensure_ascii"),
    [
        ("unicode", True),
        ("small_number", True),
        ("small_number", False),
        ("lone_surrogate", True),
        ("lone_surrogate", False),
        ("batch_unicode_first", True),
        ("batch_lone_surrogate_first", False),
        ("batch_small_number_first", False),
    ],
)
def test_it_would_fail_on_json_printed_again(name: str, ensure_ascii: bool) -> None:
    # Why the raw bytes are verified: Python prints other JSON than JavaScript for the same value.
    body, entry = vector(name)
    printed = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=ensure_ascii)
    with pytest.raises(BadSignature):
        verified(printed.encode("utf-8", "surrogatepass"), entry, [entry["secret"].encode()])


GARBAGE_HEADERS: dict[str, str | None] = {
    "absent": None,
    "empty": "",
    "blank": " ",
    "doubled": f"{GOOD}, {GOOD}",
    "doubled without a blank": f"{GOOD},{GOOD}",
    "truncated": GOOD[:-1],
    "one too long": GOOD + "0",
    "prefixed": f"sha1={GOOD}",
    "prefixed in capitals": f"SHA1={GOOD}",
    "quoted": f'"{GOOD}"',
    "led by a blank": f" {GOOD}",
    "followed by a line end": f"{GOOD}\n",
    "split over lines": f"{GOOD[:20]}\r\n {GOOD[20:]}",
    "in hex digits of another script": GOOD.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)}),
    "in full width": "".join(chr(ord(letter) + 0xFEE0) for letter in GOOD),
    "not ASCII": "é" * 40,
    "half a surrogate pair": "\ud83d" * 40,
    "with a NUL": GOOD[:39] + "\0",
    "not hex": "z" * 40,
    "zeros": "0" * 40,
    "60 KiB": "a" * 61_440,
    "the right one 1,500 times": GOOD * 1_500,
    "base64": "L9ThxnotKPzthJ7hu3bnORuT6xI=",
    "SHA-256": hmac.digest(SECRET, BODY, "sha256").hex(),
    "SHA-256 cut to forty digits": hmac.digest(SECRET, BODY, "sha256").hex()[:40],
    "MD5": hmac.digest(SECRET, BODY, "md5").hex(),
    "no key": sign(BODY, b""),
    "the key 'undefined'": sign(BODY, b"undefined"),
    "the key 'null'": sign(BODY, b"null"),
    "of other bytes": sign(BODY + b" ", SECRET),
    "of a blank": sign(b" ", SECRET),
    "the secret itself": SECRET.decode(),
    "backwards": GOOD[::-1],
    "Standard Webhooks": f"v1,{GOOD}",
}


@pytest.mark.parametrize("header", ["x_signature", "x_segment_signature"])
@pytest.mark.parametrize("garbage", GARBAGE_HEADERS)
@pytest.mark.parametrize("body", [BODY, b"[" + BODY + b"," + BODY + b"]", b"", b"[", b"\xff\xfe"])
def test_it_refuses_garbage_in_a_header_and_never_raises_anything_else(garbage: str, header: str, body: bytes) -> None:
    headers: dict[str, str | None] = {"x_signature": None, "x_segment_signature": None}
    headers[header] = GARBAGE_HEADERS[garbage]
    with pytest.raises(BadSignature):
        verify(body, **headers, secrets=[SECRET, b"whs_two"])


def test_it_refuses_a_header_that_is_no_text_at_all() -> None:
    nonsense: Any = GOOD.encode()
    with pytest.raises(BadSignature):
        verify(BODY, x_signature=nonsense, x_segment_signature=None, secrets=[SECRET])


def test_it_takes_the_header_in_capitals() -> None:
    assert verify(BODY, x_signature=GOOD.upper(), x_segment_signature=None, secrets=[SECRET]) == Signed(0, "body")


def test_it_takes_one_good_header_beside_a_bad_one() -> None:
    assert verify(BODY, x_signature="nonsense", x_segment_signature=GOOD, secrets=[SECRET]) == Signed(0, "body")
    assert verify(BODY, x_signature=GOOD, x_segment_signature="nonsense", secrets=[SECRET]) == Signed(0, "body")
    assert verify(BODY, x_signature=GOOD, x_segment_signature="0" * 40, secrets=[SECRET]) == Signed(0, "body")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_it_tells_which_live_secret_signed(place: int) -> None:
    secrets = [b"whs_old", b"whs_new", b"whs_newest"]
    signature = sign(BODY, secrets[place])
    assert verify(BODY, x_signature=signature, x_segment_signature=None, secrets=secrets) == Signed(place, "body")


def test_it_refuses_everything_when_no_secret_is_live() -> None:
    with pytest.raises(BadSignature):
        verify(BODY, x_signature=GOOD, x_segment_signature=None, secrets=[])


def test_it_never_takes_an_empty_secret_for_a_secret() -> None:
    with pytest.raises(BadSignature):
        verify(BODY, x_signature=sign(BODY, b""), x_segment_signature=None, secrets=[b"", SECRET])


def test_it_signs_as_node_does() -> None:
    body, entry = vector("unicode")
    assert sign(body, entry["secret"].encode()) == entry["signature"]


class TestBatches:
    """Of an array, X-Signature covers the first element only: gotcha 1 to 3."""

    def test_it_takes_forged_elements_behind_a_signed_one_but_says_so(self) -> None:
        body = b"[" + BODY + b',{"type":"delete","userId":"victim"}]'
        assert verify(body, x_signature=GOOD, x_segment_signature=None, secrets=[SECRET]).covers == "first"

    @pytest.mark.parametrize("place", [1, 2])
    def test_it_refuses_an_array_whose_signed_element_is_not_the_first(self, place: int) -> None:
        parts = [b'{"type":"delete","userId":"victim"}'] * 3
        parts[place] = BODY
        with pytest.raises(BadSignature):
            verify(
                b"[" + b",".join(parts) + b"]", x_signature=GOOD, x_segment_signature=None, secrets=[SECRET, b"whs_two"]
            )

    def test_it_takes_the_segment_header_over_the_whole_body_only(self) -> None:
        body = b"[" + BODY + b"," + BODY + b"]"
        with pytest.raises(BadSignature):
            verify(body, x_signature=None, x_segment_signature=GOOD, secrets=[SECRET])
        whole = sign(body, SECRET)
        assert verify(body, x_signature=None, x_segment_signature=whole, secrets=[SECRET]) == Signed(0, "body")

    def test_it_says_body_when_both_headers_fit(self) -> None:
        body = b"[" + BODY + b"," + BODY + b"]"
        signed = verify(body, x_signature=GOOD, x_segment_signature=sign(body, SECRET), secrets=[SECRET])
        assert signed == Signed(0, "body")

    def test_it_falls_back_to_the_first_element_when_the_segment_header_is_wrong(self) -> None:
        body = b"[" + BODY + b"," + BODY + b"]"
        signed = verify(body, x_signature=GOOD, x_segment_signature=sign(body, b"whs_old"), secrets=[SECRET])
        assert signed == Signed(0, "first")

    @pytest.mark.parametrize(
        "body",
        [
            b" [" + BODY + b"]",
            b"\xef\xbb\xbf\r\n\t [ \n" + BODY + b" \t, {} ]\n",
            b"[" + BODY + b"]",
            b"[" + BODY,  # cut short: the reader refuses it, the signature still fits what it covers
        ],
    )
    def test_it_cuts_the_first_element_whatever_stands_around_it(self, body: bytes) -> None:
        assert verify(body, x_signature=GOOD, x_segment_signature=None, secrets=[SECRET]) == Signed(0, "first")

    def test_it_does_not_take_blanks_into_the_first_element(self) -> None:
        with pytest.raises(BadSignature):
            verify(
                b"[" + BODY + b" ]", x_signature=sign(BODY + b" ", SECRET), x_segment_signature=None, secrets=[SECRET]
            )

    def test_it_does_not_cut_anything_out_of_an_object(self) -> None:
        with pytest.raises(BadSignature):
            verify(b'{"batch":[' + BODY + b"]}", x_signature=GOOD, x_segment_signature=None, secrets=[SECRET])

    @pytest.mark.parametrize("wrapper", [b'[{"json":%s,"x":1}]', b'[{"json":%s},"x"', b'[{"body":%s}]', b"[[%s]]"])
    def test_it_unwraps_only_what_is_exactly_one_wrapped_event(self, wrapper: bytes) -> None:
        body = wrapper % BODY
        if body.startswith(b'[{"json":') and b'"x":1' not in body:
            assert verify(body, x_signature=GOOD, x_segment_signature=None, secrets=[SECRET]).covers == "first"
        else:
            with pytest.raises(BadSignature):
                verify(body, x_signature=GOOD, x_segment_signature=None, secrets=[SECRET])

    @pytest.mark.parametrize(
        "hostile",
        [
            b"[" * 1_048_576,
            b"[{" * 524_288,
            b"[" + b"{" * 1_048_575,
            b'[{"' + b"\\" * 1_048_570,
            b'[{"' + b'\\"' * 524_280,
            b'[{"' + b"a" * 1_048_570,
            b"[{" + b'"' * 1_048_570,
            b"[{" + b'"a"' * 349_520,
            b"[{" + b"[]" * 524_280,
            b" " * 1_048_576,
            b"[" + b" " * 1_048_576,
            b"\xef\xbb\xbf" * 349_525,
            b"\x00" * 1_048_576,
            b"[{" + b"}" * 1_048_570,
            b"[{" + b"]" * 1_048_570,
        ],
        ids=lambda body: f"{bytes(body[:6])!r}...{bytes(body[-2:])!r}",
    )
    def test_it_refuses_hostile_bodies_of_a_mebibyte(self, hostile: bytes) -> None:
        with pytest.raises(BadSignature):
            verify(hostile, x_signature="ab" * 20, x_segment_signature="cd" * 20, secrets=[SECRET])
