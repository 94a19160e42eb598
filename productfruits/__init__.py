"""productfruits: a product-adoption server fed by Segment. `create_app` is the only place where rooms are wired."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from productfruits.config import Settings

__version__ = "0.1.0"


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The whole product as a Flask app: store migrated, keys unlocked, routes in place, no thread running yet.

    Without settings they are read from the environment. Raises ProductFruitsError with a remedy when it cannot start.
    The caller ends it with app.extensions["productfruits"].close().
    """
    # Inside the function, so that importing the package (for its version, say) touches nothing.
    from productfruits import config, logs
    from productfruits.web import admin, api, assets, observation, operations
    from productfruits.web.browser import views as browser_views
    from productfruits.web.browser.door import BrowserDoor
    from productfruits.web.ingest import functions, views
    from productfruits.web.ingest.door import Door
    from productfruits.web.proxies import TrustedProxies
    from productfruits.workers.runtime import open_runtime

    settings = settings or config.load()
    logs.configure(settings)
    runtime = open_runtime(settings)

    app = observation.ObservedFlask("productfruits", static_folder=None, template_folder="web/templates")
    app.config["SECRET_KEY"] = runtime.keyring.secret_key
    app.url_map.merge_slashes = False  # a redirect would turn a sender's POST into a GET
    app.extensions["productfruits"] = runtime
    app.extensions["productfruits.door"] = door = Door(runtime)
    app.extensions["productfruits.browser_door"] = BrowserDoor(runtime, door.admission)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    observation.register(app, runtime.metrics)
    assets.register(app)
    admin.register(app, https=settings.is_https)
    api.register(app)
    app.register_blueprint(operations.routes)
    app.register_blueprint(views.routes)
    app.register_blueprint(browser_views.routes)
    app.register_blueprint(functions.routes)
    return app
