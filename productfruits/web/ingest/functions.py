"""Source functions: POST /functions/<token>. Takes JSON and forms, runs the function, says what became of it."""

import datetime as dt
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from productfruits.errors import ProductFruitsError
from productfruits.functions import errors
from productfruits.functions.errors import Busy, DoesNotStart
from productfruits.services import function_trials
from productfruits.services.function_requests import TooManyWait
from productfruits.services.vault import Undecryptable
from productfruits.web import current_runtime
from productfruits.web.ingest import answers
from productfruits.web.ingest.answers import Answer
from productfruits.web.ingest.door import Door
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored
from productfruits.workers.rates import TooManyRequests
from productfruits.workers.runtime import Runtime
from productfruits.workers.source_functions import SOURCE, Taken
from productfruits.workers.store_faults import Fault, classify

log = structlog.get_logger()

BODY_BYTES = 512 * 1024
TYPES = ("application/json", "application/x-www-form-urlencoded")
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

POST_ONLY = answers.refused(405, "method_not_allowed", "A source function takes POST only.", Allow="POST")
NO_SUCH_FUNCTION = answers.refused(
    404, "not_found", "There is no source function at this address, or it is switched off. Copy its address again."
)
WRONG_TYPE = answers.refused(
    415,
    "content_type",
    "A source function takes JSON and forms: send Content-Type: application/json or application/x-www-form-urlencoded.",
)
TOO_LARGE = answers.refused(413, "body_too_large", "The body is larger than 512 KiB, which a source function takes.")
OFF = answers.refused(
    503, "functions_off", "Functions are switched off on this server. Its operator sets PRODUCTFRUITS_FUNCTIONS=on."
)
BUSY = answers.refused(503, "busy", "All functions are at work. Send this again.", Retry_After="5")

routes = Blueprint("functions", __name__)


@routes.route("/functions/<token>", methods=EVERY_METHOD, strict_slashes=False, provide_automatic_options=False)
def source_function(token: str) -> Response:
    answer = _take(token)
    return Response(answer.body, answer.status, dict(answer.headers), mimetype="application/json")


def _take(token: str) -> Answer:
    runtime = current_runtime()
    if request.method != "POST":
        return POST_ONLY
    if runtime.source_functions is None:
        return OFF
    if request.mimetype not in TYPES:
        return WRONG_TYPE
    door: Door = current_app.extensions["productfruits.door"]
    try:
        runtime.start()
        runnable = runtime.source_functions.find(token)
        if runnable is not None:
            door.admission.let_in(runnable.workspace_id, "server", SOURCE)
        body = _body()
        if isinstance(body, Answer):
            return body
        given = {
            "method": "POST",
            "url": f"{runtime.settings.base_url}{request.full_path.rstrip('?')}",
            "headers": [[name, value] for name, value in request.headers],
            "body": body.decode("utf-8", "replace"),
        }
        if runnable is not None:
            return _said(runtime.source_functions.take(runnable, given))
        return _caught(runtime, token, given) or NO_SUCH_FUNCTION
    except TooManyRequests as err:
        return answers.too_many_requests(err)
    except (Busy, DoesNotStart, TooManyWait) as err:
        log.warning("function_not_run", reason=str(err))
        return BUSY
    except (NotStored, AlreadyServed, Undecryptable) as err:
        log.warning("function_not_stored", error=type(err).__name__)
        return answers.UNAVAILABLE
    except Exception as err:  # the edge: a store that is away is "come again", all else a bug
        if classify(err) is Fault.UNEXPECTED:
            raise
        log.warning("store_failed", error=type(err).__name__)
        return answers.UNAVAILABLE


def _body() -> bytes | Answer:
    request.max_content_length = BODY_BYTES
    try:
        return request.get_data(parse_form_data=False)
    except RequestEntityTooLarge:
        return TOO_LARGE
    except ClientDisconnected:
        return answers.INCOMPLETE


def _caught(runtime: Runtime, token: str, given: dict[str, Any]) -> Answer | None:
    """Keep the request for the editor that waits for one."""
    try:
        with runtime.writing() as session:
            function_trials.catch(session, token, given, dt.datetime.now(dt.UTC))
    except ProductFruitsError:
        return None
    return answers.said(200, {"success": True, "caught": True})


def _said(taken: Taken) -> Answer:
    if taken.receipt is not None:
        return answers.said(200, answers.counts(taken.receipt) | {"objects": taken.objects})
    if taken.again:
        return answers.said(202, {"success": True, "accepted": 0, "retrying": True})
    kind = taken.failure.kind if taken.failure is not None else errors.BAD_REQUEST
    if kind == errors.DROPPED:
        return answers.said(200, {"success": True, "accepted": 0, "duplicates": 0, "ignored": 1, "rejected": 0})
    # What the code said is for its owners, in the Errors tab, and not for whoever knows the address.
    return answers.refused(400, kind, f"{errors.TITLES[kind]}. The function's Errors tab says why.")
