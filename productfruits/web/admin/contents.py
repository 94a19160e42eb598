"""Tours and checklists: the list, the editor with its preview, publishing, and the numbers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.adoption import documents
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.models import Content
from productfruits.services import audiences, content_states, contents, previews, publishing, starters, themes
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.editor import blank, controls, reading, rules
from productfruits.web.admin.gate import Place

#: The sections of the editor, with the fields of each; what a kind does not have is not shown.
SECTIONS: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    ("content", "Content", ("name", "title", "body", "steps", "items", "completion")),
    ("look", "Look and behaviour", ("theme", "order", "launcher", "open", "dismissible")),
    ("audience", "Who sees it", ("targeting",)),
    ("time", "When and how often", ("start", "frequency", "priority", "schedule")),
    ("languages", "Languages", ("language", "translations")),
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
        counts = content_states.counts_by_content(store, found.rows)
    return render_template("content/index.html", found=found, status=status, counts=counts)


@gate.page(ALL, needs="editor", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.NewContent)
    document = blank.document(said["kind"], said["key"], said["name"])
    with current_runtime().writing() as store:
        contents.create(store, place.workspace.id, document["kind"], document, gate.now())
        gate.record(store, place, "content.created", content=document["key"])
    return _to_editor(place, document["key"])


@gate.page(f"{ALL}/starters", needs="editor", methods=("POST",))
def add_starters(place: Place) -> ResponseReturnValue:
    """Make and publish the tour and the checklist that ship with the product; they show in the demo app alone."""
    with current_runtime().writing() as store:
        starters.add(store, place.workspace.id, actor=place.admin.email, now=gate.now())
        gate.record(store, place, "content.starters_added")
    flash("A tour and a checklist are live in the demo app. Open it, and see them run.", "success")
    return redirect(url_for("admin.contents_index", workspace=place.workspace.key), 303)


@gate.page(ONE, needs="viewer")
def show(place: Place, content_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        return _page(store, content, _view(store, place, content, content.draft, ()))


@gate.page(f"{ONE}/draft", needs="editor", methods=("POST",))
def save(place: Place, content_key: str) -> ResponseReturnValue:
    """Take the form and save what it says, if that is a document. A button (`do`) changes the form first."""
    sent = request.form.copy()
    action = sent.get("do", "")
    problems: Sequence[Problem] = ()
    with current_runtime().writing() as store:
        content = contents.held(store, place.workspace.id, content_key)
        reading.act_on_form(sent, action)
        document = reading.read_document(documents.SCHEMAS[content.kind](), sent)
        document |= {"kind": content.kind, "key": content.key}
        reading.act(document, _with_language(action, sent.get("new_language", "")))
        try:
            document = documents.load(content.kind, document)
            contents.save_draft(store, content, document, gate.now())
        except InvalidDocument as err:
            problems = err.problems
        except contents.Archived as err:
            problems = (Problem((), str(err)),)
    if not _is_background() and not action and not problems:
        flash("The draft is saved. Users see it once you publish it.", "success")
        return _to_editor(place, content_key)
    # A new part of the form is empty: that it is not complete yet needs no telling before anybody has typed.
    told = () if action else problems
    with current_runtime().reading() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        view = _view(store, place, content, document, told, saved=not problems)
        if not _is_background():
            return _page(store, content, view, 422 if told else 200)
    answer = make_response(render_template("content/fields.html" if action else "content/saved.html", **view))
    if not problems:
        answer.headers["HX-Trigger"] = "draft-saved"
    return answer


@gate.page(f"{ONE}/publish", needs="editor", methods=("POST",))
def publish(place: Place, content_key: str) -> ResponseReturnValue:
    try:
        return _change(place, content_key, "content.published", _publish)
    except publishing.NotPublishable as err:
        # Shown in the form, each problem at its place.
        with current_runtime().reading() as store:
            content = contents.by_key(store, place.workspace.id, content_key)
            return _page(store, content, _view(store, place, content, content.draft, err.problems), 422)


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
    with current_runtime().writing() as store:
        original = contents.by_key(store, place.workspace.id, content_key)
        contents.duplicate(store, original, said["key"], gate.now())
        gate.record(store, place, "content.created", content=said["key"], copied_from=content_key)
    flash("This is the copy. The original stays as it is.", "success")
    return _to_editor(place, said["key"])


@gate.page(f"{ONE}/preview-link", needs="editor", methods=("POST",))
def preview_link(place: Place, content_key: str) -> ResponseReturnValue:
    """A link that shows the draft once in the customer's own app."""
    page = forms.read(forms.Preview)["page"]
    with current_runtime().writing() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        gate.record(store, place, "content.preview_link_made", content=content_key)
        view = _view(store, place, content, content.draft, ())
        link = previews.link(page, content, gate.secret_key(), gate.now())
        return _page(store, content, view | {"preview_link": link})


def _publish(store: Any, content: Content, place: Place) -> str:
    number = publishing.publish(store, content, place.admin.email, gate.now())
    return f"Version {number} is live. Pages get it with their next question."


def _unpublish(store: Any, content: Content, place: Place) -> str:
    publishing.unpublish(store, content, gate.now())
    return "Users no longer see it."


def _go_back(store: Any, content: Content, place: Place) -> str:
    return f"Version {publishing.go_back(store, content, gate.now())} is live again."


def _archive(store: Any, content: Content, place: Place) -> str:
    publishing.archive(store, content, gate.now())
    return "It is in the archive: never shown, and kept for its numbers."


def _unarchive(store: Any, content: Content, place: Place) -> str:
    publishing.unarchive(store, content, gate.now())
    return "It is a draft again."


def _change(
    place: Place, content_key: str, action: str, change: Callable[[Any, Content, Place], str]
) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        content = contents.held(store, place.workspace.id, content_key)
        said = change(store, content, place)
        gate.record(store, place, action, content=content_key)
    flash(said, "success")
    return _to_editor(place, content_key)


def _view(
    store: Any, place: Place, content: Content, document: Document, problems: Sequence[Problem], *, saved: bool = False
) -> dict[str, Any]:
    """What the editor shows of a document: the one that is stored, or one that is still in somebody's form."""
    found = controls.of_document(documents.SCHEMAS[content.kind](), document, problems)
    others = contents.every(store, content.workspace_id)
    return {
        "content": content,
        "save_url": url_for("admin.contents_save", workspace=place.workspace.key, content_key=content.key),
        "sections": [
            (name, title, [found[field] for field in fields if field in found]) for name, title, fields in SECTIONS
        ],
        "problems": problems,
        "input_of": partial(rules.input_of, document),
        "saved_at": gate.now() if saved else None,
        "preview_url": _preview_url(place, content),
        "redrawn": _is_background(),
        "rule_kinds": rules.KINDS,
        "rule_matches": rules.MATCHES,
        "offers": {
            "tours": [other.key for other in others if other.kind == "tour"],
            "checklists": [other.key for other in others if other.kind == "checklist"],
            "contents": [other.key for other in others],
            "audiences": [audience.key for audience in audiences.every(store, content.workspace_id)],
            "themes": [theme.key for theme in themes.every(store, content.workspace_id)],
        },
    }


def _preview_url(place: Place, content: Content) -> str:
    """The demo app with the draft in it and nothing else."""
    demo = url_for("admin.demo_show", workspace=place.workspace.key)
    return previews.with_pass(demo, content, gate.secret_key(), gate.now())


def _page(store: Any, content: Content, view: dict[str, Any], status: int = 200) -> ResponseReturnValue:
    versions = contents.versions(store, content, limit=VERSIONS_SHOWN).rows
    return render_template("content/editor.html", versions=versions, **view), status


def _with_language(action: str, language: str) -> str:
    """The button for a new language says only what to do; which language stands in the field beside it."""
    return f"translate translations.{language.strip().replace('.', '')}" if action == "translate" else action


def _is_background() -> bool:
    return request.headers.get("HX-Request") == "true"


def _to_editor(place: Place, content_key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.contents_show", workspace=place.workspace.key, content_key=content_key), 303)
