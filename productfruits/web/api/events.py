"""The stream of events over HTTP."""

from typing import Any

from productfruits.services import documents, events
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import schemas
from productfruits.web.api.endpoints import Caller, endpoint


@endpoint("GET", "/events", query=schemas.Query, answer=schemas.StreamPage, refusals=(400,))
def list_events(caller: Caller, query: dict[str, Any]) -> Document:
    """List the events of all users and visitors.

    By receipt, last received first, so that late messages stand where a reader of the newest page sees them.
    """
    with current_runtime().reading() as session:
        page = events.page(session, caller.workspace_id, **query)
        return documents.page("events", page, documents.event_with_user)
