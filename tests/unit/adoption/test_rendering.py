"""Rendering: what a page gets of a document, in which language, and that no text of an author becomes a script."""

import html.parser
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from productfruits.adoption import documents, markdown, rendering, words
from tests.unit.adoption import authored

MARKUP: dict[str, Any] = json.loads((Path(markdown.__file__).parent / "markup.json").read_text())


class Seen(html.parser.HTMLParser):
    """Every tag and attribute of some HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(text: str) -> None:
    for tag, attributes in Seen(text).tags:
        assert set(attributes) <= set(MARKUP["tags"][tag])
        address = attributes.get("href")
        assert address is None or address.startswith(("http://", "https://", "mailto:", "/", "#", "?", "."))


BAIT = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](//evil.example)",
    "[x](/\\\\evil.example)",
    "<javascript:alert(1)>",
    "[x]\n\n[x]: javascript:alert(1)",
    '[x](/ok "\\" onclick=alert(1)")',
    "![x](javascript:alert(1))",
    "`<script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "<svg><script>alert(1)</script></svg>",
    "<style>@import 'x'</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{name|<script>alert(1)</script>}}",
    "<!--><script>alert(1)</script>-->",
]


@pytest.mark.parametrize("text", BAIT)
def test_no_bait_becomes_more_than_text(text: str) -> None:
    rendered = markdown.render(text)
    assert_harmless(rendered)
    assert "<script" not in rendered and "<img" not in rendered and "<svg" not in rendered


@given(st.text(st.sampled_from("<>[]()!`*_{}|\\\"'&#;:/\n ajvscript=on"), max_size=60))
def test_no_text_becomes_more_than_the_allow_list(text: str) -> None:
    assert_harmless(markdown.render(text))
    list(markdown.problems(text))


def test_markdown_is_rendered() -> None:
    text = "# A\n\n**b** *c* ~~d~~ `e`\n\n1. f\n\n> g\n\n[h](https://example.com/?a=1&b=2) [i](/j)"
    assert markdown.render(text) == (
        "<h1>A</h1>\n<p><strong>b</strong> <em>c</em> <s>d</s> <code>e</code></p>\n<ol>\n<li>f</li>\n</ol>\n"
        "<blockquote>\n<p>g</p>\n</blockquote>\n"
        '<p><a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer">h</a> '
        '<a href="/j" rel="noopener noreferrer">i</a></p>'
    )


def test_traits_come_through_as_they_are() -> None:
    text = "Hi {{first_name|*dear* friend}}, **{{_a_}}** {{not closed"
    assert markdown.render(text) == ("<p>Hi {{first_name|*dear* friend}}, <strong>{{_a_}}</strong> {{not closed</p>")


def test_a_tour_is_rendered_for_the_page() -> None:
    shown = rendering.render(documents.load("tour", authored.full_tour()))
    assert {name: shown[name] for name in shown if name != "steps"} == {
        "kind": "tour",
        "key": "first-project",
        "name": "First project",
        "priority": 70,
        "start": "manual",
        "language": "en",
        "words": words.of("en"),
    }
    tooltip, modal = shown["steps"]
    assert tooltip == {
        "id": "create",
        "name": "Create",
        "number": 1,
        "kind": "tooltip",
        "title": "Hi {{firstName|there}}",
        "html": "<p>Make a <strong>project</strong>.</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>",
        "image": {"url": "https://example.com/a.png", "alt": "A project"},
        "target": {"selector": "#create", "data": {"name": "tour", "value": "create"}, "text": "New project"},
        "placement": "bottom-start",
        "backdrop": True,
        "advance": {"on": "event", "event": "Project Created"},
        "wait": {"seconds": 30, "missing": "stop"},
        "buttons": authored.full_tour()["steps"][0]["buttons"],
    }
    assert set(modal) == set(tooltip)
    assert (modal["name"], modal["number"], modal["target"], modal["image"]) == ("Done", 2, None, None)
    assert modal["buttons"][0]["action"] == {"do": "open_url", "url": "https://example.com/docs", "new_tab": True}


def test_a_checklist_is_rendered_for_the_page() -> None:
    shown = rendering.render(documents.load("checklist", authored.full_checklist()))
    assert {
        name: shown[name] for name in ("title", "html", "order", "launcher", "open", "dismissible", "completion")
    } == {
        "title": "Get started",
        "html": "<p>Five minutes.</p>",
        "order": "ordered",
        "launcher": {"label": "Start here", "position": "bottom-left"},
        "open": True,
        "dismissible": False,
        "completion": {"title": "Well done", "html": "<p><strong>All</strong> of it.</p>"},
    }
    assert [item["done"] for item in shown["items"]] == [
        {"by": "tour", "tour": "first-project"},
        {"by": "event"},
        {"by": "trait"},
    ], "what is asked of the user is not told to the page"
    assert shown["items"][1]["action"] == {"do": "open_url", "url": "/invite", "new_tab": False}
    bare = rendering.render(documents.load("checklist", authored.checklist()))
    assert (bare["launcher"]["label"], bare["completion"]) == ("Get started", None)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (None, "en"),
        ("", "en"),
        ("en-GB", "en"),
        ("de", "de"),
        ("de-CH", "de"),
        ("de_at", "de-AT"),
        ("fr", "en"),
        ("x" * 100_000, "en"),
        ("-" * 30, "en"),
    ],
)
def test_the_language_that_fits_is_shown(wanted: str | None, shown: str) -> None:
    document = documents.load("tour", authored.full_tour())
    assert rendering.language(document, wanted) == shown
    assert rendering.render(document, wanted) == rendering.render(document, shown)


def test_what_a_translation_leaves_out_comes_from_the_next_wider_language() -> None:
    document = documents.load("tour", authored.full_tour())
    step = rendering.render(document, "de-AT")["steps"][0]
    assert step["title"] == "Servus"
    assert step["image"]["alt"] == "Ein Projekt"
    assert [button["label"] for button in step["buttons"]] == ["Later", "Weiter"]
    assert step["html"].startswith("<p>Make")
    assert step["name"] == "Create"
    items = rendering.render(documents.load("checklist", authored.full_checklist()), "de")
    assert [item["title"] for item in items["items"]] == ["Take the tour", "Zwei einladen", "Pay"]
    assert (items["title"], items["launcher"]["label"]) == ("Erste Schritte", "Hier beginnen")
    assert items["completion"] == {"title": "Gut gemacht", "html": "<p><strong>All</strong> of it.</p>"}


def test_all_languages_of_a_document_are_known() -> None:
    assert rendering.languages(documents.load("tour", authored.full_tour())) == ["en", "de", "de-AT"]
