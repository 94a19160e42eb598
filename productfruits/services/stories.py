"""Recorded Segment messages to send again: lines of JSON become the bodies of requests.

A line is a message, an array of messages (a batch), or a record of a collection: {"payload": …}, {"body": …},
{"body_b64": …} with the exact bytes, or {"requests": [{"body": …}, …]}.
"""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from productfruits.errors import ProductFruitsError
from productfruits.segment import timestamps

TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


class BadLine(ProductFruitsError):
    """A line is no Segment message."""


@dataclass(frozen=True, slots=True)
class Story:
    """The bodies of some requests in order, and how many records were left out because they use another door."""

    bodies: tuple[bytes, ...]
    left_out: int


def read(lines: Iterable[str]) -> Story:
    """The requests that the lines hold; empty lines are skipped. Raises `BadLine` with the line's number."""
    bodies: list[bytes] = []
    left_out = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            # Everything stays as it was written (1e400, NaN) until the server judges it.
            record = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise BadLine(
                f"Line {number} is not JSON ({err}). Each line must be one Segment message, or an array of messages."
            ) from err
        for body in _bodies(record, line.strip(), number):
            if body is None:
                left_out += 1
            else:
                bodies.append(body)
    return Story(tuple(bodies), left_out)


def shifted(lines: Iterable[str], now: dt.datetime) -> Iterator[str]:
    """The same lines with their times moved together so that the newest is a minute before `now`."""
    records = [json.loads(line) for line in lines if line.strip()]
    messages = [message for record in records for message in (record if isinstance(record, list) else [record])]
    newest = max(at for message in messages for key in TIMES if (at := timestamps.parse(message.get(key))) is not None)
    by = now - dt.timedelta(minutes=1) - newest
    for message in messages:
        for key in TIMES:
            if (at := timestamps.parse(message.get(key))) is not None:
                message[key] = (at + by).isoformat(timespec="milliseconds")[:-6] + "Z"
    for record in records:
        yield json.dumps(record, ensure_ascii=False)


def _bodies(record: Any, line: str, number: int) -> Iterator[bytes | None]:
    if isinstance(record, list) or (isinstance(record, dict) and "type" in record):
        yield _encoded(line)
    elif isinstance(record, dict) and isinstance(record.get("requests"), list):
        for request in record["requests"]:
            yield _recorded(request, number)
    elif isinstance(record, dict) and record.keys() & {"payload", "body", "body_b64"}:
        yield _recorded(record, number)
    else:
        raise BadLine(
            f"Line {number} holds no Segment message. Each line must be one message (an object with a type), or an "
            "array of messages."
        )


def _recorded(record: Any, number: int) -> bytes | None:
    """The body of a recorded request, or None if it was not one to the webhook."""
    if not isinstance(record, dict) or record.get("via", "webhook") != "webhook" or "path" in record:
        return None
    if isinstance(text := record.get("body_b64"), str):
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as err:
            raise BadLine(f"Line {number}: body_b64 is not base64 ({err}).") from err
    body = record.get("payload", record.get("body"))
    return _encoded(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def _encoded(text: str) -> bytes:
    # A lone surrogate has no UTF-8 form; JSON's own escape is how it travels.
    return text.encode("utf-8") if _is_clean(text) else json.dumps(json.loads(text)).encode()


def _is_clean(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
