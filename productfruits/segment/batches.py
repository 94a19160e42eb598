"""Batches of SDKs: `{"batch": [...]}` with what is said of all events around them.

Read as an array of the reader is, and with the same two readers: the fast one, and the tolerant one whose answer is the
answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from productfruits.segment import slices
from productfruits.segment.reader import (
    COMMAS_TO_SPLIT_AT_ONCE,
    Body,
    Refused,
    Unreadable,
    array_of,
    element_of,
    fast_value,
    tolerant_slices,
    tolerant_value,
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A batch of an SDK: an object around an array of events. `fields` are those of ENVELOPE that could be read."""

    body: Body
    fields: Mapping[str, Any]


#: What a batch says about all of its events.
ENVELOPE = ("type", "context", "sentAt", "writeKey")

_NOTHING = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct, rename="camel"):
    """The same for the fast"""

    batch: list[msgspec.Raw]
    type: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING
    sent_at: msgspec.Raw = _NOTHING
    write_key: msgspec.Raw = _NOTHING


_open = msgspec.json.Decoder(_Envelope).decode


def read(body: bytes) -> Envelope:
    """The events of a batch as the reader gives those of an array. Raises Unreadable if there is no batch."""
    return _read(body, _fast_members, fast_value)


def read_tolerantly(body: bytes) -> Envelope:
    """The same answer as `read`, without the fast"""
    return _read(body, _tolerant_members, tolerant_value)


def _read(
    body: bytes,
    open_envelope: Callable[[bytes], tuple[list[bytes], Mapping[str, bytes]]],
    decode: Callable[[bytes], Any],
) -> Envelope:
    raws, around = open_envelope(body.removeprefix(slices.BOM))
    fields = {name: element_of(around[name], decode, False).value for name in ENVELOPE if name in around}
    return Envelope(array_of(raws, decode), fields)


def _fast_members(body: bytes) -> tuple[list[bytes], Mapping[str, bytes]]:
    if body.count(b",") <= COMMAS_TO_SPLIT_AT_ONCE:
        try:
            opened = _open(body)
        except (ValueError, RecursionError):
            pass
        else:
            around = (opened.type, opened.context, opened.sent_at, opened.write_key)
            return [bytes(raw) for raw in opened.batch], dict(zip(ENVELOPE, map(bytes, around), strict=True))
    return _tolerant_members(body)


def _tolerant_members(body: bytes) -> tuple[list[bytes], Mapping[str, bytes]]:
    members = slices.members(body)
    if members is None:
        raise Unreadable("no_batch" if body.lstrip(b" \t\n\r")[:1] != b"{" and _is_json(body) else "invalid_json")
    batch = members.get("batch", b"")
    if not batch.startswith(b"["):
        raise Unreadable("no_batch" if _is_json(body) else "invalid_json")
    return tolerant_slices(batch), members


def _is_json(body: bytes) -> bool:
    try:
        tolerant_value(body)
    except Refused:
        return True
    except Unreadable:
        return False
    return True
