"""For those who run the server: is the process there, can it store, and its numbers."""

import hmac
import ipaddress

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from productfruits.web import current_runtime
from productfruits.workers import readiness

FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via")

routes = Blueprint("operations", __name__)


@routes.get("/healthz")
def healthz() -> Response:
    """The process answers. Says nothing about the store, so that an outage of it does not get us restarted."""
    return jsonify(status="ok")


@routes.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Messages can be stored now; 503 with the reasons where they cannot."""
    problems = readiness.problems(current_runtime())
    if problems:
        return jsonify(status="not_ready", problems=problems), 503
    return jsonify(status="ok"), 200


@routes.get("/metrics")
def metrics() -> Response | tuple[Response, int]:
    """Prometheus' text format; with the token of the settings, or without one from this very machine."""
    runtime = current_runtime()
    if not _may_read_metrics(runtime.settings.metrics_token, runtime.settings.host):
        message = (
            "Metrics need PRODUCTFRUITS_METRICS_TOKEN as a Bearer token. Without that setting only a server that "
            "listens on loopback shows them, and only to requests that came through no proxy."
        )
        return jsonify(code="unauthorized", message=message), 401
    return Response(generate_latest(runtime.metrics.registry), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(token: str | None, host: str) -> bool:
    if token is not None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    return _is_loopback(host) and not any(name in request.headers for name in FORWARDED)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
