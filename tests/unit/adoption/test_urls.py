"""The address rules against the vectors that the snippet's tests run too."""

import json
from pathlib import Path
from typing import Any

import pytest

from productfruits.adoption import page, urls

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "url_rules.json").read_text("utf-8"))


@pytest.mark.parametrize("case", VECTORS["urls"], ids=lambda case: f"{case['op']} {case['value']} {case['url']}")
def test_an_address_matches_or_not(case: dict[str, Any]) -> None:
    assert urls.matches(case["op"], case["value"], case["url"]) is case["matches"]


@pytest.mark.parametrize("case", VECTORS["languages"], ids=lambda case: f"{case['value']} {case['language']}")
def test_a_language_covers_its_regional_forms(case: dict[str, Any]) -> None:
    assert page.speaks(case["value"], case["language"]) is case["matches"]


def test_what_people_type_becomes_what_a_browser_shows() -> None:
    assert urls.as_a_browser_writes("/über a%20b?x=ä#y") == "/%C3%BCber%20a%20b?x=%C3%A4#y"


def test_a_hostile_glob_does_not_backtrack() -> None:
    assert not urls.matches("glob", "/" + "a*" * 900 + "b", "https://x.example/" + "a" * 20_000)
