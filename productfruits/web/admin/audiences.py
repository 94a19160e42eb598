"""Audiences: rules with a name, and whom they find."""

from functools import partial
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.adoption import documents
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.adoption.rules import HeavyAudience, parse
from productfruits.models import Audience
from productfruits.services import audiences, contents
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.editor import controls, reading, rules
from productfruits.web.admin.gate import Place

ALL: Final = "/w/<workspace>/audiences"
ONE: Final = f"{ALL}/<audience_key>"
#: What a new audience says: everybody who was seen in the last month.
BEGINNING: Final = {"kind": "computed", "name": "last_seen", "op": "in_last_days", "value": 30}
#: Users that the page names.
NAMED: Final = 10


@gate.page(ALL, needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        return render_template("audiences/index.html", audiences=audiences.every(store, place.workspace.id))


@gate.page(ALL, needs="editor", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.NewAudience)
    document = documents.load("audience", {"key": said["key"], "name": said["name"], "rule": BEGINNING})
    with current_runtime().writing() as store:
        audiences.create(store, place.workspace.id, document["key"], document["name"], document["rule"], gate.now())
        gate.record(store, place, "audience.created", audience=document["key"])
    return _to(place, document["key"])


@gate.page(ONE, needs="viewer")
def show(place: Place, audience_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        row = audiences.by_key(store, place.workspace.id, audience_key)
        return _page(store, place, audience_key, _document(row), ())


@gate.page(ONE, needs="editor", methods=("POST",))
def save(place: Place, audience_key: str) -> ResponseReturnValue:
    sent = request.form.copy()
    action = sent.get("do", "")
    reading.act_on_form(sent, action)
    document = reading.read_document(documents.SCHEMAS["audience"](), sent) | {"key": audience_key}
    runtime = current_runtime()
    problems: tuple[Problem, ...] = ()
    if not action:
        try:
            document = documents.load("audience", document)
        except InvalidDocument as err:
            problems = err.problems
    if action or problems:
        with runtime.reading() as store:
            audiences.by_key(store, place.workspace.id, audience_key)
            return _page(store, place, audience_key, document, problems)
    with runtime.writing() as store:
        audiences.change(
            store, place.workspace.id, audience_key, gate.now(), name=document["name"], rule=document["rule"]
        )
        gate.record(store, place, "audience.changed", audience=audience_key)
    flash("The audience is saved. Everything that refers to it follows at once.", "success")
    return _to(place, audience_key)


@gate.page(f"{ONE}/delete", needs="editor", methods=("POST",))
def delete(place: Place, audience_key: str) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        audiences.remove(store, place.workspace.id, audience_key)
        gate.record(store, place, "audience.deleted", audience=audience_key)
    flash("The audience is deleted.", "success")
    return redirect(url_for("admin.audiences_index", workspace=place.workspace.key), 303)


@gate.page(f"{ONE}/members", needs="viewer", background=True)
def members(place: Place, audience_key: str) -> ResponseReturnValue:
    """Whom the audience finds. Asked for by the page itself, since counting may take a moment."""
    with current_runtime().reading() as store:
        row = audiences.by_key(store, place.workspace.id, audience_key)
        return found(store, place, row.rule, named=True)


@gate.page("/w/<workspace>/content/<content_key>/audience", needs="viewer", background=True)
def of_content(place: Place, content_key: str) -> ResponseReturnValue:
    """How many users the targeting of the draft finds."""
    with current_runtime().reading() as store:
        content = contents.by_key(store, place.workspace.id, content_key)
        return found(store, place, content.draft["targeting"], named=False)


def found(store: Any, place: Place, document: Any, *, named: bool) -> ResponseReturnValue:
    """The number of users whom a rule finds, and the first of them."""
    rule = parse(document)
    try:
        size = audiences.count(store, place.workspace.id, rule, gate.now())
        first = audiences.matching(store, place.workspace.id, rule, gate.now(), limit=NAMED).rows if named else []
    except (audiences.LeadsNowhere, audiences.TookTooLong, HeavyAudience) as err:
        return render_template("audiences/found.html", refusal=str(err))
    return render_template("audiences/found.html", size=size, first=first, asks_the_page=rule.asks_the_page())


def _document(row: Audience) -> Document:
    return {"key": row.key, "name": row.name, "rule": row.rule}


def _page(
    store: Any, place: Place, audience_key: str, document: Document, problems: tuple[Problem, ...]
) -> ResponseReturnValue:
    view: dict[str, Any] = {
        "audience_key": audience_key,
        "name": document.get("name", audience_key),
        "controls": list(controls.of_document(documents.SCHEMAS["audience"](), document, problems).values()),
        "problems": problems,
        "input_of": partial(rules.input_of, document),
        "rule_kinds": {kind: words for kind, words in rules.KINDS.items() if kind not in rules.OF_PAGES},
        "rule_matches": rules.MATCHES,
        "offers": {
            "contents": [content.key for content in contents.every(store, place.workspace.id)],
            "audiences": [audience.key for audience in audiences.every(store, place.workspace.id)],
        },
        "save_url": url_for("admin.audiences_save", workspace=place.workspace.key, audience_key=audience_key),
    }
    template = "audiences/fields.html" if request.headers.get("HX-Request") == "true" else "audiences/show.html"
    return render_template(template, **view), 422 if problems else 200


def _to(place: Place, audience_key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.audiences_show", workspace=place.workspace.key, audience_key=audience_key), 303)
