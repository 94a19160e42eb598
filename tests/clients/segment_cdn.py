"""A stand-in for Segment's CDN and a customer's site on loopback, so that the released analytics.js loads in Chromium.

It gives the SDK's own files from node_modules under Segment's paths, settings that point where the test wants events to
go, and pages of a customer. Events that are sent to the stand-in itself are recorded and answered as Segment answers.

    with segment_cdn() as cdn:
        cdn.pages["/shop"] = classic(cdn.url, "KEY", "127.0.0.1:8000/v1")
        page.goto(f"{cdn.url}/shop")
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SDK = Path(__file__).parents[2] / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"
BUNDLES = "/analytics-next/bundles/"
#: The methods that Segment's snippet queues until the SDK is there; Segment shows the same list with each source.
QUEUED = (
    *("trackSubmit", "trackClick", "trackLink", "trackForm", "pageview", "identify", "reset", "group", "track"),
    *("ready", "alias", "debug", "page", "screen", "once", "off", "on", "setAnonymousId", "register", "user"),
    *("addSourceMiddleware", "addIntegrationMiddleware", "addDestinationMiddleware"),
)


@dataclass
class SegmentCdn:
    """Where the stand-in is, the pages it gives, and what was sent to it."""

    url: str
    #: Path -> HTML.
    pages: dict[str, str] = field(default_factory=dict)
    #: Write key -> host and path that events of this key go to; the stand-in itself where a key is not in here.
    events_at: dict[str, str] = field(default_factory=dict)
    #: Bodies of events that were sent to the stand-in, in order of arrival.
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def settings(self, write_key: str) -> dict[str, Any]:
        """What Segment's CDN says of a source; exactly one integration, or the SDK asks Segment for the old ones."""
        host = self.events_at.get(write_key, f"{self.host}/v1")
        return {
            "integrations": {"Segment.io": {"apiKey": write_key, "apiHost": host, "protocol": "http"}},
            "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
            "metrics": {"sampleRate": 0},
        }


def classic(cdn_url: str, write_key: str, events_host: str, *, body: str = "") -> str:
    """A page with the classic snippet: a queue at once, the SDK when it has loaded.

    `events_host` is host and path without a scheme, such as "127.0.0.1:8000/v1". The CDN is named by hand, since the
    SDK finds its own only over https.
    """
    options = {"integrations": {"Segment.io": {"apiHost": events_host, "protocol": "http"}}}
    return f"""<!doctype html><title>Shop</title><script>
var analytics = window.analytics = window.analytics || [];
analytics.invoked = true;
analytics.methods = {json.dumps(QUEUED)};
analytics.factory = function (method) {{
  return function () {{
    if (window.analytics.initialized) return window.analytics[method].apply(window.analytics, arguments);
    analytics.push([method].concat(Array.prototype.slice.call(arguments)));
    return analytics;
  }};
}};
analytics.methods.forEach(function (method) {{ analytics[method] = analytics.factory(method); }});
analytics._loadOptions = {json.dumps(options)};
analytics._writeKey = {json.dumps(write_key)};
analytics._cdn = {json.dumps(cdn_url)};
var script = document.createElement("script");
script.async = true;
script.src = {json.dumps(f"{cdn_url}/analytics.js/v1/{write_key}/analytics.min.js")};
document.head.appendChild(script);
</script>{body}"""


def bundled(cdn_url: str, files_url: str, write_key: str, events_host: str, *, body: str = "") -> str:
    """A page with `AnalyticsBrowser`, as applications bundle the SDK; `files_url` is where its files are."""
    options = {"integrations": {"Segment.io": {"apiHost": events_host, "protocol": "http"}}}
    settings = {"writeKey": write_key, "cdnURL": cdn_url}
    return f"""<!doctype html><title>Shop</title><script src="{files_url}{BUNDLES}index.js"></script><script>
window.analytics = AnalyticsNext.AnalyticsBrowser.load({json.dumps(settings)}, {json.dumps(options)});
</script>{body}"""


@contextlib.contextmanager
def segment_cdn() -> Iterator[SegmentCdn]:
    """Run the stand-in on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    cdn = SegmentCdn(f"http://127.0.0.1:{server.server_address[1]}")
    server.cdn = cdn  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield cdn
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def cdn(self) -> SegmentCdn:
        found: SegmentCdn = self.server.cdn  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        parts = path.strip("/").split("/")
        if path in self.cdn.pages:
            self._answer(200, self.cdn.pages[path].encode(), "text/html; charset=utf-8")
        elif parts[:2] == ["v1", "projects"] and parts[3:] == ["settings"]:
            self._answer(200, json.dumps(self.cdn.settings(parts[2])).encode())
        elif parts[:2] == ["analytics.js", "v1"] and parts[3:] == ["analytics.min.js"]:
            self._answer(200, (SDK / "standalone.js").read_bytes(), "text/javascript")
        elif path.startswith(BUNDLES) and (SDK / parts[-1]).is_file():
            self._answer(200, (SDK / parts[-1]).read_bytes(), "text/javascript")
        elif path == "/favicon.ico":
            self._answer(204, b"")
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.cdn.events.append(json.loads(body))
        self._answer(200, b'{"success":true}')

    def do_OPTIONS(self) -> None:
        self._answer(204, b"")

    def log_message(self, *_: Any) -> None:
        """Nothing: what matters is recorded."""

    def _answer(self, status: int, body: bytes, mimetype: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", mimetype)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "authorization, content-type, x-retry-count")
        self.end_headers()
        self.wfile.write(body)
