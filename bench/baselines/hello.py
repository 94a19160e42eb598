"""Baseline H: Flask that verifies the signature, parses the JSON and stores nothing. Frozen.

It is the ceiling that a Flask route can reach at all, not something that could be used.
"""

import hashlib
import hmac
import json
import os

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue


def create_app() -> Flask:
    app = Flask(__name__)
    secret = os.environ["BASELINE_SECRET"].encode()

    @app.get("/")
    def ready() -> ResponseReturnValue:
        return "ready"

    @app.post("/webhook")
    def webhook() -> ResponseReturnValue:
        payload = json.loads(request.data)
        covered = request.data
        if isinstance(payload, list):
            body = covered.decode()
            covered = body[1 : json.JSONDecoder().raw_decode(body, 1)[1]].encode()
        expected = hmac.new(secret, covered, hashlib.sha1).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
            abort(401)
        return {"success": True}

    return app
