"""How users fare in tours and checklists, over HTTP: numbers, one user's progress, and why something shows or not."""

from typing import Any

from marshmallow import Schema

from productfruits.services import audit, content_states, contents, documents, following_documents, funnels, users, why
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import following_schemas
from productfruits.web.api.endpoints import Caller, View, endpoint


@endpoint("GET", "/users/<user_id>/content", answer=following_schemas.ProgressList, refusals=(404,))
def list_user_content(caller: Caller, user_id: str) -> Document:
    """List what one user was shown.

    Every tour and checklist in which the user has a state, last shown first.
    """
    with current_runtime().reading() as session:
        user = users.get(session, caller.workspace_id, user_id)
        followed = content_states.of_user(session, caller.workspace_id, user.id)
        return {"content": [following_documents.followed(each) for each in followed]}


@endpoint(
    "GET",
    "/users/<user_id>/content/why",
    query=following_schemas.WhyQuery,
    answer=following_schemas.Explanations,
    refusals=(400, 404),
)
def explain_user_content(caller: Caller, user_id: str, query: dict[str, Any]) -> Document:
    """Explain what one user sees, and what not.

    Gate by gate, as if the page had proved who the user is. The codes and words are those of `productFruits.debug()`.
    """
    key = query.pop("key", None)
    with current_runtime().reading() as session:
        user = users.get(session, caller.workspace_id, user_id)
        keys = None if key is None else [contents.by_key(session, caller.workspace_id, key).key]
        explained = why.explain(session, caller.workspace_id, ("user", user.id), caller.now, keys=keys, **query)
        return {"content": [following_documents.explained(each) for each in explained]}


@endpoint(
    "POST",
    "/users/<user_id>/content/reset",
    body=following_schemas.Reset,
    answer=following_schemas.ResetDone,
    refusals=(400, 404, 413, 415),
)
def reset_user_content(caller: Caller, user_id: str, body: dict[str, Any]) -> Document:
    """Have one user begin anew.

    In one tour or checklist, or in all. The numbers stay, since they count what happened.
    """
    key = body.get("key")
    with current_runtime().writing() as session:
        content_id = None if key is None else contents.by_key(session, caller.workspace_id, key).id
        count = content_states.reset_user(session, caller.workspace_id, user_id, caller.now, content_id)
        _record(session, caller, "content.reset_for_user", {"user": user_id, "key": key})
        return {"reset": count}


def _register(kind: str, plural: str, answer: type[Schema]) -> None:
    """The endpoints of one kind. Its name stands for `{kind}` in what they say of themselves."""

    def register(method: str, path: str, view: View, **more: Any) -> None:
        view.__name__ = f"{view.__name__}_{kind}"
        view.__doc__ = (view.__doc__ or "").format(kind=kind)
        endpoint(method, f"/{plural}/<key>/{path}", **more)(view)

    def count(caller: Caller, key: str, query: dict[str, Any]) -> Document:
        """Count what became of a {kind}.

        Over all versions, in a range of time if one is given. Users and visitors count once each in `users`, every
        event in `total`; previews are not counted.
        """
        with current_runtime().reading() as session:
            content = contents.by_key(session, caller.workspace_id, key, kind)
            funnel = funnels.of_content(session, content, **query)
            return following_documents.funnel(content, funnel, content_states.counts(session, content))

    def reset(caller: Caller, key: str) -> Document:
        """Have everybody begin a {kind} anew.

        What users have done in it so far is void. The numbers stay, since they count what happened.
        """
        with current_runtime().writing() as session:
            content = contents.held(session, caller.workspace_id, key, kind)
            content_states.reset_everybody(session, content, caller.now)
            _record(session, caller, "content.reset", {"kind": kind, "key": key})
            return {"key": key, "reset_at": documents.instant(content.reset_at)}

    register("GET", "stats", count, query=following_schemas.Range, answer=answer, refusals=(400, 404))
    register("POST", "reset", reset, answer=following_schemas.ResetOfContent, refusals=(404,))


def _record(session: Any, caller: Caller, action: str, detail: dict[str, Any]) -> None:
    audit.record(
        session, workspace_id=caller.workspace_id, actor=caller.actor, action=action, now=caller.now, detail=detail
    )


_register("tour", "tours", following_schemas.TourStats)
_register("checklist", "checklists", following_schemas.ChecklistStats)
