"""The audit log of a workspace."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from productfruits.services import audit
from productfruits.web import current_runtime
from productfruits.web.admin import gate
from productfruits.web.admin.gate import Place

LISTED = 50


@gate.page("/w/<workspace>/settings/audit", needs="owner")
def index(place: Place) -> ResponseReturnValue:
    after = request.args.get("after", type=int)
    if after is not None and not 0 <= after < 2**63:
        after = None
    with current_runtime().reading() as store:
        entries = audit.newest(store, place.workspace.id, LISTED + 1, before_id=after)
    shown = entries[:LISTED]
    return render_template(
        "settings/history.html", entries=shown, next_cursor=shown[-1].id if len(entries) > LISTED else None
    )
