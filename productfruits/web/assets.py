"""Built files under /static/dist: kept for ever by browsers under the address that names their content."""

import hashlib
from pathlib import Path

from flask import Blueprint, Flask, Response, request, send_from_directory, url_for

from productfruits.config import PACKAGE

#: Inside a wheel, else beside the package in a checkout.
DIST = PACKAGE / "_static" / "dist" if (PACKAGE / "_static").is_dir() else PACKAGE.parent / "static" / "dist"
FOR_EVER = "public, max-age=31536000, immutable"

routes = Blueprint("assets", __name__)


def register(app: Flask) -> None:
    """Serve the files, and give templates `asset("admin.css")`, the address of a file as it is now."""
    app.register_blueprint(routes)
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """The address of a built file; another content has another address."""
    return url_for("assets.dist", name=name, v=_fingerprint(name))


@routes.get("/static/dist/<path:name>")
def dist(name: str) -> Response:
    response = send_from_directory(DIST, name)
    # Without the fingerprint (or with an old one) the browser asks each time and mostly gets 304.
    is_named_by_content = request.args.get("v") == _fingerprint(name)
    response.headers["Cache-Control"] = FOR_EVER if is_named_by_content else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


_fingerprints: dict[Path, tuple[int, str]] = {}


def _fingerprint(name: str) -> str:
    """Twelve hex digits of the file's SHA-256, computed again when the file has changed."""
    path = DIST / name
    changed = path.stat().st_mtime_ns
    known = _fingerprints.get(path)
    if known is None or known[0] != changed:
        known = _fingerprints[path] = (changed, hashlib.sha256(path.read_bytes()).hexdigest()[:12])
    return known[1]
