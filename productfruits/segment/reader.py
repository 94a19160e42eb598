"""From the bytes of a request to JSON values that every store takes and no sender can break us with.

The fast reader is msgspec. What it refuses (a byte order mark, a lone surrogate, an enormous number, great depth) goes
once more through a tolerant reader built on the standard library, whose answer is the answer.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec

from productfruits.errors import ProductFruitsError
from productfruits.segment import slices

DEPTH_LIMIT = 64
KEY_LIMIT = 10_000
# Segment's Webhooks (Actions) destination sends at most this many events at once.
ELEMENT_LIMIT = 4_000
# Python refuses to convert longer ones to text and back, and would fail again when the value is stored.
INTEGER_DIGITS = 4_300

# Ten thousand different keys cannot be written in fewer bytes: `"":1,` is five of them.
_BYTES_OF_MANY_KEYS = KEY_LIMIT * 5
# Past this many commas the array is split by the reader that can stop early: a slice costs a hundred bytes of memory.
COMMAS_TO_SPLIT_AT_ONCE = 500_000
_BRACKET, _BACKSLASH = b"[\\"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNSTORABLE = dict.fromkeys([0, *range(0xD800, 0xE000)], _REPLACEMENT)
# Who erases or merges must have said one thing: with a key given twice two readers could see two different people.
_STRICT_TYPES = ("delete", "alias")
_LENIENT_TYPES = ("track", "identify", "page", "screen", "group")

WORDS = {
    "invalid_json": "The body is no valid JSON in UTF-8, so no event could be read from it. Send one event as a JSON "
    "object, or several as a JSON array.",
    "not_object_or_array": "The body is JSON, but neither an object nor an array, so there is no event in it. Send one "
    "event as an object, or several as an array.",
    "number_out_of_range": "A number is too large for any receiver to keep. Send it as a string.",
    "too_deep": f"The event nests more than {DEPTH_LIMIT} levels deep. Send flatter properties.",
    "too_many_keys": f"The event has more than {KEY_LIMIT:,} keys. Send fewer properties.",
    "batch_too_large": f"The array holds more than {ELEMENT_LIMIT:,} events. Lower the batch size in Segment.",
    "not_one_event": "This address takes one event as a JSON object. Send several to /v1/batch.",
    "no_batch": "The body is a JSON object without an array named `batch`. Send several events as "
    '{"batch": [...]}, or one event to the path of its type.',
    "duplicate_key": "A delete or alias names one of its keys twice, so it is not certain whom it means. Send each key "
    "once.",
}


class Unreadable(ProductFruitsError):
    """The body could not be read as Segment events."""

    def __init__(self, code: str) -> None:
        super().__init__(WORDS[code])
        self.code = code
        self.status = 413 if code == "batch_too_large" else 400


class Element(msgspec.Struct, frozen=True, gc=False):
    """One value of the body. `problem` is a code of WORDS and `detail` its sentence; the value is None then."""

    value: Any
    problem: str | None = None
    detail: str | None = None


class Body(msgspec.Struct, frozen=True, gc=False):
    """What a request carries; an object is one element."""

    is_array: bool
    elements: tuple[Element, ...]


class Refused(Exception):
    """Carries the code of one element's problem out of the decoding."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(body: bytes, kind: str | None = None) -> Body:
    """The elements of a body. Raises Unreadable if there is nothing to keep in it.

    A key given twice takes its last value. NUL and lone surrogates become U+FFFD, in keys as in values. Integers keep
    all their digits; above 4,300 of them they come as text. In an array a bad element spoils only itself, as long as
    the array is JSON at all. `kind` is the type of a single event where the body need not say it.
    """
    return _read(body, _fast_slices, fast_value, kind)


def read_tolerantly(body: bytes, kind: str | None = None) -> Body:
    """The same answer as `read`, without the fast reader: what every body the fast one can read is held to."""
    return _read(body, tolerant_slices, tolerant_value, kind)


def array_of(raws: Sequence[bytes], decode: Callable[[bytes], Any]) -> Body:
    if len(raws) > ELEMENT_LIMIT:
        raise Unreadable("batch_too_large")
    return Body(True, tuple([element_of(raw, decode, True) for raw in raws]))


def _read(body: bytes, split: Callable[[bytes], list[bytes]], decode: Callable[[bytes], Any], kind: str | None) -> Body:
    body = body.removeprefix(slices.BOM)
    start = body.lstrip(b" \t\n\r")[:1]
    if start == b"[":
        return array_of(split(body), decode)
    element = element_of(body, decode, False, kind)
    if start != b"{":
        raise Unreadable("not_object_or_array")
    if element.problem is not None and element.problem != "duplicate_key":
        raise Unreadable(element.problem)
    return Body(False, (element,))


def element_of(raw: bytes, decode: Callable[[bytes], Any], in_array: bool, kind: str | None = None) -> Element:
    try:
        value = decode(raw)
        if type(value) is dict:
            # Extensible Webhook batches wrap every event: [{"json": {...}}, ...].
            is_wrapped = in_array and len(value) == 1 and type(value.get("json")) is dict
            if is_wrapped:
                value = value["json"]
            kind = kind or value.get("type")
            if kind not in _LENIENT_TYPES and type(kind) is str and kind.lower() in _STRICT_TYPES:
                _refuse_double_keys(raw, is_wrapped)
    except Refused as refused:
        return Element(None, refused.code, WORDS[refused.code])
    return Element(value)


def _fast_slices(body: bytes) -> list[bytes]:
    if body.count(b",") <= COMMAS_TO_SPLIT_AT_ONCE:
        try:
            return [bytes(raw) for raw in _split(body)]
        except (ValueError, RecursionError):
            pass
    return tolerant_slices(body)


def tolerant_slices(body: bytes) -> list[bytes]:
    raws = slices.elements(body, ELEMENT_LIMIT)
    if raws is None:
        raise Unreadable("invalid_json")
    return raws


def fast_value(raw: bytes) -> Any:
    try:
        value = _decode(raw)
    except (ValueError, RecursionError):
        return tolerant_value(raw)
    # Cheap signs that something is to be measured or replaced; an integer is the fastest thing to look for in bytes.
    opened = raw.count(b"{") + (raw.count(b"[") if _BRACKET in raw else 0)
    if (
        opened > DEPTH_LIMIT
        or (len(raw) > _BYTES_OF_MANY_KEYS and raw.count(b":") > KEY_LIMIT)
        or (_BACKSLASH in raw and b"\\u0000" in raw)
    ):
        return _Walk().storable(value, 1)
    return value


def tolerant_value(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode("utf-8"), parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant)
    except RecursionError:
        raise Refused("too_deep") from None
    except ValueError as err:
        raise Unreadable("invalid_json") from err
    return _Walk().storable(value, 1)


class _Walk:
    """One pass over a decoded value: measures it, and makes its text storable."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys = 0

    def storable(self, value: Any, depth: int) -> Any:
        if type(value) is str:
            return _storable_text(value)
        if type(value) is dict:
            self._count(depth, len(value))
            return {_storable_text(key): self.storable(inner, depth + 1) for key, inner in value.items()}
        if type(value) is list:
            self._count(depth, 0)
            return [self.storable(inner, depth + 1) for inner in value]
        return value

    def _count(self, depth: int, keys: int) -> None:
        self.keys += keys
        if depth > DEPTH_LIMIT:
            raise Refused("too_deep")
        if self.keys > KEY_LIMIT:
            raise Refused("too_many_keys")


def _storable_text(text: str) -> str:
    # PostgreSQL takes no NUL in text and jsonb, and no driver encodes half a surrogate pair.
    return text if text.isascii() and "\0" not in text else text.translate(_UNSTORABLE)


def _integer(digits: str) -> int | str:
    if len(digits) > INTEGER_DIGITS + digits.startswith("-"):
        return digits
    try:
        return int(digits)
    except ValueError:  # PYTHONINTMAXSTRDIGITS was set lower on this machine
        return digits


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Refused("number_out_of_range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse_double_keys(raw: bytes, is_wrapped: bool) -> None:
    """Raises for a key given twice on the top level of an event that was already read once."""
    # Objects as tuples of pairs, so that they can be told from arrays and show every key.
    pairs = json.loads(raw.decode("utf-8"), parse_int=str, object_pairs_hook=tuple)
    levels = [pairs, *(inner for key, inner in pairs if is_wrapped and key == "json")]
    for level in levels:
        keys = [_storable_text(key) for key, _ in level]
        if len(set(keys)) < len(keys):
            raise Refused("duplicate_key")
