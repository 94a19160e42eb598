"""The question of a page: what may show here? No Flask in here, and no thread of its own."""

import datetime as dt
import functools
import urllib.parse
from collections.abc import Mapping
from typing import Any

from productfruits.segment import reader
from productfruits.segment.reader import Unreadable
from productfruits.services import browser_content, page_reads, previews
from productfruits.services.page_reads import Asked
from productfruits.services.sites import Site
from productfruits.web.browser import answers
from productfruits.web.browser.door import BrowserDoor, refuses
from productfruits.web.ingest.answers import Answer
from productfruits.workers.not_stored import StoreUnavailable

PATH = "/browser/v1/content"
BODY_BYTES = 64 * 1024
_PARAMETERS = 30
_TAG_MAX = 35


def answer(door: BrowserDoor, said: Mapping[str, Any] | Answer, if_none_match: str | None) -> Answer:
    """Answer one question; may ask the store."""
    if isinstance(said, Answer):
        return said
    now = dt.datetime.now(dt.UTC)
    try:
        site = door.sites.find(_text(said.get("workspace")) or "")
        if site is None:
            return answers.UNKNOWN_WORKSPACE
        if preview := _text(said.get("preview")):
            return _preview(door, site, preview, _text(said.get("language")), now)
        door.notes.saw(site.workspace_id, now)
        asked = ask(door, site, said, now)
        if isinstance(asked, Answer):
            return asked
        with door.sites.readers.asking() as reads:
            found = page_reads.find(reads, site, asked)
            tag = browser_content.tag(site, asked, found, now)
            if if_none_match is not None and fits(if_none_match, tag):
                return answers.not_modified(tag)
            return answers.content(browser_content.answer(reads, site, asked, found, now), tag)
    except StoreUnavailable:
        return answers.UNAVAILABLE


def _preview(door: BrowserDoor, site: Site, token: str, language: str | None, now: dt.datetime) -> Answer:
    """A draft, for whoever was given a link to it. Opening the link is written down, so that it works once."""
    try:
        with door.sites.writing() as session:
            key = door.runtime.keyring.secret_key
            content, given = previews.open_preview(session, site.workspace_id, token, key, now)
            return answers.draft(previews.answer(session, content, site.key, given, language))
    except previews.InvalidPreview as err:
        return answers.invalid("invalid_preview", str(err))


def ask(door: BrowserDoor, site: Site, said: Mapping[str, Any], now: dt.datetime) -> Asked | Answer:
    """What the page asks, or why it gets no answer."""
    speaker = door.speaker(site, said, now)
    if refuses(site, speaker):
        return answers.NOT_VERIFIED
    language = _text(said.get("language"))
    return Asked(
        username=speaker.username,
        anonymous_id=speaker.anonymous_id,
        verified=speaker.is_verified,
        language=language if language is None or len(language) <= _TAG_MAX else None,
        debug=_text(said.get("debug")) in ("1", "true", "True"),
    )


# A page asks the same again and again.
@functools.lru_cache(maxsize=1_024)
def from_query(query: str) -> Mapping[str, Any] | Answer:
    """What the address says; of a name given twice the first value."""
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=_PARAMETERS)
    except ValueError:
        return answers.invalid("too_many_parameters", "The address has too many parameters.")
    said: dict[str, str] = {}
    for name, value in pairs:
        said.setdefault(name, value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return said


def from_body(body: bytes) -> Mapping[str, Any] | Answer:
    """What a body says, whatever type it claims to be."""
    try:
        read = reader.read(body)
    except Unreadable as err:
        return answers.invalid(err.code, str(err))
    value = read.elements[0].value if len(read.elements) == 1 and not read.is_array else None
    if not isinstance(value, dict):
        return answers.invalid("not_an_object", "The body must be one JSON object. See docs/browser-api.md.")
    return value


def fits(if_none_match: str, tag: str) -> bool:
    """Whether the tag is among those that the browser holds."""
    return if_none_match.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in if_none_match.split(","))


def _text(value: Any) -> str | None:
    return value if type(value) is str else "1" if value is True else None
