"""What can become of a run, in the names that Segment gives them, and errors of the sandbox itself."""

from typing import Final

from productfruits.errors import ProductFruitsError

BAD_REQUEST: Final = "bad_request"
INVALID_SETTINGS: Final = "invalid_settings"
MESSAGE_REJECTED: Final = "message_rejected"
UNSUPPORTED: Final = "unsupported_event_type"
RETRY: Final = "retry"
TIMEOUT: Final = "timeout"
TOO_LARGE: Final = "message_too_large"
DROPPED: Final = "dropped"

#: Kind -> what the pages and the API call it.
TITLES: Final = {
    BAD_REQUEST: "Bad Request",
    INVALID_SETTINGS: "Invalid Settings",
    MESSAGE_REJECTED: "Message Rejected",
    UNSUPPORTED: "Unsupported Event Type",
    RETRY: "Retry",
    TIMEOUT: "Timeout",
    TOO_LARGE: "Message Too Large",
    DROPPED: "Dropped",
}
#: Class of what was thrown -> kind; everything else is a bad request.
_KINDS: Final = {
    "InvalidEventPayload": MESSAGE_REJECTED,
    "ValidationError": MESSAGE_REJECTED,
    "EventNotSupported": UNSUPPORTED,
    "RetryError": RETRY,
    "DropEvent": DROPPED,
}
_TOO_LARGE_BEGINS: Final = "failed calling Tracking API: the message is too large"


class Busy(ProductFruitsError):
    """All processes that run functions are at work. Try again in a moment."""


class DoesNotStart(ProductFruitsError):
    """The process that runs functions does not start on this machine. Run `productfruits doctor` for the reason."""


class InvalidCode(ProductFruitsError):
    """The code is no JavaScript that runs."""


class Refused(Exception):
    """Something a function asked for that cannot be computed; the message is what it reads."""


def kind_of(name: str, message: str) -> str:
    """What kind of failure it is when something of this class was thrown."""
    if message.startswith(_TOO_LARGE_BEGINS):
        return TOO_LARGE
    return _KINDS.get(name, BAD_REQUEST)


def is_retried(kind: str) -> bool:
    """Whether another attempt may come out otherwise."""
    return kind in (RETRY, TIMEOUT)
