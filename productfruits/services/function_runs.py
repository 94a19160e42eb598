"""One run of a function: with its settings, through the egress guard, and without its secrets in what is kept of it."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from productfruits.functions import definitions, errors
from productfruits.functions.fetching import RESPONSE_BYTES, Answered, Asked, Fetch, FetchFailed
from productfruits.functions.runs import Call, Exchange, Failure, Line, Run
from productfruits.functions.runtime import Sandbox
from productfruits.outgoing import chains
from productfruits.outgoing.http import BadRequest, Egress, Request, TimedOut, Unintelligible, Unreachable, Untrusted
from productfruits.services.function_instances import Runnable

OWN_ADDRESS = "Functions are unable to send data or events back to their originating source"


def run(sandbox: Sandbox, egress: Egress, runnable: Runnable, call: Call, *, depth: int = 0) -> Run:
    """Run it and wait. `depth`: how many destinations the event has come through already.

    Raises `functions.errors.Busy` and `DoesNotStart`: those are "not now".
    """
    if runnable.missing:
        told = f"These settings of the instance have no value: {', '.join(runnable.missing)}. Fill them in."
        return Run(Failure(errors.INVALID_SETTINGS, "InvalidSettings", told), None, (), (), (), 0)
    call = replace(call, values=(*call.values, runnable.settings))
    return _redacted(sandbox.run(runnable.code, call, _through(egress, runnable.token, depth)), runnable.secrets)


def _through(egress: Egress, own_token: str | None, depth: int) -> Fetch:
    """The network of a function: everything goes through the guard, and nothing to its own address."""

    def fetch(asked: Asked, within_s: float) -> Answered:
        if own_token is not None and own_token in asked.url:
            raise FetchFailed(OWN_ADDRESS, "ELOOP")
        own = tuple(pair for pair in asked.headers if pair[0].lower() != chains.HEADER.lower())
        request = Request(
            method=asked.method,
            url=asked.url,
            headers=(*own, (chains.HEADER, str(min(depth + 1, chains.MAX_DEPTH)))),
            body=asked.body,
            deadline_s=within_s,
            cap_bytes=RESPONSE_BYTES,
        )
        try:
            got = egress.send(request)
        except BadRequest as err:
            raise FetchFailed(str(err), "EINVAL") from err
        except TimedOut as err:
            raise FetchFailed(f"connect ETIMEDOUT {_where(asked.url)}", "ETIMEDOUT") from err
        except Untrusted as err:
            raise FetchFailed("unable to verify the first certificate", "UNABLE_TO_VERIFY_LEAF_SIGNATURE") from err
        except Unintelligible as err:
            raise FetchFailed("socket hang up", "ECONNRESET") from err
        except Unreachable as err:
            # An address that is not allowed reads the same: a function must not learn what is inside.
            raise FetchFailed(f"connect ECONNREFUSED {_where(asked.url)}", "ECONNREFUSED") from err
        return Answered(got.status, got.headers, got.body, got.truncated)

    return fetch


def _where(url: str) -> str:
    """Host and port of a URL, as Node words them."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.hostname}:{port or (443 if parts.scheme == 'https' else 80)}"


def _redacted(done: Run, secrets: tuple[str, ...]) -> Run:
    def clean(text: str) -> str:
        return definitions.redact(text, secrets)

    failure = done.failure
    return replace(
        done,
        failure=failure and replace(failure, message=clean(failure.message), stack=clean(failure.stack)),
        value=None if done.value is None else clean(done.value),
        log=tuple(Line(line.level, clean(line.text)) for line in done.log),
        exchanges=tuple(
            Exchange(exchange.method, clean(_without_userinfo(exchange.url)), exchange.status, exchange.took_ms)
            for exchange in done.exchanges
        ),
    )


def _without_userinfo(url: str) -> str:
    return re.sub(r"^(https?://)[^/@]*@", r"\1", url)
