"""Pages for admins. `register` puts them, their session cookie and the security headers into the app."""

from flask import Flask

from productfruits.services import admins
from productfruits.web.admin import (
    account,
    api_keys,
    audiences,
    conflicts,
    contents,
    demo,
    destinations,
    entry,
    event_names,
    failures,
    frame,
    function_instances,
    functions,
    gate,
    headers,
    history,
    members,
    numbers,
    overview,
    segment,
    snippet,
    themes,
    users,
    words,
    workspace,
)

#: Each module registers its pages, or what stands around them, with the gate when it is imported.
MODULES = (
    account,
    api_keys,
    audiences,
    conflicts,
    contents,
    demo,
    destinations,
    entry,
    event_names,
    failures,
    frame,
    function_instances,
    functions,
    history,
    members,
    numbers,
    overview,
    segment,
    snippet,
    themes,
    users,
    workspace,
)


def register(app: Flask, *, https: bool) -> None:
    """`https`: browsers reach this server encrypted, so cookies may insist on it."""
    app.config.update(
        # The prefix has browsers refuse the cookie from a subdomain or over http (RFC 6265bis, 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-productfruits" if https else "productfruits",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=admins.ABSOLUTE,
        # The gate asks for the token where it is needed; ingest and API have no cookie to steal.
        WTF_CSRF_CHECK_DEFAULT=False,
        # As long as the session: a form that stood open over lunch still works.
        WTF_CSRF_TIME_LIMIT=None,
        # The gate's own check of Origin is stricter and works behind proxies.
        WTF_CSRF_SSL_STRICT=False,
    )
    gate.csrf.init_app(app)
    headers.secure(app, https=https)
    words.register(app)
    failures.register(app)
    app.register_blueprint(gate.bp)
