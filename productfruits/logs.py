"""The log: one line an event on stderr, JSON for machines or coloured text for people, and nothing personal in it."""

import hashlib
import logging
import re
import sys
from typing import Any

import structlog

from productfruits.config import Settings

#: Keys by their prefix (the names in services/connections.py and api_keys.py), and signatures.
_SECRET = re.compile(r"\b(whs_|pfk_|pfa_|key_|whsec_|idv_)[\w=-]{8,}|\b[0-9a-fA-F]{40}\b|(?i:\bbearer|\bbasic)\s+\S+")
_TOKEN_IN_URL = re.compile(r"(/webhooks/segment/|[?&]token=)[\w.~=-]+")
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]+:)[^@\s]+(?=@)")
_EMAIL = re.compile(r"[^\s@<>\"'(),;:/]+@[^\s@<>\"'(),;:/]+\.[^\s@<>\"'(),;:/]+")
#: Fields whose value is never told, whatever it looks like.
_NEVER = frozenset({"authorization", "cookie", "password", "secret", "signature", "token", "x_signature", "body"})


def configure(settings: Settings) -> None:
    """Set up the log of this process. Safe to repeat."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, said: structlog.types.EventDict) -> structlog.types.EventDict:
    """The last fence before the log: no secret, no e-mail, no character that a terminal or a line would obey.

    Nobody is supposed to log any of these; an error message of a library may do so for us.
    """
    return {name: "[redacted]" if name.lower() in _NEVER else _clean(value) for name, value in said.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        value = _SECRET.sub("[redacted]", value)
        value = _TOKEN_IN_URL.sub(r"\1[redacted]", value)
        value = _PASSWORD_IN_URL.sub(r"\1[redacted]", value)
        value = _EMAIL.sub(_hashed, value)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    if isinstance(value, dict):
        return {str(name): "[redacted]" if str(name).lower() in _NEVER else _clean(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    return value


def _hashed(email: re.Match[str]) -> str:
    """Tells two people apart without saying who they are."""
    return f"[e-mail {hashlib.sha256(email[0].casefold().encode('utf-8', 'replace')).hexdigest()[:8]}]"
