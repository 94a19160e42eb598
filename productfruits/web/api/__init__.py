"""The HTTP API under /api/v1. `register` puts it, its OpenAPI document and its page into the app."""

from flask import Flask

from productfruits.web.api import (
    audiences,
    content_schema,
    contents,
    destinations,
    endpoints,
    events,
    following,
    functions,
    openapi,
    refusals,
    sending,
    themes,
    users,
    workspace,
)

#: Each module registers its endpoints or routes when it is imported.
MODULES = (
    audiences,
    content_schema,
    contents,
    destinations,
    events,
    following,
    functions,
    sending,
    themes,
    users,
    workspace,
)
refusals.shape(endpoints.routes)


def register(app: Flask) -> None:
    """Routes, and one shape for every refusal under /api, also of addresses that do not exist."""
    refusals.register(app)
    app.register_blueprint(endpoints.routes)
    app.register_blueprint(openapi.routes)
