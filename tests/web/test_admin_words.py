"""Every code of the store has words, and they say what they should."""

import datetime as dt
import re
from pathlib import Path

import pytest

import productfruits
from productfruits.segment import messages, reader, schemas
from productfruits.web.admin import actions, words
from productfruits.web.api import schemas as schemas_of_api
from productfruits.web.ingest import refusals, tracking
from productfruits.web.ingest.answers import Answer

NOW = dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC)
PACKAGE = Path(productfruits.__file__).parent
SOURCES = "\n".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
OBJECTS = "connection|secret|user|workspace|admin|api_key|conflict|export|destination"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({}, "just now"),
        ({"seconds": 9}, "just now"),
        ({"seconds": 10}, "10 seconds ago"),
        ({"seconds": 59.9}, "59 seconds ago"),
        ({"seconds": 60}, "1 minute ago"),
        ({"minutes": 59}, "59 minutes ago"),
        ({"hours": 1}, "1 hour ago"),
        ({"hours": 47}, "1 day ago"),
        ({"days": 6}, "6 days ago"),
        ({"days": 7}, "1 week ago"),
        ({"days": 29}, "4 weeks ago"),
        ({"days": 31}, "1 month ago"),
        ({"days": 364}, "11 months ago"),
        ({"days": 366}, "1 year ago"),
        ({"days": 800}, "2 years ago"),
        ({"hours": -24, "seconds": -1}, "in 1 day"),
    ],
)
def test_it_says_how_long_ago(before: dict[str, float], said: str) -> None:
    assert words.ago(NOW - dt.timedelta(**before), NOW) == said


def test_it_says_the_exact_moment_in_utc() -> None:
    local = dt.datetime(2030, 1, 7, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert words.exact(local) == "6 Jan 2030, 23:02:03 UTC"


def test_every_reason_of_a_refusal_has_a_headline() -> None:
    said = [answer.code for answer in vars(tracking).values() if isinstance(answer, Answer) and answer.status == 400]
    codes = {*refusals.WORDS, *reader.WORDS, *messages.WORDS, *schemas.WORDS, *said}
    assert codes - set(words.REASONS) == set()


def test_every_way_in_has_words() -> None:
    in_jitsus_form = {"segment_api"}
    used = set(re.findall(r'(?:\bsource=|SOURCE = |\bProtocol\()"([a-z_]+)"', SOURCES)) - in_jitsus_form
    assert used == set(words.SOURCES) == set(schemas_of_api.SOURCES)


def test_every_action_of_the_audit_log_has_words() -> None:
    used = set(re.findall(rf'"((?:{OBJECTS})\.[a-z_]+_?(?:ed|on|off|made))"', SOURCES))
    assert "secret.rotated" in used
    assert used - set(actions.ACTIONS) - set(words.SENT) == set()


def test_every_rule_of_matching_has_words() -> None:
    assert set(words.MATCHED_BY) == {"email", "username", "alias", "created", "anonymous", "none"}


def test_every_icon_that_a_page_names_is_built() -> None:
    templates = "\n".join(path.read_text() for path in sorted((PACKAGE / "web" / "templates").rglob("*.html")))
    named = set(re.findall(r'icon\("([a-z0-9-]+)"', templates)) | set(words.ICONS.values())
    listed = set((PACKAGE.parent / "static" / "admin" / "icons.txt").read_text().split())
    assert "copy" in named
    assert named - listed == set()


@pytest.mark.parametrize(
    ("value", "shown"),
    [("text", "text"), (1, "1"), (True, "true"), ({"a": [1]}, '{"a":[1]}'), ("x" * 200, "x" * 159 + "…")],
)
def test_it_shows_a_trait_in_a_line(value: object, shown: str) -> None:
    assert words.short(value) == shown
