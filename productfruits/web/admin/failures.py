"""What people see when a page says no: what happened, why, what to do."""

from flask import Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from productfruits.errors import ProductFruitsError
from productfruits.services import (
    admins,
    api_keys,
    audiences,
    conflicts,
    connections,
    contents,
    destinations,
    functions,
    identity_secrets,
    redelivery,
    same_person,
    themes,
    users,
    workspaces,
)
from productfruits.services.pages import InvalidCursor
from productfruits.web.admin import gate

#: Ids in an address that lead nowhere in this workspace: the same 404 for "never was" and "somebody else's".
MISSING = (
    admins.NoSuchAdmin,
    api_keys.NoSuchApiKey,
    audiences.NoSuchAudience,
    conflicts.NoSuchConflict,
    connections.NoSuchSecret,
    contents.NoSuchContent,
    identity_secrets.NoSuchSecret,
    destinations.NoSuchDestination,
    redelivery.NoSuchDelivery,
    same_person.NoSuchAlias,
    themes.NoSuchTheme,
    functions.NoSuchFunction,
    functions.NoSuchInstance,
    functions.NoSuchVersion,
    users.NoSuchUser,
    workspaces.NoSuchWorkspace,
    InvalidCursor,
)
WORDS = {
    400: (
        "That did not work",
        "The form was not complete or did not come from this page. Go back, reload and try again.",
    ),
    403: ("Not allowed", "You do not have the right to do this. An owner of the workspace can change your role."),
    404: ("Nothing here", "There is no such page, or you have no access to it. Check the address, or ask an owner."),
    405: ("Not like this", "This address is only there for a form. Go back to the page and use the button."),
    413: ("Too much", "What was sent is larger than any of our forms. Shorten it and try again."),
}


def register(app: Flask) -> None:
    """Have addresses that no room knows fail in words, too."""
    for status in (404, 405):
        app.register_error_handler(status, _refused)


@gate.bp.errorhandler(CSRFError)
def _forged(_: CSRFError) -> ResponseReturnValue:
    message = (
        "This form belongs to another session: you logged in or out meanwhile, or your browser refuses our cookie. "
        "Go back, reload the page and try again."
    )
    return render_template("entry/message.html", heading="Please try again", message=message), 400


@gate.bp.errorhandler(HTTPException)
def _refused(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error
    heading, message = WORDS.get(status, ("That did not work", "Something went wrong here. Try again in a moment."))
    page = render_template("entry/message.html", heading=heading, message=message)
    return page, status, [header for header in error.get_headers() if header[0] == "Allow"]


def _missing(_: Exception) -> ResponseReturnValue:
    heading, message = WORDS[404]
    return render_template("entry/message.html", heading=heading, message=message), 404


for _error in MISSING:
    gate.bp.register_error_handler(_error, _missing)


@gate.bp.errorhandler(ProductFruitsError)
def _said_no(error: ProductFruitsError) -> ResponseReturnValue:
    """A service's refusal that the view has no place of its own for: told on the page it came from."""
    if request.method == "GET":
        return render_template("entry/message.html", heading="That did not work", message=str(error)), 400
    flash(str(error), "error")
    return redirect(_came_from(), 303)


def _came_from() -> str:
    back = request.referrer or ""
    if back.startswith(request.host_url):
        return "/" + back.removeprefix(request.host_url)
    place = gate.current_place()
    return url_for("admin.overview_show", workspace=place.workspace.key) if place else url_for("admin.account_home")
