"""Bodies that came compressed, inflated up to a limit and never past it."""

import zlib

from productfruits.errors import ProductFruitsError

ENCODINGS = ("gzip", "x-gzip")
#: zlib's number for "with a gzip header".
_GZIP = zlib.MAX_WBITS | 16


class NotGzip(ProductFruitsError):
    """The body says that it is compressed with gzip, and cannot be inflated. Send it again, or send it as it is."""


class InflatesTooFar(ProductFruitsError):
    """The body inflates to more than this server takes at once."""


def inflate(body: bytes, at_most: int) -> bytes:
    """What the gzip body holds. Raises `NotGzip`, or `InflatesTooFar` without having made more than `at_most` of it."""
    parts: list[bytes] = []
    room = at_most
    while body:
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(body, room + 1)
        except zlib.error as err:
            raise NotGzip() from err
        room -= len(part)
        if room < 0:
            raise InflatesTooFar()
        if not member.eof:
            raise NotGzip()
        parts.append(part)
        body = member.unused_data
    if not parts:
        raise NotGzip()
    return b"".join(parts)
