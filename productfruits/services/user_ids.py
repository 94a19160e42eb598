"""Ids of users: UUID version 7 (RFC 9562, section 5.7) as 32 hex digits, so that their order is that of creation."""

import os
import time
import uuid

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def new() -> str:
    """A fresh id. Made here and not by the store, so that a group of messages needs no round trip for it."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    high = (noise >> 62) & 0xFFF
    low = noise & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | _VERSION | high << 64 | _VARIANT | low).hex
