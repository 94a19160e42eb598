"""The one shape of every refusal under /api: {"code", "message"}, and which fields were wrong where that is known."""

from typing import Any

import msgspec
import structlog
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from productfruits.adoption import documents, rules
from productfruits.adoption.documents import InvalidDocument
from productfruits.errors import ProductFruitsError
from productfruits.functions.definitions import InvalidValues
from productfruits.functions.errors import Busy, DoesNotStart, InvalidCode
from productfruits.segment.reader import Unreadable
from productfruits.services import audiences, contents, publishing, themes
from productfruits.services.conflicts import NoSuchConflict
from productfruits.services.destination_files import UnreadableFile
from productfruits.services.destinations import (
    KeyTaken,
    NoSuchDestination,
    SecretNeeded,
    TooManyDestinations,
    TooManySigningSecrets,
    UnknownAudience,
)
from productfruits.services.function_instances import InvalidInstanceName, TooManyInstances
from productfruits.services.functions import (
    FunctionsOff,
    KindStays,
    NoHandler,
    NoSuchFunction,
    NoSuchInstance,
    NoSuchVersion,
    OwnAddress,
    TooManyFunctions,
)
from productfruits.services.groups import NoSuchGroup
from productfruits.services.pages import InvalidCursor
from productfruits.services.redelivery import NoStretch, NoSuchDelivery, SwitchedOff
from productfruits.services.user_changes import EmailTaken, InvalidEmail, InvalidUsername, UsernameTaken
from productfruits.services.users import NoSuchUser
from productfruits.workers.ingest_lock import AlreadyServed
from productfruits.workers.not_stored import NotStored
from productfruits.workers.rates import TooManyRequests
from productfruits.workers.store_faults import Fault, classify

log = structlog.get_logger()

API = "/api/"


class Unauthorized(ProductFruitsError):
    """This needs a live API key: send it as "Authorization: Bearer KEY". Make one with: productfruits api-key create"""


class NotJson(ProductFruitsError):
    """The body must be JSON and say so: send it with Content-Type: application/json."""


class BadRequest(ProductFruitsError):
    """Some of what was sent cannot be used."""

    def __init__(self, errors: dict[str, Any], where: str) -> None:
        names = ", ".join(sorted(name for name in errors if name)) or where
        super().__init__(f"The {where} cannot be used: {names}. See `errors` for the reason of each, and /api/docs.")
        self.errors = errors


#: What a 503 says, in seconds.
RETRY_AFTER_S = "5"
#: Which refusal of a service is which status and code.
STATUSES: dict[type[ProductFruitsError], tuple[int, str]] = {
    Unauthorized: (401, "unauthorized"),
    NotJson: (415, "not_json"),
    BadRequest: (400, "invalid_request"),
    InvalidCursor: (400, "invalid_cursor"),
    InvalidEmail: (400, "invalid_email"),
    InvalidUsername: (400, "invalid_username"),
    NoSuchUser: (404, "not_found"),
    NoSuchGroup: (404, "not_found"),
    NoSuchConflict: (404, "not_found"),
    NoSuchFunction: (404, "not_found"),
    NoSuchInstance: (404, "not_found"),
    NoSuchVersion: (404, "not_found"),
    InvalidCode: (400, "invalid_code"),
    NoHandler: (400, "no_handler"),
    OwnAddress: (400, "own_address"),
    InvalidValues: (400, "invalid_settings"),
    InvalidInstanceName: (400, "invalid_name"),
    KindStays: (409, "kind_stays"),
    TooManyFunctions: (409, "too_many_functions"),
    TooManyInstances: (409, "too_many_instances"),
    FunctionsOff: (409, "functions_off"),
    TooManyRequests: (429, "too_many_requests"),
    DoesNotStart: (503, "functions_unavailable"),
    Busy: (503, "busy"),
    SecretNeeded: (400, "secret_needed"),
    UnknownAudience: (400, "unknown_audience"),
    UnreadableFile: (400, "unreadable_file"),
    NoStretch: (400, "invalid_range"),
    NoSuchDestination: (404, "not_found"),
    NoSuchDelivery: (404, "not_found"),
    KeyTaken: (409, "key_taken"),
    SwitchedOff: (409, "switched_off"),
    TooManyDestinations: (409, "too_many_destinations"),
    TooManySigningSecrets: (409, "too_many_secrets"),
    EmailTaken: (409, "email_taken"),
    UsernameTaken: (409, "username_taken"),
    InvalidDocument: (400, "invalid_request"),
    contents.NoSuchContent: (404, "not_found"),
    contents.NoSuchVersion: (404, "not_found"),
    themes.NoSuchTheme: (404, "not_found"),
    audiences.NoSuchAudience: (404, "not_found"),
    audiences.AudienceOfPages: (400, "audience_of_pages"),
    audiences.LeadsNowhere: (400, "leads_nowhere"),
    audiences.TookTooLong: (503, "took_too_long"),
    rules.EndlessAudience: (400, "endless_audience"),
    rules.HeavyAudience: (400, "heavy_audience"),
    contents.KeyTaken: (409, "key_taken"),
    themes.ThemeKeyTaken: (409, "key_taken"),
    audiences.AudienceKeyTaken: (409, "key_taken"),
    contents.Archived: (409, "archived"),
    contents.StillPublished: (409, "still_published"),
    contents.StillNeeded: (409, "still_needed"),
    themes.ThemeInUse: (409, "still_needed"),
    audiences.AudienceInUse: (409, "still_needed"),
    publishing.NothingBefore: (409, "nothing_before"),
    publishing.NothingToPublish: (409, "nothing_to_publish"),
    publishing.NotArchived: (409, "not_archived"),
    publishing.NotPublishable: (409, "not_publishable"),
    publishing.NotPublished: (409, "not_published"),
}
HTTP = {
    400: ("bad_request", "The request cannot be understood. Check it against /api/docs."),
    404: ("not_found", "There is no such address in the API. Check it against /api/docs."),
    405: ("method_not_allowed", "This address does not take this method. See the Allow header and /api/docs."),
    408: ("too_slow", "The body did not arrive in time. Send it again."),
    413: ("body_too_large", "The body is larger than 1 MiB. Send less at once."),
    415: ("not_json", "The body must be JSON and say so: send it with Content-Type: application/json."),
}
INTERNAL = ("internal_error", "Something went wrong here. It is in the log of the server under this X-Request-Id.")
UNAVAILABLE = ("unavailable", "The store cannot be used right now. Send this again in a moment.")


def shape(routes: Blueprint) -> None:
    """Have every refusal of `routes` come in the one shape. Once, before they are first registered."""
    routes.register_error_handler(ProductFruitsError, _said_no)
    routes.register_error_handler(HTTPException, _http)
    routes.register_error_handler(Exception, _unforeseen)


def register(app: Flask) -> None:
    """Have addresses under /api that do not exist refused in the same shape."""

    @app.before_request
    def unknown_address() -> Response | None:
        # What the router refuses belongs to no blueprint, so no blueprint's handler would see it.
        refused = request.routing_exception
        return _http(refused) if refused is not None and f"{request.path}/".startswith(API) else None


def json_response(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, content_type="application/json")


def refused(status: int, code: str, message: str, **more: Any) -> Response:
    return json_response({"code": code, "message": message, **more}, status)


def _said_no(error: ProductFruitsError) -> Response:
    if isinstance(error, Unreadable):
        return refused(error.status, error.code, str(error))
    known = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if isinstance(error, NotStored | AlreadyServed) and known is None:
        return _not_now()
    if known is None:
        return _unforeseen(error)
    status, code = known
    if isinstance(error, BadRequest):
        return refused(status, code, str(error), errors=error.errors)
    if isinstance(error, InvalidDocument):
        return refused(status, code, str(error), errors=documents.by_place(error.problems))
    response = refused(status, code, str(error))
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="productfruits"'
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.wait_s)
    elif status == 503:
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code, message = HTTP.get(status, INTERNAL if status >= 500 else HTTP[400])
    response = refused(status, code, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    if classify(error) is Fault.UNEXPECTED:
        # The kind and the place, and not the message: it may quote what a customer's user typed.
        log.error("api_failed", error=type(error).__name__, route=str(request.url_rule), at=_where(error))
        return refused(500, *INTERNAL)
    return _not_now()


def _not_now() -> Response:
    response = refused(503, *UNAVAILABLE)
    response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def _where(error: Exception) -> str:
    """File and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"
