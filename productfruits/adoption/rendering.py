"""A document in one language -> what a page gets: texts chosen, Markdown turned into clean HTML, nothing left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from productfruits.adoption import fields, markdown, words

Document = Mapping[str, Any]
#: Longer than any tag of a language that texts are written in; whatever is longer is noise.
_TAG_MAX = 35


def language(document: Document, wanted: str | None) -> str:
    """In which language a document is shown to somebody who wants `wanted`: for en-GB in en-GB, en, or its own."""
    own: str = document["language"]
    if wanted and len(wanted) <= _TAG_MAX:
        for tag in _wider(fields.spelled(wanted)):
            if tag == own or tag in document["translations"]:
                return tag
    return own


def languages(document: Document) -> Sequence[str]:
    """Every language that the document is written in, its own first."""
    return [document["language"], *sorted(document["translations"])]


def render(document: Document, wanted: str | None = None) -> dict[str, Any]:
    """What a page gets of a document, without what only the store knows (id, version, theme, rule, state).

    A text that a translation leaves out comes from the next wider language, and at last from the document itself.
    """
    shown = language(document, wanted)
    texts = [
        document["translations"][tag]
        for tag in _until(_wider(shown), document["language"])
        if tag in document["translations"]
    ]
    rendered = {name: document[name] for name in ("kind", "key", "name", "priority", "start")}
    return rendered | {"language": shown, "words": words.of(shown)} | _KINDS[document["kind"]](document, texts)


def _tour(document: Document, texts: Sequence[Document]) -> dict[str, Any]:
    return {"steps": [_step(step, index, _of(texts, "steps", step)) for index, step in enumerate(document["steps"])]}


def _step(step: Document, index: int, texts: Sequence[Document]) -> dict[str, Any]:
    title = _text(step, "title", texts)
    image = step["image"]
    if image is not None:
        image = {"url": image["url"], "alt": _text(image, "alt", [text.get("image", {}) for text in texts])}
    return {
        "id": step["id"],
        "name": step.get("name", step["title"]),
        "number": index + 1,
        "kind": step["kind"],
        "title": title,
        "html": markdown.render(_text(step, "body", texts)),
        "image": image,
        "target": step.get("target"),
        "placement": step.get("placement", "auto"),
        "backdrop": step["backdrop"],
        "advance": step["advance"],
        "wait": step.get("wait", {"seconds": 0, "missing": "skip"}),
        "buttons": [
            {
                "id": button["id"],
                "label": _text(button, "label", _of(texts, "buttons", button)),
                "style": button["style"],
                "action": _action(button["action"]),
            }
            for button in step["buttons"]
        ],
    }


def _checklist(document: Document, texts: Sequence[Document]) -> dict[str, Any]:
    title = _text(document, "title", texts)
    launcher = document["launcher"]
    labels = [text.get("launcher", {}) for text in texts]
    completion = document["completion"]
    if completion is not None:
        ends = [text.get("completion", {}) for text in texts]
        completion = {
            "title": _text(completion, "title", ends),
            "html": markdown.render(_text(completion, "body", ends)),
        }
    return {
        "title": title,
        "html": markdown.render(_text(document, "body", texts)),
        "order": document["order"],
        "launcher": {
            "label": _text(launcher, "label", labels) if "label" in launcher else title,
            "position": launcher["position"],
        },
        "open": document["open"],
        "dismissible": document["dismissible"],
        "items": [_item(item, _of(texts, "items", item)) for item in document["items"]],
        "completion": completion,
    }


def _item(item: Document, texts: Sequence[Document]) -> dict[str, Any]:
    done = item["done"]
    return {
        "id": item["id"],
        "title": _text(item, "title", texts),
        "html": markdown.render(_text(item, "body", texts)),
        "action": _action(item["action"]),
        # Events and traits are the server's business: a page need not know what is asked of its user.
        "done": {name: done[name] for name in ("by", "tour") if name in done},
    }


_KINDS: Mapping[str, Callable[[Document, Sequence[Document]], dict[str, Any]]] = {
    "tour": _tour,
    "checklist": _checklist,
}


def _action(action: Document) -> dict[str, Any]:
    return {"new_tab": False, **action} if action["do"] == "open_url" else dict(action)


def _of(texts: Sequence[Document], name: str, part: Document) -> Sequence[Document]:
    """What the translations say of the part of the list `name` that has the same id."""
    return [said for text in texts for said in text.get(name, ()) if said["id"] == part["id"]]


def _text(part: Document, name: str, texts: Sequence[Document]) -> str:
    return str(next((text[name] for text in texts if text.get(name)), part[name]))


def _wider(tag: str) -> Iterator[str]:
    """zh-Hant-TW, zh-Hant, zh"""
    parts = tag.split("-")
    for length in range(len(parts), 0, -1):
        yield "-".join(parts[:length])


def _until(tags: Iterator[str], last: str) -> Iterator[str]:
    for tag in tags:
        if tag == last:
            return
        yield tag
