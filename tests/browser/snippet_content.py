"""Documents of tours and checklists for the tests of the snippet, short to write."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]


def button(label: str, do: str = "next", style: str = "primary", **action: Any) -> Document:
    return {
        "id": f"{do.replace('_', '-')}-{len(label)}",
        "label": label,
        "style": style,
        "action": {"do": do, **action},
    }


NEXT = button("Next")
BACK = button("Back", "back", "secondary")
FINISH = button("Finish", "finish")


def modal(name: str, *buttons: Document, **more: Any) -> Document:
    return {"id": name, "kind": "modal", "title": name.title(), "buttons": list(buttons or (NEXT,)), **more}


def tooltip(name: str, selector: str, *buttons: Document, **more: Any) -> Document:
    return {**modal(name, *buttons), "kind": "tooltip", "target": {"selector": selector}, **more}


def tour(*steps: Document, **more: Any) -> Document:
    return {"steps": list(steps), **more}


def item(name: str, by: str = "click", **more: Any) -> Document:
    done: Document = {"by": by}
    done |= {key: more.pop(key) for key in ("tour", "event", "rule") if key in more}
    return {"id": name, "title": name.title(), "done": done, **more}


def checklist(*items: Document, **more: Any) -> Document:
    return {"title": "Get going", "items": list(items), "completion": {"title": "All done"}, **more}


def for_user(name: str) -> Mapping[str, Any]:
    """Targeting of one user alone, so that tests that share a workspace do not see each other's content."""
    return {"kind": "computed", "name": "username", "op": "is", "value": name}
