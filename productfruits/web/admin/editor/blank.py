"""What a new tour or checklist says before anybody has written it: complete, so that it can be tried at once."""

from typing import Any

from productfruits.adoption import documents
from productfruits.adoption.documents import Document


def document(kind: str, key: str, name: str) -> Document:
    """A document of this kind. Raises `InvalidDocument` for a key or a name that cannot be one."""
    return documents.load(kind, {"key": key, "name": name, **_SAID[kind](name)})


def _tour(name: str) -> dict[str, Any]:
    return {
        "steps": [
            {
                "id": "welcome",
                "kind": "modal",
                "title": name,
                "body": "Say in one or two sentences what your users learn here.",
                "buttons": [
                    {"id": "next", "label": "Show me", "action": {"do": "finish"}},
                    {"id": "later", "label": "Not now", "style": "link", "action": {"do": "dismiss"}},
                ],
            }
        ]
    }


def _checklist(name: str) -> dict[str, Any]:
    return {"title": name, "items": [{"id": "first", "title": "The first thing to do", "done": {"by": "click"}}]}


_SAID = {"tour": _tour, "checklist": _checklist}
