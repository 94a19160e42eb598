"""The log: one line an event, nothing secret or personal in it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from productfruits import logs
from productfruits.config import Settings

SECRET = "whs_Km5YI1u6RQfAykXkslNSTmlnmLKtBcHNiKs4UFimiws"


@pytest.fixture
def told(settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Logs an event in a format and returns the line."""

    def tell(log_format: str = "json", **fields: Any) -> str:
        logs.configure(settings(log_format=log_format))
        structlog.get_logger().warning("something", **fields)
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and line.endswith("\n")
        return line

    return tell


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"refused: {SECRET}.",
        "pfk_bevGJPvilbqwgIAYzPnExse7WGy5ayq4cD2FICx-MkI",
        "pfa_fK5NcwubHiJx2DhwwanhmDPm_bKi95x1N9hWNBP4Py8",
        "key_a25a36bb07d305af3352e53e908d622a",
        "X-Signature: 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "Authorization: Bearer abc.def-123",
        "Basic dXNlcjpwYXNz",
        "POST /webhooks/segment/dG6iSXejJXZ1RAwl_O7TfMUyRfvi5ywp",
        "/setup?token=ImZpcnN0IGFkbWluIg.xuLKi-CTLz8W496U7vomeyt15ZacKwfRGCvK5epEgB8",
        "postgresql://user:hunter2secret@db.example:5432/x",
        "ada@example.com",
        "Key (email_key)=(ada@example.com) already exists",
        "to <Ada@Example.com>",
    ],
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_it_tells_no_secret_and_no_address(told: Callable[..., str], text: str, log_format: str) -> None:
    line = told(log_format, error=text, inside={"list": [text]}, text_of_cause=[text])
    for part in (
        SECRET,
        "bevGJP",
        "fK5Ncw",
        "a25a36bb",
        "2fd4e1c6",
        "abc.def",
        "dXNlcjpw",
        "dG6iSX",
        "xuLKi",
        "hunter2",
    ):
        assert part not in line
    assert "example.com" not in line.lower()


def test_it_tells_nothing_under_names_that_speak_of_secrets(told: Callable[..., str]) -> None:
    line = json.loads(told(password="p", Cookie="c", body=b"raw", inside={"token": "t"}, bytes_of=b"raw"))
    assert (line["password"], line["Cookie"], line["body"]) == ("[redacted]",) * 3
    assert line["inside"] == {"token": "[redacted]"} and line["bytes_of"] == "[3 bytes]"


def test_the_same_address_has_the_same_mark(told: Callable[..., str]) -> None:
    first, again, other = (json.loads(told(x=text))["x"] for text in ("a@b.example", "A@B.example", "c@b.example"))
    assert first == again != other


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_one_event_is_one_line_whatever_it_says(told: Callable[..., str], log_format: str) -> None:
    line = told(log_format, error="a\nb\x1b[2J\r\u2028c", route="/w/<workspace>")
    assert "\x1b[2J" not in line and "\r" not in line and "\u2028" not in line


def test_it_keeps_what_is_harmless(told: Callable[..., str]) -> None:
    line = json.loads(told(route="/api/v1/users/<user_id>", status=200, ms=1.5, request_id="af9593bd7819804f"))
    assert (line["route"], line["status"], line["ms"]) == ("/api/v1/users/<user_id>", 200, 1.5)
    assert line["request_id"] == "af9593bd7819804f" and line["event"] == "something" and line["level"] == "warning"
