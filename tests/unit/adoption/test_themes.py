"""Themes: colours that people can read, and the look that is built in."""

from typing import Any

import pytest

from productfruits.adoption import documents, themes
from productfruits.adoption.documents import InvalidDocument
from tests.unit.adoption import authored

# Of the examples of WebAIM's contrast checker and of WCAG's own formula.
CONTRASTS = [
    ("#000000", "#ffffff", 21.0),
    ("#777777", "#ffffff", 4.48),
    ("#0000ff", "#ffffff", 8.59),
]


@pytest.mark.parametrize(("one", "other", "ratio"), CONTRASTS)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert themes.contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert themes.contrast(other, one) == themes.contrast(one, other)


def test_the_built_in_look_is_legible_in_both_modes() -> None:
    look = themes.resolve(None)
    assert documents.load("theme", authored.theme(**look))
    assert set(look) == {"mode", "light", "dark", "radius", "font", "position"}


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"light": {**themes.LIGHT, "text": "#777"}}, "light.text", "contrast of 4.4:1"),
        ({"dark": {**themes.DARK, "accent_text": "#fff"}}, "dark.accent_text", "primary buttons"),
        ({"light": {**themes.LIGHT, "accent": "#ff0", "accent_text": "#000"}}, "light.accent", "link"),
        ({"light": {"text": "#ffffff"}}, "light.text", "contrast of 1.0:1"),
        ({"light": {**themes.LIGHT, "text": "red"}}, "light.text", "#4f46e5"),
        ({"font": "Inter; color: red"}, "font", "Inter, sans-serif"),
        ({"font": "url(x)"}, "font", "Inter, sans-serif"),
        ({"radius": 25}, "radius", "24"),
        ({"position": "left"}, "position", "center"),
    ],
)
def test_a_theme_that_cannot_be_used_is_refused(changes: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        documents.load("theme", authored.theme(**changes))
    assert {documents.spelled(problem.path): problem.message for problem in refused.value.problems}.keys() == {place}
    assert words in str(refused.value)


def test_colours_have_one_spelling() -> None:
    theme = documents.load(
        "theme", authored.theme(light={"text": "#ABC", "background": "#000", "accent": "#fff", "accent_text": "#000"})
    )
    assert theme["light"]["text"] == "#aabbcc"
