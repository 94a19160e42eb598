"""What stands around every page: who is logged in, the workspaces to switch to, open conflicts."""

from productfruits import __version__
from productfruits.services import admins, conflicts, destinations
from productfruits.web import current_runtime
from productfruits.web.admin import gate


@gate.bp.context_processor
def values() -> dict[str, object]:
    """For each template of this room; without an admin only what the pages before the login need."""
    admin = gate.current_admin()
    place = gate.current_place()
    if admin is None:
        return {"me": None, "place": None, "version": __version__}
    with current_runtime().reading() as store:
        return {
            "me": admin,
            "place": place,
            "version": __version__,
            "my_memberships": admins.memberships(store, admin.id),
            "may_create_workspaces": admins.owns_any(store, admin.id),
            "open_conflicts": conflicts.count_open(store, place.workspace.id) if place else 0,
            "stopped_destinations": destinations.stopped(store, place.workspace.id) if place else 0,
        }
