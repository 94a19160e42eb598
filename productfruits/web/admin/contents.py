"""Tours and checklists: the list, the editor with its preview, publishing, and the numbers."""

from collections.abc import Callable, Sequence
from typing import Final

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from productfruits.adoption import documents, starters
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.models import Content
from productfruits.services import contents, publishing
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.editor import controls, reading, rules
from productfruits.web.admin.gate import Place

#: The sections of the editor, with the fields of each; what a kind does not have is not shown.
SECTIONS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    ("content", "Content", ("name", "title", "body", "steps", "items", "completion")),
    ("look", "Look and behaviour", ("theme", "order", "launcher", "open", "dismissible")),
    ("audience", "Who sees it", ("targeting",)),
    ("time", "When and how often", ("start", "frequency", "priority", "schedule")),
    ("languages", "Languages", ("language", "translations")),
)
#: Refusals of a change that the page shows in words.
CANNOT: Final = (
    contents.Archived,
    publishing.NotArchived,
    publishing.NothingBefore,
    publishing.NothingToPublish,
    publishing.NotPublished,
)
VERSIONS_SHOWN: Final = 10
ALL: Final = "/w/<workspace>/content"
ONE: Final = f"{ALL}/<content_key>"


@gate.page(ALL, needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    status = request.args.get("status")
    status = status if status in contents.STATUSES else None
    with current_runtime().reading() as store:
        found = contents.page(store, place.workspace.id, status=status, cursor=request.args.get("after"))
    return render_template("content/index.html", found=found, status=status, starters=starters.every())


@gate.page(ALL, needs="editor", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.NewContent)
    try:
        document = starters.begin(said["starter"], key=said["key"], name=said["name"])
        with current_runtime().writing() as store:
            made = contents.create(store, place.workspace.id, document["kind"], document, gate.now())
            gate.record(store, place, "content.created", content=made.key)
    except (InvalidDocument, contents.KeyTaken) as err:
        flash(str(err), "error")
        return redirect(url_for("admin.contents_index", workspace=place.workspace.key), 303)
    return _to_editor(place, made.key)


@gate.page(ONE, needs="viewer")
def show(place: Place, content_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        return _editor(store, place, content, content.draft)


@gate.page(f"{ONE}/draft", needs="editor", methods=("POST",))
def save(place: Place, content_key: str) -> ResponseReturnValue:
    """Take the form: save it, or only draw it again after one of its buttons has changed it."""
    sent = request.form.copy()
    action = sent.get("do", "")
    runtime = current_runtime()
    with runtime.writing() as store:
        content = contents.held(store, place.workspace.id, content_key)
        schema = documents.SCHEMAS[content.kind]()
        reading.act_on_form(sent, action)
        document = {"kind": content.kind, "key": content.key, **reading.read_document(schema, sent)}
        reading.act(document, _with_language(action, sent.get("new_language", "")))
        if action:
            return _editor(store, place, content, document, saved=False)
        try:
            loaded = documents.load(content.kind, document)
            contents.save_draft(store, content, loaded, gate.now())
        except (InvalidDocument, contents.Archived) as err:
            problems = err.problems if isinstance(err, InvalidDocument) else [Problem((), str(err))]
            return _editor(store, place, content, document, problems, saved=False)
    if _is_background():
        answer = make_response(render_template("content/saved.html", content=content, problems=(), saved_at=gate.now()))
        answer.headers["HX-Trigger"] = "draft-saved"
        return answer
    flash("The draft is saved. Users see it once you publish it.", "success")
    return _to_editor(place, content_key)


@gate.page(f"{ONE}/publish", needs="editor", methods=("POST",))
def publish(place: Place, content_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        # What cannot be published is shown in the form, each problem at its place.
        content = contents.by_key(store, place.workspace.id, content_key)
        if problems := publishing.problems(store, content):
            return _editor(store, place, content, content.draft, problems)
    return _change(place, content_key, "content.published", _publish)


@gate.page(f"{ONE}/unpublish", needs="editor", methods=("POST",))
def unpublish(place: Place, content_key: str) -> ResponseReturnValue:
    return _change(place, content_key, "content.unpublished", _unpublish)


@gate.page(f"{ONE}/revert", needs="editor", methods=("POST",))
def revert(place: Place, content_key: str) -> ResponseReturnValue:
    return _change(place, content_key, "content.reverted", _go_back)


@gate.page(f"{ONE}/archive", needs="editor", methods=("POST",))
def archive(place: Place, content_key: str) -> ResponseReturnValue:
    return _change(place, content_key, "content.archived", _archive)


@gate.page(f"{ONE}/unarchive", needs="editor", methods=("POST",))
def unarchive(place: Place, content_key: str) -> ResponseReturnValue:
    return _change(place, content_key, "content.unarchived", _unarchive)


@gate.page(f"{ONE}/duplicate", needs="editor", methods=("POST",))
def duplicate(place: Place, content_key: str) -> ResponseReturnValue:
    said = forms.read(forms.NewKey)
    try:
        with current_runtime().writing() as store:
            original = contents.by_key(store, place.workspace.id, content_key)
            made = contents.duplicate(store, original, said["key"], gate.now())
            gate.record(store, place, "content.created", content=made.key, copied_from=content_key)
    except (InvalidDocument, contents.KeyTaken) as err:
        flash(str(err), "error")
        return _to_editor(place, content_key)
    flash("This is the copy. The original stays as it is.", "success")
    return _to_editor(place, said["key"])


def _publish(store: Session, content: Content, place: Place) -> str:
    number = publishing.publish(store, content, place.admin.email, gate.now())
    return f"Version {number} is live. Pages get it with their next question."


def _unpublish(store: Session, content: Content, place: Place) -> str:
    publishing.unpublish(store, content, gate.now())
    return "Users no longer see it."


def _go_back(store: Session, content: Content, place: Place) -> str:
    return f"Version {publishing.go_back(store, content, gate.now())} is live again."


def _archive(store: Session, content: Content, place: Place) -> str:
    publishing.archive(store, content, gate.now())
    return "It is in the archive: never shown, and kept for its numbers."


def _unarchive(store: Session, content: Content, place: Place) -> str:
    publishing.unarchive(store, content, gate.now())
    return "It is a draft again."


def _change(
    place: Place, content_key: str, action: str, change: Callable[[Session, Content, Place], str]
) -> ResponseReturnValue:
    try:
        with current_runtime().writing() as store:
            content = contents.held(store, place.workspace.id, content_key)
            said = change(store, content, place)
            gate.record(store, place, action, content=content_key)
    except CANNOT as err:
        flash(str(err), "warning")
    else:
        flash(said, "success")
    return _to_editor(place, content_key)


def _editor(
    store: Session,
    place: Place,
    content: Content,
    document: Document,
    problems: Sequence[Problem] = (),
    *,
    saved: bool = True,
) -> ResponseReturnValue:
    """The editor with the document in its form; for a script that changes the form, the form alone."""
    schema = documents.SCHEMAS[content.kind]()
    found = controls.of_document(schema, document, problems)
    view = {
        "content": content,
        "controls": found,
        "sections": [
            (name, title, [found[field] for field in fields if field in found]) for name, title, fields in SECTIONS
        ],
        "problems": problems,
        "saved": saved,
        "rule_kinds": rules.KINDS,
        "rule_matches": rules.MATCHES,
    }
    if _is_background():
        # Somebody is still typing: only what is wrong is told, and the form stays as it is.
        fragment = "content/fields.html" if request.form.get("do") else "content/saved.html"
        return render_template(fragment, **view)
    versions = contents.versions(store, content, limit=VERSIONS_SHOWN).rows
    return render_template("content/editor.html", versions=versions, **view), 422 if problems else 200


def _with_language(action: str, language: str) -> str:
    """The button for a new language says only what to do; which language stands in the field beside it."""
    return f"translate translations.{language.strip().replace('.', '')}" if action == "translate" else action


def _is_background() -> bool:
    return request.headers.get("HX-Request") == "true"


def _to_editor(place: Place, content_key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.contents_show", workspace=place.workspace.key, content_key=content_key), 303)
