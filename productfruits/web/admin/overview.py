"""A workspace at a glance: what came in, and what to do next."""

from flask import render_template
from flask.typing import ResponseReturnValue

from productfruits.services import connections, events, stats, users
from productfruits.web import current_runtime
from productfruits.web.admin import first_steps, gate, segment
from productfruits.web.admin.gate import Place

LATEST = 12


@gate.page("/w/<workspace>/", needs="viewer")
def show(place: Place) -> ResponseReturnValue:
    workspace_id = place.workspace.id
    with current_runtime().reading() as store:
        connection = connections.of_workspace(store, workspace_id)
        numbers = stats.of_workspace(store, workspace_id)
        page = events.page(store, workspace_id, limit=LATEST)
        people = users.by_ids(store, workspace_id, [event.user_id for event in page.rows if event.user_id])
        steps = first_steps.of(store, place, connection)
    return render_template(
        "workspace/overview.html",
        state=segment.state_of(connection),
        stats=numbers,
        latest=[(event, people.get(event.user_id or "")) for event in page.rows],
        steps=steps,
    )
