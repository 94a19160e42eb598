"""Who may see which page: sessions, CSRF, and the one place where everything is scoped by workspace.

Every page is registered with `page` below, which says what it needs. A page under /w/<workspace>/ is given a `Place`
and no other way to a workspace, so a view cannot forget to check; whoever is no member gets the same 404 as for a
workspace that does not exist.
"""

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect

from productfruits.models import ROLES, Admin, Workspace
from productfruits.services import admins, audit
from productfruits.web import current_runtime

bp = Blueprint("admin", __name__)
csrf = CSRFProtect()

#: What a page can need besides a role in its workspace: nothing, or any admin who is logged in.
PUBLIC: Final = "public"
LOGGED_IN: Final = "logged in"
#: How the addresses of a workspace begin.
OF_WORKSPACE: Final = ("/w/<workspace>/", "/demo/<workspace>/")
#: Endpoint -> need, for all pages of this room; the tests walk it and app.url_map side by side.
NEEDS: dict[str, str] = {}

#: What a session says: whole numbers, times in seconds since the epoch.
SESSION: Final = ("admin", "epoch", "started", "seen")
#: The cookie is written again at most this often while somebody clicks around.
TOUCH_S = 60

View = Callable[..., ResponseReturnValue]


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace that the admin who asks may be in, and with which role."""

    workspace: Workspace
    admin: Admin
    role: str

    def may(self, role: str) -> bool:
        """True if the admin has at least this role here."""
        return ROLES.index(self.role) <= ROLES.index(role)


def page(
    rule: str, *, needs: str, methods: tuple[str, ...] = ("GET",), background: bool = False
) -> Callable[[View], View]:
    """Register a view. `needs` is PUBLIC, LOGGED_IN, or the least role; below a workspace only a role will do.

    The view's first argument is a `Place` (role), the `Admin` (LOGGED_IN), or nothing (PUBLIC). A `background` page is
    asked for by a script on a timer, so it does not keep an idle session alive.
    """
    if rule.startswith(OF_WORKSPACE) != (needs in ROLES) or ("<workspace>" in rule) != rule.startswith(OF_WORKSPACE):
        raise ValueError(f"{rule} cannot need {needs!r}: pages of a workspace, and only they, need a role in it")

    def register(view: View) -> View:
        @functools.wraps(view)
        def guarded(**arguments: Any) -> ResponseReturnValue:
            if needs == PUBLIC:
                return view(**arguments)
            admin = current_admin()
            if admin is None:
                return _to_login(background)
            if not background:
                _touch()
            if needs == LOGGED_IN:
                return view(admin, **arguments)
            return view(_place(admin, arguments.pop("workspace"), needs), **arguments)

        endpoint = f"{view.__module__.rpartition('.')[2]}_{view.__name__}"
        bp.add_url_rule(rule, endpoint, guarded, methods=list(methods))
        NEEDS[f"admin.{endpoint}"] = needs
        return view

    return register


def secret_key() -> str:
    """The key that signs one-time links."""
    key = current_app.secret_key
    return key if isinstance(key, str) else bytes(key or b"").decode()


def now() -> dt.datetime:
    """The time of this request, read once."""
    if "now" not in g:
        g.now = dt.datetime.now(dt.UTC)
    return cast(dt.datetime, g.now)


def address() -> str:
    """Where the request comes from, as far as the trusted proxies tell."""
    return request.remote_addr or "unknown"


def record(store: Any, place: Place, action: str, **detail: Any) -> None:
    """Write an entry of the audit log in the transaction of what it speaks about."""
    audit.record(
        store,
        workspace_id=place.workspace.id,
        actor=place.admin.email,
        action=action,
        now=now(),
        detail=detail,
        address=address(),
    )


def log_in(admin: Admin) -> None:
    """Begin a session. What the browser had before is thrown away, so nobody can have planted it."""
    session.clear()
    session.permanent = True
    at = int(now().timestamp())
    session.update(admin=admin.id, epoch=admin.session_epoch, started=at, seen=at)


def current_admin() -> Admin | None:
    """The admin who is logged in, or None."""
    if "admin" not in g:
        g.admin = _admin_of_session()
    return cast(Admin | None, g.admin)


def current_place() -> Place | None:
    """The workspace that this request was let into, or None."""
    return cast(Place | None, g.get("place"))


@bp.before_request
def refuse_foreign_requests() -> None:
    """Let an unsafe request through only if it comes from a page of this server and carries the session's token.

    Three fences, since each has holes: the token; Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/), which
    browsers leave out over plain http; and Origin, which old browsers leave out.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)
    origin = request.headers.get("Origin")
    # A proxy may rewrite Host, so the address that people were told counts as ours as well.
    ours = (request.host, urlsplit(current_runtime().settings.base_url).netloc)
    if origin is not None and urlsplit(origin).netloc not in ours:
        abort(403)
    csrf.protect()


def _admin_of_session() -> Admin | None:
    said = [value for name in SESSION if isinstance(value := session.get(name), int)]
    if len(said) != len(SESSION):
        return None
    admin_id, epoch, started, seen = said
    with current_runtime().reading() as store:
        return admins.in_session(
            store,
            admin_id=admin_id,
            epoch=epoch,
            started_at=dt.datetime.fromtimestamp(started, dt.UTC),
            seen_at=dt.datetime.fromtimestamp(seen, dt.UTC),
            now=now(),
        )


def _touch() -> None:
    at = int(now().timestamp())
    if at - session["seen"] >= TOUCH_S:
        session["seen"] = at


def _place(admin: Admin, workspace_key: str, role: str) -> Place:
    with current_runtime().reading() as store:
        membership = admins.membership(store, admin.id, workspace_key)
        if membership is None:
            abort(404)
        place = Place(membership.workspace, admin, membership.role)
    if not place.may(role):
        g.missing_role = role
        abort(403)
    g.place = place
    return place


def _to_login(background: bool) -> ResponseReturnValue:
    if background:
        # The script's page is stale: have htmx load it again, which ends at the login form.
        return "", 401, {"HX-Refresh": "true"}
    after = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("admin.entry_login", next=after), 303)
