"""Users over HTTP."""

import dataclasses
from typing import Any

from productfruits.services import audit, documents, erasure, events, user_changes, users
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import schemas
from productfruits.web.api.endpoints import Caller, endpoint


@endpoint("GET", "/users", query=schemas.UsersQuery, answer=schemas.UserPage, refusals=(400,))
def list_users(caller: Caller, query: dict[str, Any]) -> Document:
    """List or find users.

    In the order in which they were made, so that walking all pages misses nobody.
    """
    with current_runtime().reading() as session:
        return documents.page("users", users.page(session, caller.workspace_id, **query), documents.user)


@endpoint("GET", "/users/<user_id>", answer=schemas.User, refusals=(404,))
def show_user(caller: Caller, user_id: str) -> Document:
    """Show one user."""
    with current_runtime().reading() as session:
        return documents.user(users.show(session, caller.workspace_id, user_id))


@endpoint("PATCH", "/users/<user_id>", body=schemas.UserChange, answer=schemas.User, refusals=(400, 404, 409, 413, 415))
def change_user(caller: Caller, user_id: str, body: dict[str, Any]) -> Document:
    """Change traits, e-mail or username.

    What is set counts as said now: messages with an older time do not undo it. An e-mail or id of another user is
    refused with 409.
    """
    with current_runtime().writing() as session:
        changed = user_changes.change(session, caller.workspace_id, user_id, body, caller.now)
        _record(session, caller, "user.changed", {"user": user_id, "fields": sorted(body)})
        return documents.user(changed)


@endpoint("DELETE", "/users/<user_id>", answer=schemas.Erasure, refusals=(404,))
def erase_user(caller: Caller, user_id: str) -> Document:
    """Erase one user and everything stored about the person.

    Events, ids and memberships go too. Messages about the person with an older time are dropped from now on. This
    cannot be undone.
    """
    with current_runtime().writing() as session:
        erased = erasure.erase(session, caller.workspace_id, user_id, "api", caller.now)
        _record(session, caller, "user.erased", {"events": erased.events})
    return {"erased": dataclasses.asdict(erased)}


@endpoint("DELETE", "/users/by-username/<path:username>", answer=schemas.Erasure, refusals=(404,))
def erase_user_by_username(caller: Caller, username: str) -> Document:
    """Erase one user by the id in your own database.

    The same as by our id. A former or aliased id finds the user as well.
    """
    with current_runtime().reading() as session:
        user = users.find(session, caller.workspace_id, username=username)
    if user is None:
        raise users.NoSuchUser()
    return erase_user(caller, user.id)


@endpoint("GET", "/users/<user_id>/events", query=schemas.Query, answer=schemas.EventPage, refusals=(400, 404))
def list_user_events(caller: Caller, user_id: str, query: dict[str, Any]) -> Document:
    """List the events of one user.

    By the time at which they happened, newest first; those of anonymous ids that joined the user are among them.
    """
    with current_runtime().reading() as session:
        user = users.get(session, caller.workspace_id, user_id)
        return documents.page("events", events.of_user(session, caller.workspace_id, user.id, **query), documents.event)


def _record(session: Any, caller: Caller, action: str, detail: dict[str, Any]) -> None:
    audit.record(
        session, workspace_id=caller.workspace_id, actor=caller.actor, action=action, now=caller.now, detail=detail
    )
