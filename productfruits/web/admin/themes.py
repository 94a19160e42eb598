"""Themes: how tours and checklists look."""

from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from productfruits.adoption import documents
from productfruits.adoption.documents import Document, InvalidDocument, Problem
from productfruits.services import themes
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate
from productfruits.web.admin.editor import controls, reading
from productfruits.web.admin.gate import Place

ALL: Final = "/w/<workspace>/settings/themes"
ONE: Final = f"{ALL}/<theme_key>"


@gate.page(ALL, needs="viewer")
def index(place: Place) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        return render_template("themes/index.html", themes=themes.every(store, place.workspace.id))


@gate.page(ALL, needs="editor", methods=("POST",))
def create(place: Place) -> ResponseReturnValue:
    said = forms.read(forms.NewTheme)
    document = documents.load("theme", {"key": said["key"], "name": said["name"]})
    with current_runtime().writing() as store:
        themes.create(store, place.workspace.id, document, gate.now())
        gate.record(store, place, "theme.created", theme=document["key"])
    return _to(place, document["key"])


@gate.page(ONE, needs="viewer")
def show(place: Place, theme_key: str) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        row = themes.by_key(store, place.workspace.id, theme_key)
        return _page(place, theme_key, themes.document(row), ())


@gate.page(ONE, needs="editor", methods=("POST",))
def save(place: Place, theme_key: str) -> ResponseReturnValue:
    said = reading.read_document(documents.SCHEMAS["theme"](), request.form) | {"key": theme_key}
    with current_runtime().writing() as store:
        row = themes.by_key(store, place.workspace.id, theme_key)
        try:
            document = documents.load("theme", said)
        except InvalidDocument as err:
            return _page(place, theme_key, said, err.problems)
        themes.change(store, row, document, gate.now())
        gate.record(store, place, "theme.changed", theme=theme_key)
    flash("The theme is saved. Everything that has it looks so from the next page on.", "success")
    return _to(place, theme_key)


@gate.page(f"{ONE}/delete", needs="editor", methods=("POST",))
def delete(place: Place, theme_key: str) -> ResponseReturnValue:
    with current_runtime().writing() as store:
        themes.remove(store, themes.by_key(store, place.workspace.id, theme_key))
        gate.record(store, place, "theme.deleted", theme=theme_key)
    flash("The theme is deleted.", "success")
    return redirect(url_for("admin.themes_index", workspace=place.workspace.key), 303)


def _page(place: Place, theme_key: str, document: Document, problems: tuple[Problem, ...]) -> ResponseReturnValue:
    view: dict[str, Any] = {
        "theme_key": theme_key,
        "name": document.get("name", theme_key),
        "controls": list(controls.of_document(documents.SCHEMAS["theme"](), document, problems).values()),
        "problems": problems,
        "save_url": url_for("admin.themes_save", workspace=place.workspace.key, theme_key=theme_key),
    }
    return render_template("themes/show.html", **view), 422 if problems else 200


def _to(place: Place, theme_key: str) -> ResponseReturnValue:
    return redirect(url_for("admin.themes_show", workspace=place.workspace.key, theme_key=theme_key), 303)
