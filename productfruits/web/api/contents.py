"""Tours and checklists over HTTP: the same endpoints for both, registered once for each."""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from productfruits.adoption.checklists import Checklist
from productfruits.adoption.tours import Tour
from productfruits.models import Content
from productfruits.services import audit, contents, documents, publishing
from productfruits.services.documents import Document
from productfruits.web import current_runtime
from productfruits.web.api import content_schemas, schemas
from productfruits.web.api.endpoints import Caller, View, endpoint
from productfruits.web.api.refusals import BadRequest


def _register(
    kind: str, plural: str, document: type[Schema], stored: type[Schema], listed: type[Schema], published: type[Schema]
) -> None:
    """The endpoints of one kind. Its name stands for `{kind}` and `{plural}` in what they say of themselves."""
    one = f"/{plural}/<key>"

    def register(method: str, path: str, view: View, **more: Any) -> None:
        view.__name__ = f"{view.__name__}_{kind}"
        view.__doc__ = (view.__doc__ or "").format(kind=kind, plural=plural)
        endpoint(method, path, **more)(view)

    def list_(caller: Caller, query: dict[str, Any]) -> Document:
        """List {plural}.

        In the order in which they were made; archived ones only when asked for by `status`.
        """
        with current_runtime().reading() as session:
            page = contents.page(session, caller.workspace_id, kind=kind, **query)
            return documents.page(plural, page, documents.content)

    def create(caller: Caller, body: Document) -> Document:
        """Make a {kind}.

        It is a draft, which nobody sees until it is published.
        """
        with current_runtime().writing() as session:
            content = contents.create(session, caller.workspace_id, kind, body, caller.now)
            _record(session, caller, "content.created", content)
            return documents.content_with_draft(content)

    def show(caller: Caller, key: str) -> Document:
        """Show one {kind} with its draft."""
        with current_runtime().reading() as session:
            return documents.content_with_draft(contents.by_key(session, caller.workspace_id, key, kind))

    def save(caller: Caller, key: str, body: Document) -> Document:
        """Replace the draft of a {kind}.

        Users go on seeing what was published until the draft is published too. The key cannot change.
        """
        if body["key"] != key:
            raise BadRequest({"key": [f"The key never changes: here it is {key}."]}, "body")
        with current_runtime().writing() as session:
            content = contents.held(session, caller.workspace_id, key, kind)
            if contents.save_draft(session, content, body, caller.now):
                _record(session, caller, "content.changed", content)
            return documents.content_with_draft(content)

    def delete(caller: Caller, key: str) -> Document:
        """Delete a {kind} that users do not see.

        Its versions and the state of every user in it go too, and its numbers with them. This cannot be undone; the
        archive keeps them.
        """
        with current_runtime().writing() as session:
            content = contents.held(session, caller.workspace_id, key, kind)
            contents.remove(session, content)
            _record(session, caller, "content.deleted", content)
            return {"deleted": key}

    def publish(caller: Caller, key: str) -> Document:
        """Publish the draft of a {kind}.

        Users see it from now on, as a new version. What it refers to must be there.
        """
        return _changed(
            caller,
            kind,
            key,
            "content.published",
            lambda session, content: publishing.publish(session, content, caller.actor, caller.now),
        )

    def unpublish(caller: Caller, key: str) -> Document:
        """Take a {kind} away from its users."""
        return _changed(
            caller,
            kind,
            key,
            "content.unpublished",
            lambda session, content: publishing.unpublish(session, content, caller.now),
        )

    def revert(caller: Caller, key: str) -> Document:
        """Go back to the version that users of a {kind} saw before.

        The draft stays as it is. A second time leads forward again.
        """
        return _changed(
            caller,
            kind,
            key,
            "content.reverted",
            lambda session, content: publishing.go_back(session, content, caller.now),
        )

    def archive(caller: Caller, key: str) -> Document:
        """Archive a {kind}.

        It is in no list and never shown, and its numbers are kept.
        """
        return _changed(
            caller,
            kind,
            key,
            "content.archived",
            lambda session, content: publishing.archive(session, content, caller.now),
        )

    def unarchive(caller: Caller, key: str) -> Document:
        """Take a {kind} out of the archive.

        It is a draft then.
        """
        return _changed(
            caller,
            kind,
            key,
            "content.unarchived",
            lambda session, content: publishing.unarchive(session, content, caller.now),
        )

    def duplicate(caller: Caller, key: str, body: dict[str, Any]) -> Document:
        """Copy a {kind} under another key.

        The copy is a draft that says what the draft of the original says.
        """
        with current_runtime().writing() as session:
            original = contents.by_key(session, caller.workspace_id, key, kind)
            content = contents.duplicate(session, original, body["key"], caller.now, body.get("name"))
            _record(session, caller, "content.created", content)
            return documents.content_with_draft(content)

    def list_versions(caller: Caller, key: str, query: dict[str, Any]) -> Document:
        """List the versions of a {kind}.

        Newest first. A version never changes.
        """
        with current_runtime().reading() as session:
            content = contents.by_key(session, caller.workspace_id, key, kind)
            return documents.page("versions", contents.versions(session, content, **query), documents.version)

    def show_version(caller: Caller, key: str, number: int) -> Document:
        """Show one version of a {kind}."""
        with current_runtime().reading() as session:
            content = contents.by_key(session, caller.workspace_id, key, kind)
            return documents.version_with_document(contents.version(session, caller.workspace_id, content.id, number))

    register("GET", f"/{plural}", list_, query=content_schemas.ContentsQuery, answer=listed, refusals=(400,))
    register("POST", f"/{plural}", create, body=document, answer=stored, refusals=(400, 409, 413, 415))
    register("GET", one, show, answer=stored, refusals=(404,))
    register("PUT", one, save, body=document, answer=stored, refusals=(400, 404, 409, 413, 415))
    register("DELETE", one, delete, answer=content_schemas.Removed, refusals=(404, 409))
    for view in (publish, unpublish, revert, archive, unarchive):
        register("POST", f"{one}/{view.__name__}", view, answer=stored, refusals=(404, 409))
    register(
        "POST",
        f"{one}/duplicate",
        duplicate,
        body=content_schemas.Copy,
        answer=stored,
        refusals=(400, 404, 409, 413, 415),
    )
    register(
        "GET",
        f"{one}/versions",
        list_versions,
        query=schemas.Query,
        answer=content_schemas.VersionPage,
        refusals=(400, 404),
    )
    register("GET", f"{one}/versions/<int:number>", show_version, answer=published, refusals=(404,))


def _changed(caller: Caller, kind: str, key: str, action: str, change: Callable[[Any, Content], object]) -> Document:
    with current_runtime().writing() as session:
        content = contents.held(session, caller.workspace_id, key, kind)
        change(session, content)
        _record(session, caller, action, content)
        return documents.content_with_draft(content)


def _record(session: Any, caller: Caller, action: str, content: Content) -> None:
    audit.record(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        action=action,
        now=caller.now,
        detail={"kind": content.kind, "key": content.key, "version": content.published_version},
    )


_register("tour", "tours", Tour, content_schemas.StoredTour, content_schemas.TourList, content_schemas.TourVersion)
_register(
    "checklist",
    "checklists",
    Checklist,
    content_schemas.StoredChecklist,
    content_schemas.ChecklistList,
    content_schemas.ChecklistVersion,
)
