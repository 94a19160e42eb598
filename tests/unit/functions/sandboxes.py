"""A sandbox for tests, and functions in one line."""

import itertools
import json
from typing import Any

from productfruits.functions.fetching import Answered, Asked, Fetch, FetchFailed
from productfruits.functions.runs import Call, Code, Run
from productfruits.functions.runtime import Sandbox

_numbers = itertools.count()


def refused(asked: Asked, within_s: float) -> Answered:
    """A network where nobody listens."""
    raise FetchFailed("connect ECONNREFUSED", "ECONNREFUSED")


def echo(asked: Asked, within_s: float) -> Answered:
    """A network whose servers say what they were asked."""
    said = {
        "method": asked.method,
        "url": asked.url,
        "headers": {name.lower(): value for name, value in asked.headers},
        "body": (asked.body or b"").decode(),
    }
    return Answered(200, (("Content-Type", "application/json"),), json.dumps(said).encode(), False)


def code(source: str, key: str | None = None, *, sends: bool = False) -> Code:
    """A function of its own, unless `key` says that it is one from before."""
    return Code(key or f"{next(_numbers)}:", source, sends=sends)


#: Runs the body that comes with the event, so that tests need no process each.
ANY = """
const Body = (async () => {}).constructor;
async function onTrack({ body, event }, settings) { return new Body("event", "settings", body)(event, settings) }
"""


def run(
    sandbox: Sandbox,
    body: str,
    event: Any = None,
    settings: Any = None,
    fetch: Fetch = refused,
    key: str | None = None,
) -> Run:
    """What comes of a handler with this body."""
    given = {"body": body, "event": event or {}}
    return sandbox.run(code(ANY, key or "any:"), Call("onTrack", (given, settings or {})), fetch)


def value(sandbox: Sandbox, body: str, event: Any = None, **more: Any) -> Any:
    """What the body returns; a failure fails the test with its words."""
    done = run(sandbox, body, event, **more)
    assert done.failure is None, done.failure
    return None if done.value is None else json.loads(done.value)
