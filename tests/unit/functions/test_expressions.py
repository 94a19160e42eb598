"""Values written as JavaScript over the event."""

from collections.abc import Iterator
from typing import Any

import pytest

from productfruits.functions import expressions
from productfruits.functions.expressions import ExpressionFailed
from productfruits.functions.runtime import Sandbox

EVENT = {
    "event_type": "conversion",
    "user": {"email": "ada@example.com"},
    "conversion": {"order_id": "7", "price": 9.5, "currency": "EUR"},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=1, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("POST", "POST"),
        ("https://hooks.example/returns", "https://hooks.example/returns"),
        ("it's a `constant` \\ with everything", "it's a `constant` \\ with everything"),
        ("${$.user.email}", "ada@example.com"),
        ("`${$.conversion.price}` \\n ${_.user?.name ?? `no ${'name'}`}", "`9.5` \\n no name"),
        ('{"text": "${ JSON.stringify({a: {b: 1}}).length }"}', '{"text": "13"}'),
        ("$.user?.email", "ada@example.com"),
        ("_['conversion'].order_id;", "7"),
        ("$.nobody?.email", None),
        ("// only conversions\nif ($.event_type != 'conversion') return null\nreturn 'orders' // the table", "orders"),
        ("/* return */ const c = $.conversion; return {text: `${c.price} ${c.currency}`}", {"text": "9.5 EUR"}),
        ("($) => $.conversion.order_id", "7"),
        ("async (event) => ({ id: event.user.email })", {"id": "ada@example.com"}),
        ("function (event) { return event.event_type }", "conversion"),
    ],
)
def test_what_a_text_stands_for(sandbox: Sandbox, text: str, value: Any) -> None:
    assert expressions.evaluate(sandbox, "one", {"it": text}, EVENT) == {"it": value}


def test_a_constant_needs_no_process() -> None:
    sandbox = Sandbox(processes=0, ahead=False)
    assert expressions.evaluate(sandbox, "one", {"method": "GET"}, EVENT) == {"method": "GET"}


@pytest.mark.parametrize("text", ["${$.a.b.c}", "return (", "${", "() => nobody", "() => fetch('https://x.example')"])
def test_what_cannot_be_evaluated_says_why(sandbox: Sandbox, text: str) -> None:
    with pytest.raises(ExpressionFailed, match="could not be evaluated"):
        expressions.evaluate(sandbox, "one", {"fine": "${1}", "it": text}, EVENT)


def test_one_text_cannot_reach_into_the_next_run(sandbox: Sandbox) -> None:
    expressions.evaluate(sandbox, "two", {"a": "return ($.user.email = 'changed')"}, EVENT)
    assert expressions.evaluate(sandbox, "two", {"a": "${$.user.email}"}, EVENT) == {"a": "ada@example.com"}
