"""Published tours and checklists for service tests, and the adoption events of a page."""

import itertools
import uuid
from typing import Any

from sqlalchemy.orm import Session

from productfruits.adoption import vocabulary
from productfruits.models import AdoptionSettings, Content, ContentVersion
from productfruits.segment.messages import Message
from tests.services.messages import NOW, message

_numbers = itertools.count(1)


def tour(*steps: str, **more: Any) -> dict[str, Any]:
    """The document of a tour with these steps, as the schema loads it."""
    return {
        "language": "en",
        "priority": 50,
        "start": "auto",
        "targeting": None,
        "frequency": {"show": "once"},
        "schedule": {"from": None, "until": None},
        "theme": None,
        "translations": {},
        "steps": [
            {
                "id": step,
                "name": None,
                "kind": "modal",
                "title": step.title(),
                "body": "",
                "image": None,
                "target": None,
                "placement": "auto",
                "backdrop": False,
                "advance": {"on": "button"},
                "wait": {"seconds": 8, "missing": "skip"},
                "buttons": [],
            }
            for step in steps
        ],
        **more,
    }


def checklist(**items: dict[str, Any]) -> dict[str, Any]:
    """The document of a checklist whose items are done as said: checklist(invite={"by": "click"})."""
    return {
        "language": "en",
        "priority": 50,
        "start": "auto",
        "targeting": None,
        "frequency": {"show": "until_completed"},
        "schedule": {"from": None, "until": None},
        "theme": None,
        "translations": {},
        "title": "Get going",
        "body": "",
        "order": "free",
        "launcher": {"label": "Get going", "position": "bottom-right"},
        "open": True,
        "dismissible": True,
        "items": [
            {"id": item, "title": item.title(), "body": "", "action": {"do": "none"}, "done": done}
            for item, done in items.items()
        ],
        "completion": {"title": "Done", "body": ""},
    }


def publish(session: Session, workspace_id: int, kind: str, document: dict[str, Any], key: str | None = None) -> int:
    """Put a published content into the store and return its id."""
    key = key or f"{kind}-{next(_numbers)}"
    content = Content(
        workspace_id=workspace_id,
        kind=kind,
        key=key,
        name=key.title(),
        draft=document,
        draft_differs=False,
        published_version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(content)
    session.flush()
    session.add(
        ContentVersion(
            workspace_id=workspace_id,
            content_id=content.id,
            number=1,
            document={"kind": kind, "key": key, "name": content.name, **document},
            published_at=NOW,
            published_by="test",
        )
    )
    settings = session.get(AdoptionSettings, workspace_id)
    if settings is None:
        settings = AdoptionSettings(workspace_id=workspace_id, generation=0)
        session.add(settings)
    settings.generation += 1
    session.flush()
    return content.id


def happened(
    raw: str,
    content_id: int,
    user_id: str | None = "ada",
    *,
    event_id: str | None = None,
    message_id: str | None = None,
    session_id: str = "s-1",
    at: Any = NOW,
    anonymous_id: str | None = None,
    **own: Any,
) -> Message:
    """An adoption event as the snippet sends it, or as its copy comes back under another messageId."""
    event_id = event_id or str(uuid.uuid4())
    return message(
        "track",
        user_id,
        message_id=message_id or event_id,
        at=at,
        anonymous_id=anonymous_id,
        name=vocabulary.EVENTS[raw].name,
        properties={
            "id": content_id,
            "version": 1,
            "session_id": session_id,
            "raw_name": raw,
            "event_id": event_id,
            "source": "productfruits",
            **own,
        },
    )
