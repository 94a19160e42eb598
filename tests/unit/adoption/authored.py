"""Documents as authors write them, short ones and full ones."""

import copy
from typing import Any

from productfruits.adoption.documents import Document


def button(do: str = "next", **action: Any) -> Document:
    return {"id": "go", "label": "Go on", "action": {"do": do, **action}}


def tour(key: str = "welcome", **changes: Any) -> Document:
    """A tour of two steps, with as little as a tour needs."""
    return {
        "key": key,
        "name": "Welcome",
        "steps": [
            {"id": "hello", "kind": "modal", "title": "Hello", "buttons": [button()]},
            {"id": "invite", "kind": "tooltip", "title": "Invite", "target": {"selector": "#invite"}},
        ],
        **changes,
    }


def checklist(key: str = "start", **changes: Any) -> Document:
    """A checklist of one item, with as little as a checklist needs."""
    return {"key": key, "name": "Start", "title": "Get started", "items": [{"id": "one", "title": "One"}], **changes}


def theme(key: str = "brand", **changes: Any) -> Document:
    return {"key": key, "name": "Brand", **changes}


def step(**changes: Any) -> Document:
    """A tour whose only step is a modal with these changes."""
    return tour(steps=[{"id": "hello", "kind": "modal", "title": "Hello", **changes}])


_FULL_TOUR = {
    "kind": "tour",
    "key": "first-project",
    "name": "First project",
    "language": "en",
    "priority": 70,
    "start": "manual",
    "targeting": {"kind": "trait", "name": "plan", "op": "is", "value": "pro"},
    "frequency": {"show": "every_days", "days": 7},
    "schedule": {"from": "2030-01-01T08:00", "until": "2030-02-01T08:00"},
    "theme": "brand",
    "steps": [
        {
            "id": "create",
            "name": "Create",
            "kind": "tooltip",
            "title": "Hi {{firstName|there}}",
            "body": "Make a **project**.\n\n- one\n- two",
            "image": {"url": "https://example.com/a.png", "alt": "A project"},
            "target": {"selector": "#create", "data": {"name": "tour", "value": "create"}, "text": "New project"},
            "placement": "bottom-start",
            "backdrop": True,
            "advance": {"on": "event", "event": "Project Created"},
            "wait": {"seconds": 30, "missing": "stop"},
            "buttons": [
                {"id": "skip", "label": "Later", "style": "link", "action": {"do": "snooze", "minutes": 60}},
                {"id": "go", "label": "Go on", "style": "primary", "action": {"do": "next"}},
            ],
        },
        {
            "id": "done",
            "kind": "modal",
            "title": "Done",
            "body": "[Read on](/docs)",
            "image": None,
            "backdrop": False,
            "advance": {"on": "button"},
            "buttons": [
                {
                    "id": "docs",
                    "label": "Docs",
                    "style": "secondary",
                    "action": {"do": "open_url", "url": "https://example.com/docs", "new_tab": True},
                },
                {
                    "id": "tick",
                    "label": "Tick",
                    "style": "primary",
                    "action": {"do": "complete_item", "checklist": "start", "item": "one"},
                },
            ],
        },
    ],
    "translations": {
        "de": {
            "steps": [
                {
                    "id": "create",
                    "title": "Hallo {{firstName|du}}",
                    "image": {"alt": "Ein Projekt"},
                    "buttons": [{"id": "go", "label": "Weiter"}],
                },
            ]
        },
        "de-AT": {"steps": [{"id": "create", "title": "Servus"}]},
    },
}

_FULL_CHECKLIST = {
    "kind": "checklist",
    "key": "start",
    "name": "Start",
    "language": "en",
    "priority": 50,
    "start": "auto",
    "targeting": None,
    "frequency": {"show": "until_completed"},
    "schedule": {},
    "theme": None,
    "title": "Get started",
    "body": "Five minutes.",
    "order": "ordered",
    "launcher": {"label": "Start here", "position": "bottom-left"},
    "open": True,
    "dismissible": False,
    "items": [
        {
            "id": "one",
            "title": "Take the tour",
            "body": "",
            "action": {"do": "start_tour", "tour": "first-project"},
            "done": {"by": "tour", "tour": "first-project"},
        },
        {
            "id": "two",
            "title": "Invite two",
            "body": "*Both* count.",
            "action": {"do": "open_url", "url": "/invite"},
            "done": {"by": "event", "event": "Invited", "at_least": 2},
        },
        {
            "id": "three",
            "title": "Pay",
            "body": "",
            "action": {"do": "none"},
            "done": {"by": "trait", "rule": {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}},
        },
    ],
    "completion": {"title": "Well done", "body": "**All** of it."},
    "translations": {
        "de": {
            "title": "Erste Schritte",
            "launcher": {"label": "Hier beginnen"},
            "items": [{"id": "two", "title": "Zwei einladen"}],
            "completion": {"title": "Gut gemacht"},
        }
    },
}


def full_tour() -> Document:
    """A tour that uses everything, written out."""
    return copy.deepcopy(_FULL_TOUR)


def full_checklist() -> Document:
    """A checklist that uses everything, written out."""
    return copy.deepcopy(_FULL_CHECKLIST)
