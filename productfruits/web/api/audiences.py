"""Saved audiences over HTTP, and how many users a rule finds."""

from typing import Any

from productfruits.adoption import rules
from productfruits.adoption.audiences import AudienceDocument
from productfruits.services import audiences, audit, documents, users
from productfruits.services.documents import Document
from productfruits.services.pages import Page
from productfruits.web import current_runtime
from productfruits.web.api.audience_schemas import (
    Audience,
    AudiencePage,
    RuleBody,
    UserCount,
)
from productfruits.web.api.content_schemas import Removed
from productfruits.web.api.endpoints import Caller, endpoint
from productfruits.web.api.refusals import BadRequest
from productfruits.web.api.schemas import Query, UserPage


@endpoint("GET", "/audiences", query=Query, answer=AudiencePage, refusals=(400,))
def list_audiences(caller: Caller, query: dict[str, Any]) -> Document:
    """List saved audiences."""
    with current_runtime().reading() as session:
        return documents.page("audiences", audiences.page(session, caller.workspace_id, **query), documents.audience)


@endpoint("POST", "/audiences", body=AudienceDocument, answer=Audience, refusals=(400, 409, 413, 415))
def create_audience(caller: Caller, body: Document) -> Document:
    """Save an audience.

    Its rule may refer to other audiences, not in a circle.
    """
    with current_runtime().writing() as session:
        row = audiences.create(session, caller.workspace_id, body["key"], body["name"], body["rule"], caller.now)
        _record(session, caller, "audience.created", row.key)
        return documents.audience(row)


@endpoint("POST", "/audiences/count", body=RuleBody, answer=UserCount, refusals=(400, 413, 415))
def count_users(caller: Caller, body: Document) -> Document:
    """Count the users whom a rule finds.

    The rule need not be saved. Conditions on pages are left out: whoever would meet the rule on some page counts.
    """
    with current_runtime().reading() as session:
        found = audiences.count(session, caller.workspace_id, rules.parse(body["rule"]), caller.now)
        return {"users": found.users}


@endpoint("GET", "/audiences/<key>", answer=Audience, refusals=(404,))
def show_audience(caller: Caller, key: str) -> Document:
    """Show one audience."""
    with current_runtime().reading() as session:
        return documents.audience(audiences.by_key(session, caller.workspace_id, key))


@endpoint("PUT", "/audiences/<key>", body=AudienceDocument, answer=Audience, refusals=(400, 404, 413, 415))
def save_audience(caller: Caller, key: str, body: Document) -> Document:
    """Replace an audience.

    All content aimed at it follows at once. The key cannot change.
    """
    if body["key"] != key:
        raise BadRequest({"key": [f"The key never changes: here it is {key}."]}, "body")
    with current_runtime().writing() as session:
        row = audiences.change(session, caller.workspace_id, key, caller.now, name=body["name"], rule=body["rule"])
        _record(session, caller, "audience.changed", key)
        return documents.audience(row)


@endpoint("DELETE", "/audiences/<key>", answer=Removed, refusals=(404, 409))
def delete_audience(caller: Caller, key: str) -> Document:
    """Delete an audience that no published content and no other audience refers to."""
    with current_runtime().writing() as session:
        audiences.remove(session, caller.workspace_id, key)
        _record(session, caller, "audience.deleted", key)
        return {"deleted": key}


@endpoint("GET", "/audiences/<key>/users", query=Query, answer=UserPage, refusals=(400, 404))
def list_matching_users(caller: Caller, key: str, query: dict[str, Any]) -> Document:
    """List the users who are in an audience now."""
    with current_runtime().reading() as session:
        rule = rules.parse(audiences.by_key(session, caller.workspace_id, key).rule)
        page = audiences.matching(session, caller.workspace_id, rule, caller.now, **query)
        known = users.with_aliases(session, caller.workspace_id, page.rows)
        return documents.page("users", Page(known, page.next_cursor), documents.user)


def _record(session: Any, caller: Caller, action: str, key: str) -> None:
    audit.record(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        action=action,
        now=caller.now,
        detail={"key": key},
    )
