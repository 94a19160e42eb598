"""The way from an empty workspace to the first user who completed a tour, as the overview shows it to owners."""

from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from productfruits.models import Connection
from productfruits.services import admins, adoption_settings, content_states, contents
from productfruits.web.admin.gate import Place


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the way to a working setup. `is_next`: the first one that is open."""

    title: str
    text: str
    action: str
    href: str | None
    done: bool
    is_next: bool = False


def of(store: Any, place: Place, connection: Connection | None) -> list[Step]:
    """The steps; none once a user has completed something, or for somebody who cannot go them."""
    if not place.may("owner"):
        return []
    workspace_id, key = place.workspace.id, place.workspace.key
    is_connected = connection is not None
    segment = url_for("admin.segment_show", workspace=key)
    content = url_for("admin.contents_index", workspace=key)
    has_published = contents.has_published(store, workspace_id)
    steps = [
        Step(
            "Activate Segment",
            "Makes the webhook URL and the secret that Segment signs with.",
            "Activate",
            segment,
            is_connected,
        ),
        Step(
            "Receive the first event",
            "Paste URL and secret into a webhook destination in Segment, or send a test event.",
            "Open",
            segment if is_connected else None,
            connection is not None and connection.first_received_at is not None,
        ),
        Step(
            "Publish the first tour",
            "Write one, or add the samples: they show in the demo app alone.",
            "Write",
            content,
            has_published,
        ),
        Step(
            "Put the snippet into a page",
            "One line of HTML in your own app. The demo app has it already.",
            "Show me",
            url_for("admin.snippet_show", workspace=key),
            adoption_settings.of(store, workspace_id).last_seen_at is not None,
        ),
        Step(
            "See somebody complete it",
            "Open the page, or the demo app, and go through the tour. What happened is in its numbers.",
            "Open the demo app",
            url_for("admin.demo_show", workspace=key) if has_published else None,
            content_states.has_completed(store, workspace_id),
        ),
        Step(
            "Invite a colleague",
            "As owner, editor or viewer of this workspace.",
            "Invite",
            url_for("admin.members_index", workspace=key),
            len(admins.members(store, workspace_id)) > 1,
        ),
    ]
    # Whoever works alone is not asked for colleagues for ever.
    if all(step.done for step in steps[:-1]):
        return []
    first_open = next(step for step in steps if not step.done)
    return [replace(step, is_next=step is first_open) for step in steps]
