"""The HTTP API under /api/v1. `register` puts it, its OpenAPI document and its page into the app."""

from flask import Flask

from productfruits.web.api import destinations, endpoints, events, functions, openapi, refusals, users, workspace

#: Each module registers its endpoints when it is imported.
MODULES = (destinations, events, functions, users, workspace)
refusals.shape(endpoints.routes)


def register(app: Flask) -> None:
    """Routes, and one shape for every refusal under /api, also of addresses that do not exist."""
    refusals.register(app)
    app.register_blueprint(endpoints.routes)
    app.register_blueprint(openapi.routes)
