"""Groups, numbers, conflicts and refusals of a workspace over HTTP."""

from typing import Any

from productfruits.services import conflicts, documents, groups, rejections, stats
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import schemas
from productfruits.web.api.endpoints import Caller, endpoint


@endpoint("GET", "/groups/<path:group_id>", answer=schemas.Group, refusals=(404,))
def show_group(caller: Caller, group_id: str) -> Document:
    """Show one group with its members."""
    with current_runtime().reading() as session:
        group = groups.show(session, caller.workspace_id, group_id)
        return documents.group(group, groups.members(session, caller.workspace_id, group.group_id))


@endpoint("GET", "/stats", answer=schemas.Stats)
def show_stats(caller: Caller) -> Document:
    """Count users, visitors and events."""
    with current_runtime().reading() as session:
        return documents.stats(stats.of_workspace(session, caller.workspace_id))


@endpoint("GET", "/conflicts", query=schemas.Query, answer=schemas.ConflictPage, refusals=(400,))
def list_conflicts(caller: Caller, query: dict[str, Any]) -> Document:
    """List conflicts between users.

    Newest first, resolved ones too. An admin merges or dismisses them in the admin pages.
    """
    with current_runtime().reading() as session:
        return documents.page("conflicts", conflicts.page(session, caller.workspace_id, **query), documents.conflict)


@endpoint("GET", "/rejections", query=schemas.Query, answer=schemas.RejectionPage, refusals=(400,))
def list_rejections(caller: Caller, query: dict[str, Any]) -> Document:
    """List what was refused.

    The newest 200 are kept, newest first, without bodies and secrets.
    """
    with current_runtime().reading() as session:
        page = rejections.page(session, caller.workspace_id, **query)
        return documents.page("rejections", page, documents.rejection)
