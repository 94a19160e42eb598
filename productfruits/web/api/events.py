"""The stream of events over HTTP."""

from typing import Any

from productfruits.segment.jitsu import jitsu1, jitsu2
from productfruits.services import documents, events, users
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import schemas
from productfruits.web.api.endpoints import Caller, endpoint

FORMS = {"jitsu2": jitsu2, "jitsu1": jitsu1}


@endpoint("GET", "/events", query=schemas.EventsQuery, answer=schemas.StreamPage, refusals=(400,))
def list_events(caller: Caller, query: dict[str, Any]) -> Document:
    """List the events of all users and visitors.

    By receipt, last received first, so that late messages stand where a reader of the newest page sees them.
    """
    form = FORMS.get(query.pop("format", ""))
    with current_runtime().reading() as session:
        page = events.page(session, caller.workspace_id, **query)
        if form is None:
            return documents.page("events", page, documents.event_with_user)
        known = users.by_ids(session, caller.workspace_id, {row.user_id for row in page.rows if row.user_id})
        people = {user_id: documents.person(user) for user_id, user in known.items()}
        return documents.page(
            "events", page, lambda row: form(documents.message(row), people.get(row.user_id or "", {}))
        )
