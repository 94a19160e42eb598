"""HTTP, the only room that knows Flask: ingest, pages for admins, the API, operations."""

from typing import cast

from flask import current_app

from productfruits.workers.runtime import Runtime


def current_runtime() -> Runtime:
    """The store, keys and writer of the app that answers this request."""
    # Flask keeps extensions as Any; create_app puts a Runtime there and nobody else writes it.
    return cast(Runtime, current_app.extensions["productfruits"])
