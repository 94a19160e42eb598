"""Built files under /static/dist, kept for ever by browsers under the address that names their content."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request, url_for
from werkzeug.security import safe_join

from productfruits.config import PACKAGE

#: Inside a wheel, else beside the package in a checkout.
DIST = PACKAGE / "_static" / "dist" if (PACKAGE / "_static").is_dir() else PACKAGE.parent / "static" / "dist"
FOR_EVER = "public, max-age=31536000, immutable"
#: By the end of the name; what the machine says of them differs from one to the next.
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".ts": "text/plain",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
#: What has no more air in it.
DENSE = frozenset({"font/woff2"})

routes = Blueprint("assets", __name__)


def register(app: Flask) -> None:
    """Serve the files, and give templates `asset("admin.css")`, the address of a file as it is now."""
    app.register_blueprint(routes)
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """The address of a built file; another content has another address."""
    return url_for("assets.dist", name=name, v=_file(DIST / name).fingerprint)


@routes.get("/static/dist/<path:name>")
def dist(name: str) -> Response:
    path = built(name)
    if path is None:
        abort(404)
    # Without the fingerprint (or with an old one) the browser asks each time and mostly gets 304.
    is_named_by_content = request.args.get("v") == _file(path).fingerprint
    return sent(path, FOR_EVER if is_named_by_content else "no-cache")


def built(name: str) -> Path | None:
    """The file of that name, None where there is none."""
    joined = safe_join(str(DIST), name)
    return Path(joined) if joined is not None and Path(joined).is_file() else None


def sent(path: Path, cached: str) -> Response:
    """A built file for whoever asks from wherever, compressed (RFC 9110, 8.4) if they take that."""
    file = _file(path)
    mimetype = TYPES.get(path.suffix, "application/octet-stream")
    is_compressed = mimetype not in DENSE and request.accept_encodings["gzip"] > 0
    response = Response(file.compressed if is_compressed else file.content, mimetype=mimetype)
    if is_compressed:
        response.content_encoding = "gzip"
    # Of the bytes that are sent, so one of its own for each encoding (RFC 9110, 8.8.3.3).
    response.set_etag(f"{file.fingerprint}-gzip" if is_compressed else file.fingerprint)
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = cached
    response.headers["X-Content-Type-Options"] = "nosniff"
    # The snippet fetches its second file as a module, which browsers take from another origin only if it says so.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.make_conditional(request)
    return response


@dataclass(frozen=True, slots=True)
class _File:
    changed_ns: int
    content: bytes
    compressed: bytes
    #: Twelve hex digits of the content's SHA-256.
    fingerprint: str


_files: dict[Path, _File] = {}


def _file(path: Path) -> _File:
    """The file, read again when it has changed."""
    changed_ns = path.stat().st_mtime_ns
    known = _files.get(path)
    if known is None or known.changed_ns != changed_ns:
        content = path.read_bytes()
        fingerprint = hashlib.sha256(content).hexdigest()[:12]
        known = _files[path] = _File(changed_ns, content, gzip.compress(content, mtime=0), fingerprint)
    return known
