"""One line a request in the log, one count in the metrics. Routes are our own names: no path, query or body is told."""

import secrets
import time
from traceback import extract_tb
from types import TracebackType

import structlog
from flask import Flask, Response, g, request

from productfruits.workers.metrics import Metrics

log = structlog.get_logger()

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

#: Not worth a line each: probes come every few seconds, and files are the same ones again and again.
QUIET = frozenset({"operations.healthz", "operations.readyz", "operations.metrics", "assets.dist"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ObservedFlask(Flask):
    """Flask whose line about a bug names the places it went through, and neither the path nor a value."""

    def log_exception(self, exc_info: ExcInfo) -> None:
        kind, _, trace = exc_info
        places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in extract_tb(trace)]
        log.error("bug", request_id=g.get("request_id"), error=kind.__name__ if kind else None, places=places[-12:])


def register(app: Flask, metrics: Metrics) -> None:
    """Observe every request that Flask answers."""

    @app.before_request
    def begin() -> None:
        g.request_id = new_request_id()
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        request_id = g.get("request_id") or new_request_id()
        response.headers.setdefault("X-Request-Id", request_id)
        route = request.url_rule.rule if request.url_rule is not None else "unknown"
        took = time.perf_counter() - g.get("began", time.perf_counter())
        observe(metrics, route, request.method, response.status_code, took)
        if request.endpoint not in QUIET:
            told(request_id, route, request.method, response.status_code, took)
        return response


def new_request_id() -> str:
    return secrets.token_hex(8)


def observe(metrics: Metrics, route: str, method: str, status: int, took_s: float) -> None:
    """Count one answered request."""
    metrics.request(route, method if method in _METHODS else "other", status).inc()
    metrics.request_time(route).observe(took_s)


def told(request_id: str, route: str, method: str, status: int, took_s: float, **more: str) -> None:
    """One line about one answered request."""
    write = log.error if status >= 500 and status != 503 else log.info
    write(
        "request",
        request_id=request_id,
        route=route,
        method=method if method in _METHODS else "other",
        status=status,
        ms=round(took_s * 1000, 1),
        **more,
    )
