"""Function bodies over an event."""

from collections.abc import Iterator

import pytest

from productfruits.functions import expressions
from productfruits.functions.expressions import ExpressionFailed
from productfruits.functions.runtime import Sandbox

EVENT = {"event_type": "conversion", "user": {"email": "ada@example.com"}, "conversion": {"price": 9.5}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=1, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


def test_bodies_see_the_event_under_three_names(sandbox: Sandbox) -> None:
    scripts = {
        "a": "return $.user?.email",
        "b": "return `${_.conversion.price} EUR`",
        "c": "// none\nif (event.event_type == 'conversion') return { at: [1] }",
        "d": "const nothing = $.nobody?.email",
        "e": "return (async () => 'awaited')()",
    }
    assert expressions.evaluate(sandbox, "one", scripts, EVENT) == {
        "a": "ada@example.com",
        "b": "9.5 EUR",
        "c": {"at": [1]},
        "d": None,
        "e": "awaited",
    }


def test_nothing_needs_no_process() -> None:
    assert expressions.evaluate(Sandbox(processes=0), "one", {}, EVENT) == {}


@pytest.mark.parametrize("body", ["return $.a.b.c", "return (", "return nobody", "return fetch('https://x.example')"])
def test_what_cannot_be_evaluated_says_why(sandbox: Sandbox, body: str) -> None:
    with pytest.raises(ExpressionFailed, match="could not be evaluated"):
        expressions.evaluate(sandbox, "one", {"fine": "return 1", "it": body}, EVENT)


def test_one_event_cannot_reach_into_the_next(sandbox: Sandbox) -> None:
    expressions.evaluate(sandbox, "two", {"a": "return ($.user.email = 'changed')"}, EVENT)
    assert expressions.evaluate(sandbox, "two", {"a": "return $.user.email"}, EVENT) == {"a": "ada@example.com"}
