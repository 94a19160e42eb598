"""Markdown as authors write it -> the HTML that a page may show.

Twice safe: HTML in the text is escaped, and what comes out is cleaned once more by an allow-list. The snippet builds
its elements from the same list (markup.json) and trusts neither.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from productfruits.adoption import links

PICTURE = "A picture stands in `image`, where its alternative text has a place, and not in the text."

_MARKUP = msgspec.json.decode((Path(__file__).parent / "markup.json").read_bytes())
_TAGS = set(_MARKUP["tags"])
# nh3 sets `rel` itself; "*" is empty since it would add `title` and `lang`.
_ATTRIBUTES = {tag: set(names) - {"rel"} for tag, names in _MARKUP["tags"].items()} | {"*": set()}
_SCHEMES = set(_MARKUP["schemes"])
#: A trait with its fallback, which the browser fills in: {{firstName|there}}.
_TRAIT = re.compile(r"\{\{[^{}\n]+\}\}")


def _trait(state: StateInline, silent: bool) -> bool:
    """Keep {{first_name|*friend*}} as it is: nothing inside is Markdown."""
    found = _TRAIT.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("text", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    parser.inline.ruler.before("escape", "trait", _trait)
    # What a link may be is decided in one place, and said in words; the parser would drop it silently.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


_PARSER = _parser()


def render(text: str) -> str:
    """Clean HTML of the text. Whatever the text holds, only tags and addresses of the allow-list come out."""
    return clean(_PARSER.render(text)).strip()


def clean(html: str) -> str:
    """`html` without anything that is not on the allow-list."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
        attribute_filter=_only_links,
    )


def problems(text: str) -> Iterator[str]:
    """What an author must change, in words."""
    for token in _tokens(_PARSER.parse(text)):
        if token.type == "image":
            yield PICTURE
        elif token.type == "link_open":
            address = str(token.attrs.get("href", ""))
            # The parser has encoded braces by now.
            said = links.problem(address.replace("%7B", "{"))
            if said is not None:
                yield said


def _only_links(tag: str, attribute: str, value: str) -> str | None:
    return value if attribute != "href" or links.is_link(value) else None


def _tokens(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _tokens(token.children or [])
