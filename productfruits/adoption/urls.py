"""Addresses in rules: is, contains and glob. The snippet has the same rule in static/snippet; tests/vectors holds both.

An address has three parts: up to the first "?" or "#", the query, and the fragment. A part that the rule does not
write (no "?", no "#") is not looked at. A rule that begins with "/" speaks of the path, not of the host. In a glob `*`
is any run of characters within its part, and nothing else is special. Time is linear in what is compared.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

# Everything but spaces, quotes and what is outside ASCII: what is encoded already stays.
_KEPT: Final = "%!#$&'()*+,/:;=?@[]~^`{|}\\"


def as_a_browser_writes(text: str) -> str:
    """`text` with what no browser shows in `location.href` in the form that it shows."""
    return quote(text, safe=_KEPT)


def matches(op: str, value: str, url: str) -> bool:
    """Tell whether the address of a page (`location.href`) is what a rule speaks of."""
    if op == "contains":
        return value in url
    (address, *more), (found, *rest) = _parts(value), _parts(url)
    if value.startswith("/"):
        found = _path(found)
    if op == "is":
        return _plain(address) == _plain(found) and _all(str.__eq__, more, rest)
    return _glob(address, found) and _all(_glob, more, rest)


def _parts(url: str) -> tuple[str, str | None, str | None]:
    """Address, query and fragment; None where there is not even the mark."""
    rest, hash_mark, fragment = url.partition("#")
    address, question_mark, query = rest.partition("?")
    return address, query if question_mark else None, fragment if hash_mark else None


def _path(address: str) -> str:
    """What follows the host."""
    _, has_host, rest = address.partition("://")
    if not has_host:
        return address
    slash = rest.find("/")
    return "/" if slash < 0 else rest[slash:]


def _all(compare: Callable[[str, str], bool], wanted: list[str | None], found: list[str | None]) -> bool:
    return all(part is None or compare(part, other or "") for part, other in zip(wanted, found, strict=True))


def _plain(part: str) -> str:
    """A slash at the end says nothing."""
    return part[:-1] if part.endswith("/") else part


def _glob(pattern: str, text: str) -> bool:
    first, *others = pattern.split("*")
    if not others:
        return pattern == text
    last = others.pop()
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in others:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
