"""Adoption events that the server writes itself: what it found out about a checklist while no page was looking."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from productfruits.adoption import states, vocabulary
from productfruits.adoption.states import Happening, State
from productfruits.identity.directory import Placement
from productfruits.services.times import instant
from productfruits.services.waiting_items import Checklist

#: Namespace of the ids of the events that the server writes itself.
OWN_EVENTS = uuid.UUID("5b0c1f5e-9d5b-5a52-8f0e-6a1c8f6f2b1d")
#: `source` of these events.
OWN_SOURCE = "server"


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event because of somebody's message, whose id is `trigger`."""

    trigger: str
    matched_by: str
    content_id: int
    name: str
    event_id: str
    at: int
    properties: Mapping[str, Any]

    def row(
        self, workspace_id: int, user_id: str | None, anonymous_id: str | None, received_at: dt.datetime
    ) -> dict[str, Any]:
        """As it is stored for whoever has the state in the end."""
        return {
            "workspace_id": workspace_id,
            "user_id": user_id,
            "type": "track",
            "name": self.name,
            "message_id": self.event_id,
            "timestamp": instant(self.at),
            "received_at": received_at,
            "source": OWN_SOURCE,
            "signed": True,
            "matched_by": self.matched_by,
            # None of the message's ids: if one of them parts from this user some day, what was done stays done.
            "sent_user_id": None,
            "anonymous_id": anonymous_id,
            "previous_id": None,
            "group_id": None,
            "content_id": self.content_id,
            "properties": dict(self.properties),
            "context": {},
        }


def make(
    workspace_id: int, checklist: Checklist, state: State, raw: str, own: Mapping[str, Any], placement: Placement
) -> tuple[OwnEvent, State]:
    """The event with its own properties, and the state after it. Its id follows from the message that led to it."""
    trigger = placement.sighting
    message_id = trigger.message_id or ""
    item_id = own.get("item_id")
    at = max(trigger.at, state.state_at)
    event_id = str(uuid.uuid5(OWN_EVENTS, f"{workspace_id}/{checklist.id}/{item_id or ''}/{message_id}"))
    after = states.advance(
        state,
        Happening(
            raw=raw,
            at=at,
            event_id=event_id,
            version=state.version,
            session_id=state.session_id,
            item_id=item_id,
            how=own.get("how"),
            end_reason=own.get("end_reason"),
            reported=False,
        ),
    )
    done = sum(item in after.items for item in checklist.item_ids)
    properties = {
        "id": checklist.id,
        "content_type": "checklist",
        "content_key": checklist.key,
        "content_name": checklist.name,
        "version": state.version,
        "session_id": state.session_id,
        "raw_name": raw,
        "event_id": event_id,
        "is_preview": False,
        "source": vocabulary.SOURCE,
        **own,
        "items_count": len(checklist.item_ids),
        "progress": round(100 * done / len(checklist.item_ids)),
    }
    event = vocabulary.EVENTS[raw]
    return OwnEvent(message_id, placement.matched_by, checklist.id, event.name, event_id, at, properties), after
