"""The questions of pages: what may show here? No Flask in here, and no thread of its own."""

import datetime as dt
import functools
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from productfruits.services import browser_content, page_reads, previews
from productfruits.services.page_reads import Asked
from productfruits.services.sites import Site
from productfruits.web.browser import answers
from productfruits.web.browser.bodies import json_object
from productfruits.web.browser.door import BrowserDoor, Claim, claim, refuses
from productfruits.web.ingest.answers import Answer
from productfruits.workers.not_stored import StoreUnavailable

PATH = "/browser/v1/content"
BODY_BYTES = 64 * 1024
_PARAMETERS = 30
_TAG_MAX = 35


@dataclass(frozen=True, slots=True)
class Question:
    """What one page asks, in its address or in a body."""

    workspace: str
    claim: Claim
    language: str | None
    debug: bool
    #: The token of a link to a draft.
    preview: str | None


#: A question, and the tags of the answers that the browser holds (If-None-Match).
Tagged = tuple[Question, str | None]


@dataclass(frozen=True, slots=True)
class _Open:
    """A question that only the store can answer, and where it stands among those that came with it."""

    place: int
    asked: Asked
    held: str | None


def answer(door: BrowserDoor, said: Question | Answer, if_none_match: str | None) -> Answer:
    """Answer one question; may ask the store."""
    return said if isinstance(said, Answer) else answer_all(door, [(said, if_none_match)])[0]


def answer_all(door: BrowserDoor, questions: Sequence[Tagged]) -> list[Answer]:
    """Answer questions that came together, in their order: what they need is read in as few statements as for one."""
    now = dt.datetime.now(dt.UTC)
    given: dict[int, Answer] = {}
    by_site: dict[Site, list[_Open]] = {}
    for place, (question, held) in enumerate(questions):
        said = _admit(door, question, now)
        if isinstance(said, Answer):
            given[place] = said
        else:
            site, asked = said
            by_site.setdefault(site, []).append(_Open(place, asked, held))
    for site, together in by_site.items():
        try:
            given.update(_read(door, site, together, now))
        except StoreUnavailable:
            given.update((each.place, answers.UNAVAILABLE) for each in together)
    return [given[place] for place in range(len(questions))]


def _admit(door: BrowserDoor, question: Question, now: dt.datetime) -> tuple[Site, Asked] | Answer:
    """What is to be asked of the store, or the answer that needs no reading about a user."""
    try:
        site = door.sites.find(question.workspace)
        if site is None:
            return answers.UNKNOWN_WORKSPACE
        if question.preview:
            return _preview(door, site, question.preview, question.language, now)
    except StoreUnavailable:
        return answers.UNAVAILABLE
    door.notes.saw(site.workspace_id, now)
    speaker = door.speaker(site, question.claim, now)
    if refuses(site, speaker):
        return answers.NOT_VERIFIED
    language = question.language if question.language is None or len(question.language) <= _TAG_MAX else None
    return site, Asked(speaker.username, speaker.anonymous_id, speaker.is_verified, language, question.debug)


def _read(door: BrowserDoor, site: Site, together: Sequence[_Open], now: dt.datetime) -> Iterator[tuple[int, Answer]]:
    with door.sites.readers.asking() as reads:
        changed = []
        founds = page_reads.find(reads, site.workspace_id, [each.asked for each in together])
        for each, found in zip(together, founds, strict=True):
            tag = browser_content.tag(site, each.asked, found, now)
            if each.held is not None and fits(each.held, tag):
                yield each.place, answers.not_modified(tag)
            else:
                changed.append((each, found, tag))
        if changed:
            bodies = browser_content.answers(reads, site, [(each.asked, found) for each, found, _ in changed], now)
            for (each, _, tag), body in zip(changed, bodies, strict=True):
                yield each.place, answers.content(body, tag)


def _preview(door: BrowserDoor, site: Site, token: str, language: str | None, now: dt.datetime) -> Answer:
    """A draft, for whoever was given a link to it. Opening the link is written down, so that it works once."""
    try:
        with door.sites.writing() as session:
            key = door.runtime.keyring.secret_key
            content, given = previews.open_preview(session, site.workspace_id, token, key, now)
            return answers.draft(previews.answer(session, content, site.key, given, language))
    except previews.InvalidPreview as err:
        return answers.invalid("invalid_preview", str(err))


# A page asks the same again and again.
@functools.lru_cache(maxsize=1_024)
def from_query(query: str) -> Question | Answer:
    """What the address asks; of a name given twice the first value."""
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=_PARAMETERS)
    except ValueError:
        return answers.invalid("too_many_parameters", "The address has too many parameters.")
    said: dict[str, str] = {}
    for name, value in pairs:
        said.setdefault(name, value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return _question(said)


def from_body(body: bytes) -> Question | Answer:
    """What a body asks, whatever type it claims to be."""
    said = json_object(body)
    return said if isinstance(said, Answer) else _question(said)


def fits(if_none_match: str, tag: str) -> bool:
    """Whether the tag is among those that the browser holds."""
    if if_none_match == tag or if_none_match.strip() == "*":
        return True
    return tag in (each.strip().removeprefix("W/") for each in if_none_match.split(","))


def _question(said: Mapping[str, Any]) -> Question:
    return Question(
        workspace=_text(said.get("workspace")) or "",
        claim=claim(said),
        language=_text(said.get("language")),
        debug=_text(said.get("debug")) in ("1", "true", "True"),
        preview=_text(said.get("preview")),
    )


def _text(value: Any) -> str | None:
    return value if type(value) is str else "1" if value is True else None
