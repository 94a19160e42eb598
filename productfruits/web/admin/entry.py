"""The way in: setup by one-time link, login, logout, a password by one-time link."""

from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from productfruits.identity.keys import email_key
from productfruits.models import Admin
from productfruits.services import admins, login_throttle, one_time_links, passwords, workspaces
from productfruits.services.login_throttle import TooManyAttempts
from productfruits.services.passwords import WeakPassword
from productfruits.services.workspaces import InvalidName
from productfruits.web import current_runtime
from productfruits.web.admin import forms, gate

#: Which field of the setup form an error is about.
FIELD_OF = {
    InvalidName: "workspace",
    admins.InvalidEmail: "email",
    admins.AdminExists: "email",
    WeakPassword: "password",
}


@gate.page("/setup", needs=gate.PUBLIC)
def setup_form() -> ResponseReturnValue:
    token = request.args.get("token", "")
    refusal = _refuse_setup(token)
    return refusal or _setup_page(token, {}, {}, 200)


@gate.page("/setup", needs=gate.PUBLIC, methods=("POST",))
def setup() -> ResponseReturnValue:
    said = forms.read(forms.Setup)
    if refusal := _refuse_setup(said["token"]):
        return refusal
    try:
        with current_runtime().writing() as store:
            admin = admins.set_up(store, said["email"], said["password"], said.get("workspace"), gate.now())
            admin.last_login_at = gate.now()
    except admins.SetupDone as err:
        return _message("Set up already", str(err), 410)
    except tuple(FIELD_OF) as err:
        return _setup_page(said["token"], said, {FIELD_OF[type(err)]: str(err)}, 400)
    gate.log_in(admin)
    return redirect(url_for("admin.account_home"), 303)


@gate.page("/login", needs=gate.PUBLIC)
def login() -> ResponseReturnValue:
    if gate.current_admin():
        return redirect(_after(request.args.get("next")), 303)
    with current_runtime().reading() as store:
        if not admins.exist(store):
            return redirect(url_for("admin.entry_setup_form"), 303)
    return render_template("entry/login.html", email="", after=request.args.get("next"), error=None)


@gate.page("/login", needs=gate.PUBLIC, methods=("POST",))
def log_in() -> ResponseReturnValue:
    said = forms.read(forms.Login)
    try:
        admin = _check(said["email"], said["password"])
    except (admins.WrongCredentials, TooManyAttempts) as err:
        status, headers = 400, {}
        if isinstance(err, TooManyAttempts):
            status, headers = 429, {"Retry-After": str(err.wait_s)}
        page = render_template("entry/login.html", email=said["email"], after=said.get("next"), error=str(err))
        return page, status, headers
    gate.log_in(admin)
    return redirect(_after(said.get("next")), 303)


@gate.page("/logout", needs=gate.PUBLIC, methods=("POST",))
def logout() -> ResponseReturnValue:
    session.clear()
    flash("You are logged out.", "success")
    return redirect(url_for("admin.entry_login"), 303)


@gate.page("/password", needs=gate.PUBLIC)
def password_form() -> ResponseReturnValue:
    return _password_page(request.args.get("token", ""), None, 200)


@gate.page("/password", needs=gate.PUBLIC, methods=("POST",))
def password() -> ResponseReturnValue:
    said = forms.read(forms.NewPassword)
    key = gate.secret_key()
    try:
        with current_runtime().reading() as store:
            link = one_time_links.read(store, said["token"], key, gate.now())
        passwords.check(said["password"], email=link.admin.email)
        kept = passwords.hashed(said["password"])  # outside of a transaction: it takes a while
        with current_runtime().writing() as store:
            # Read again under the lock, so that of two people with the link only one comes through.
            admin = one_time_links.read(store, said["token"], key, gate.now()).admin
            admins.set_password(store, admin, kept)
            admins.audited(store, admin, "admin.password_changed", gate.now(), gate.address())
            admins.logged_in(store, admin, gate.now(), gate.address())
    except WeakPassword as err:
        return _password_page(said["token"], str(err), 400)
    except one_time_links.InvalidLink as err:
        return _message("This link has ended", str(err), 410)
    gate.log_in(admin)
    return redirect(url_for("admin.account_home"), 303)


def _check(email: str, password: str) -> Admin:
    """The admin, or `WrongCredentials`: the same words and the same work whether there is such an account or not."""
    key = email_key(email) or ""
    with current_runtime().writing() as store:
        login_throttle.count_attempt(store, email_key=key, address=gate.address(), now=gate.now())
    with current_runtime().reading() as store:
        admin = admins.by_email(store, email)
    if not passwords.matches(password, admin.password_hash if admin else None) or admin is None:
        raise admins.WrongCredentials()
    with current_runtime().writing() as store:
        login_throttle.succeeded(store, email_key=key, address=gate.address())
        admins.logged_in(store, admins.required(store, email), gate.now(), gate.address())
    return admin


def _after(wanted: str | None) -> str:
    """Where to go after the login: back to one of our own pages, never to an address somebody put into a link."""
    if wanted and wanted.startswith(("/w/", "/account", "/workspaces")) and "\\" not in wanted:
        return wanted
    return url_for("admin.account_home")


def _refuse_setup(token: str) -> ResponseReturnValue | None:
    with current_runtime().reading() as store:
        done = admins.exist(store)
    if done:
        return _message("Set up already", str(admins.SetupDone()), 410)
    if not one_time_links.opens_setup(token, gate.secret_key()):
        return _message(
            "The setup link is needed",
            "This server waits for its first admin. Open the link that `productfruits serve` printed, whole; "
            "`productfruits setup-link` prints it again.",
            403,
        )
    return None


def _setup_page(token: str, values: Any, errors: dict[str, str], status: int) -> ResponseReturnValue:
    with current_runtime().reading() as store:
        asks_workspace = not workspaces.every(store)
    page = render_template("entry/setup.html", token=token, values=values, errors=errors, asks_workspace=asks_workspace)
    return page, status


def _password_page(token: str, error: str | None, status: int) -> ResponseReturnValue:
    try:
        with current_runtime().reading() as store:
            link = one_time_links.read(store, token, gate.secret_key(), gate.now())
    except one_time_links.InvalidLink as err:
        return _message("This link has ended", str(err), 410)
    page = render_template(
        "entry/password.html", token=token, email=link.admin.email, purpose=link.purpose, error=error
    )
    return page, status


def _message(heading: str, message: str, status: int) -> ResponseReturnValue:
    return render_template("entry/message.html", heading=heading, message=message), status
