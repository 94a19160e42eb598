"""Headers that every answer carries, so that no page can be framed, sniffed, cached or made to run foreign script."""

from flask import Flask, Response

#: No inline script, no inline style, nothing from elsewhere. `font-src` is for the typeface in static/dist, `frame-src`
#: for the preview of content, which stands in a sandbox of its own.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: "same-origin" and not "no-referrer": with the latter browsers send `Origin: null` with our own forms
#: (https://fetch.spec.whatwg.org/#append-a-request-origin-header), and the fence against foreign forms goes blind.
REFERRER = "same-origin"


def secure(app: Flask, *, https: bool) -> None:
    """Have every answer of `app` carry the headers; a view that needs another value has set it already."""

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", POLICY)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", REFERRER)
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
            response.vary.add("Cookie")
        return response
