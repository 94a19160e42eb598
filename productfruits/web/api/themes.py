"""Themes over HTTP. A theme has no draft: what is saved is seen at once."""

from typing import Any

from productfruits.adoption.themes import Theme
from productfruits.services import audit, themes
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api.content_schemas import Removed, ThemeList
from productfruits.web.api.endpoints import Caller, endpoint
from productfruits.web.api.refusals import BadRequest


@endpoint("GET", "/themes", answer=ThemeList)
def list_themes(caller: Caller) -> Document:
    """List all themes."""
    with current_runtime().reading() as session:
        return {"themes": [themes.document(row) for row in themes.every(session, caller.workspace_id)]}


@endpoint("POST", "/themes", body=Theme, answer=Theme, refusals=(400, 409, 413, 415))
def create_theme(caller: Caller, body: Document) -> Document:
    """Make a theme.

    Colours that cannot be read on each other are refused. With `default` it is that of all content that names none.
    """
    with current_runtime().writing() as session:
        row = themes.create(session, caller.workspace_id, body, caller.now)
        _record(session, caller, "theme.created", row.key)
        return themes.document(row)


@endpoint("GET", "/themes/<key>", answer=Theme, refusals=(404,))
def show_theme(caller: Caller, key: str) -> Document:
    """Show one theme."""
    with current_runtime().reading() as session:
        return themes.document(themes.by_key(session, caller.workspace_id, key))


@endpoint("PUT", "/themes/<key>", body=Theme, answer=Theme, refusals=(400, 404, 413, 415))
def save_theme(caller: Caller, key: str, body: Document) -> Document:
    """Replace a theme.

    All content that has it looks like this at once. The key cannot change.
    """
    if body["key"] != key:
        raise BadRequest({"key": [f"The key never changes: here it is {key}."]}, "body")
    with current_runtime().writing() as session:
        row = themes.change(session, themes.by_key(session, caller.workspace_id, key), body, caller.now)
        _record(session, caller, "theme.changed", key)
        return themes.document(row)


@endpoint("DELETE", "/themes/<key>", answer=Removed, refusals=(404, 409))
def delete_theme(caller: Caller, key: str) -> Document:
    """Delete a theme that no published content names."""
    with current_runtime().writing() as session:
        themes.remove(session, themes.by_key(session, caller.workspace_id, key))
        _record(session, caller, "theme.deleted", key)
        return {"deleted": key}


def _record(session: Any, caller: Caller, action: str, key: str) -> None:
    audit.record(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        action=action,
        now=caller.now,
        detail={"key": key},
    )
