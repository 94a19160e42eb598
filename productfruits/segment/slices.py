"""Where a JSON value begins and ends, found on the raw bytes without parsing them.

Nothing here decodes more than a key, recurses or trusts the body: the work is linear in its length, whatever it holds.
What is cut may still be no JSON; the reader says so afterwards.
"""

import json
import re

BOM = b"\xef\xbb\xbf"
# Segment takes events of 32 KB; a first element larger than the body limit of a single event is nobody's event.
FIRST_ELEMENT_BYTES = 1024 * 1024

_BLANKS = re.compile(rb"[ \t\n\r]*")
_ARRAY_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r]*\[[ \t\n\r]*")
_OBJECT_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r]*\{[ \t\n\r]*")
# Group 1: a string met a backslash; 2: brackets open; 3: brackets close. A plain string matches no group.
# Runs of brackets are one match, so that a body of nothing but brackets costs one step and not a million.
_MARK = re.compile(rb'"[^"\\]*(?:"|(\\)|\Z)|([\[{]+)|([\]}]+)')
# Bounded, because the regex engine keeps a record of every repetition of a group.
_STRING_PIECES = re.compile(rb'(?:[^"\\]+|\\.){0,1000}', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:"\[\]{}]+')
_WRAPPED_START = b'{"json":{'


def first_element(body: bytes) -> bytes | None:
    """The exact bytes of the first element of an array body, if that element is an object; else None."""
    start = _ARRAY_START.match(body)
    if start is None or body[start.end() : start.end() + 1] != b"{":
        return None
    end = value_end(body, start.end(), min(len(body), start.end() + FIRST_ELEMENT_BYTES))
    return None if end is None else body[start.end() : end]


def unwrapped(element: bytes) -> bytes | None:
    """The event inside an element `{"json":<event>}`, the form in which Extensible Webhook batches carry events."""
    if element.startswith(_WRAPPED_START) and element.endswith(b"}}"):
        return element[len(_WRAPPED_START) - 1 : -1]
    return None


def elements(body: bytes, at_most: int) -> list[bytes] | None:
    """The exact bytes of every element of an array body, or None if it is no array.

    Stops after `at_most` + 1 elements: a longer list means that there were too many.
    """
    start = _ARRAY_START.match(body)
    if start is None:
        return None
    at = start.end()
    found: list[bytes] = []
    if body[at : at + 1] == b"]":
        return found if _only_blanks_after(body, at + 1) else None
    while True:
        end = value_end(body, at, len(body))
        if end is None:
            return None
        found.append(body[at:end])
        if len(found) > at_most:
            return found
        at = _after_blanks(body, end)
        separator = body[at : at + 1]
        if separator == b"]":
            return found if _only_blanks_after(body, at + 1) else None
        if separator != b",":
            return None
        at = _after_blanks(body, at + 1)


def members(body: bytes) -> dict[str, bytes] | None:
    """The exact bytes of every value of an object body by its key, or None if it is no object.

    Of a key given twice the last value counts.
    """
    start = _OBJECT_START.match(body)
    if start is None:
        return None
    at = start.end()
    found: dict[str, bytes] = {}
    if body[at : at + 1] == b"}":
        return found if _only_blanks_after(body, at + 1) else None
    while True:
        key_end = value_end(body, at, len(body)) if body[at : at + 1] == b'"' else None
        if key_end is None:
            return None
        colon = _after_blanks(body, key_end)
        if body[colon : colon + 1] != b":":
            return None
        value = _after_blanks(body, colon + 1)
        end = value_end(body, value, len(body))
        if end is None:
            return None
        try:
            found[json.loads(body[at:key_end].decode())] = body[value:end]
        except ValueError:
            return None
        at = _after_blanks(body, end)
        separator = body[at : at + 1]
        if separator == b"}":
            return found if _only_blanks_after(body, at + 1) else None
        if separator != b",":
            return None
        at = _after_blanks(body, at + 1)


def value_end(body: bytes, start: int, stop: int) -> int | None:
    """The position behind the JSON value that begins at `start`, or None if it does not end before `stop`."""
    lead = body[start : start + 1]
    if lead == b'"':
        return _string_end(body, start + 1, stop)
    if lead not in (b"{", b"["):
        scalar = _SCALAR.match(body, start, stop)
        return None if scalar is None else scalar.end()
    depth = 0
    at = start
    while at < stop:
        for mark in _MARK.finditer(body, at, stop):
            group = mark.lastindex
            if group is None:
                continue
            if group == 2:
                depth += mark.end() - mark.start()
            elif group == 3:
                run = mark.end() - mark.start()
                if run >= depth:
                    return mark.start() + depth
                depth -= run
            else:
                # The escape takes the next byte with it, whatever it is; the search goes on behind this string.
                end = _string_end(body, mark.end() - 1, stop)
                if end is None:
                    return None
                at = end
                break
        else:
            return None
    return None


def _string_end(body: bytes, at: int, stop: int) -> int | None:
    """The position behind the closing quote of the string that `at` is inside of."""
    while True:
        pieces = _STRING_PIECES.match(body, at, stop)
        end = at if pieces is None else pieces.end()
        if end >= stop:
            return None
        if body[end] == 0x22:
            return end + 1
        if end == at:  # a lone backslash at the very end
            return None
        at = end


def _after_blanks(body: bytes, at: int) -> int:
    blanks = _BLANKS.match(body, at)
    return at if blanks is None else blanks.end()


def _only_blanks_after(body: bytes, at: int) -> bool:
    return _after_blanks(body, at) == len(body)
