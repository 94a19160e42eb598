"""A workspace at a glance: what came in, and what to do next."""

from dataclasses import dataclass

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from productfruits.models import Connection
from productfruits.services import admins, connections, events, stats, users
from productfruits.web import current_runtime
from productfruits.web.admin import gate, segment
from productfruits.web.admin.gate import Place

LATEST = 12


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the way to a working setup. `is_next`: the first one that is open."""

    title: str
    text: str
    action: str
    href: str | None
    done: bool
    is_next: bool = False


@gate.page("/w/<workspace>/", needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    workspace_id = place.workspace.id
    with current_runtime().reading() as store:
        connection = connections.of_workspace(store, workspace_id)
        numbers = stats.of_workspace(store, workspace_id)
        page = events.page(store, workspace_id, limit=LATEST)
        people = users.by_ids(store, workspace_id, [event.user_id for event in page.rows if event.user_id])
        alone = len(admins.members(store, workspace_id)) == 1
    return render_template(
        "workspace/overview.html",
        state=segment.state_of(connection),
        stats=numbers,
        latest=[(event, people.get(event.user_id or "")) for event in page.rows],
        steps=_steps(place, connection, alone),
    )


def _steps(place: Place, connection: Connection | None, alone: bool) -> list[Step]:
    """The way to the first event; nothing once it has come, or for somebody who cannot go it."""
    if not place.may("owner"):
        return []
    key = place.workspace.key
    to_segment = url_for("admin.segment_show", workspace=key)
    connected = connection is not None
    received = connection is not None and connection.first_received_at is not None
    steps = [
        Step(
            "Activate Segment",
            "Makes the webhook URL and the secret that Segment signs with.",
            "Activate",
            to_segment,
            connected,
            is_next=not connected,
        ),
        Step(
            "Receive the first event",
            "Paste URL and secret into a webhook destination in Segment, or send a test event.",
            "Open",
            to_segment if connected else None,
            received,
            is_next=connected and not received,
        ),
        Step(
            "Invite a colleague",
            "As owner, editor or viewer of this workspace.",
            "Invite",
            url_for("admin.members_index", workspace=key),
            not alone,
        ),
    ]
    # Once events come in, the page belongs to them.
    return [] if received else steps
