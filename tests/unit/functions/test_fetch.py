"""`fetch` as a function finds it: like node-fetch, without redirects."""

import threading

import pytest

from productfruits.functions.fetching import Answered, Asked, FetchFailed
from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import echo, run, value


def test_fetch_speaks_like_node_fetch(sandbox: Sandbox) -> None:
    body = """
        const r = await fetch(new URL('https://api.example/x?y=1'), {
          method: 'post', headers: { Authorization: 'Bearer 1' }, body: new URLSearchParams({ a: 'b' }),
        });
        const said = await r.clone().json();
        return [r.ok, r.status, r.statusText, r.headers.get('content-type'), said.method, said.url, said.body,
          said.headers['content-type'], said.headers.authorization];
    """
    assert value(sandbox, body, fetch=echo) == [
        True, 200, "OK", "application/json", "POST", "https://api.example/x?y=1", "a=b",
        "application/x-www-form-urlencoded;charset=UTF-8", "Bearer 1",
    ]  # fmt: skip


def test_many_fetches_at_once_are_all_answered(sandbox: Sandbox) -> None:
    body = (
        "const all = await Promise.all(_.range(20).map((n) => fetch(`https://x.example/${n}`).then((r) => r.json())));"
    )
    assert value(
        sandbox, f"{body} return all.map((one) => one.url.split('/').pop()).join(' ')", fetch=echo
    ) == " ".join(map(str, range(20)))
    done = run(sandbox, "for (let n = 0; n < 101; n++) await fetch('https://x.example/')", fetch=echo)
    assert done.failure is not None and "100 times at most" in done.failure.message
    assert len(done.exchanges) == 100


def test_a_request_that_nobody_awaits_is_sent_all_the_same(sandbox: Sandbox) -> None:
    sent: list[str] = []
    arrived = threading.Event()

    def fetch(asked: Asked, within_s: float) -> Answered:
        sent.append(asked.url)
        arrived.set()
        return Answered(204, (), b"", False)

    assert value(sandbox, "fetch('https://x.example/left'); return 1", fetch=fetch) == 1
    assert arrived.wait(20) and sent == ["https://x.example/left"]


def test_what_cannot_be_reached_is_a_fetch_error(sandbox: Sandbox) -> None:
    def fetch(asked: Asked, within_s: float) -> Answered:
        raise FetchFailed("connect ECONNREFUSED", "ECONNREFUSED")

    told = "[e instanceof FetchError, e.name, e.type, e.code, e.message]"
    body = f"try {{ await fetch('http://127.0.0.1:1/') }} catch (e) {{ return {told} }}"
    assert value(sandbox, body, fetch=fetch) == [
        True, "FetchError", "system", "ECONNREFUSED",
        "request to http://127.0.0.1:1/ failed, reason: connect ECONNREFUSED",
    ]  # fmt: skip
    for wrong, message in (
        ("'/x'", "Only absolute URLs"),
        ("'ftp://x/'", "Only HTTP(S)"),
        ("'https://x/', {body: 'b'}", "GET/HEAD"),
    ):
        done = run(sandbox, f"await fetch({wrong})", fetch=fetch)
        assert done.failure is not None and message in done.failure.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_by_nobody(sandbox: Sandbox, status: int) -> None:
    seen: list[str] = []

    def fetch(asked: Asked, within_s: float) -> Answered:
        seen.append(asked.url)
        return Answered(status, (("Location", "../b?c=d"),), b"moved", False)

    told = "[e instanceof FetchError, e.type, e.message]"
    ask = "fetch('https://one.example/x/a', {{method: 'POST', body: 'x', redirect: {}}})"
    caught = f"try {{{{ await {ask} }}}} catch (e) {{{{ return {told} }}}}"
    followed = (
        f"request to https://one.example/x/a failed, reason: redirected ({status}) to https://one.example/b?c=d;"
        " redirects are not followed here, call the final address"
    )
    assert value(sandbox, caught.format("undefined"), fetch=fetch) == [True, "no-redirect", followed]
    assert value(sandbox, caught.format("'follow'"), fetch=fetch) == [True, "no-redirect", followed]
    assert value(sandbox, caught.format("'error'"), fetch=fetch) == [
        True, "no-redirect",
        "uri requested responds with a redirect, redirect mode is set to error: https://one.example/x/a",
    ]  # fmt: skip
    by_hand = f"const r = await {ask}; return [r.ok, r.status, r.redirected, r.headers.get('location'), await r.text()]"
    assert value(sandbox, by_hand.format("'manual'"), fetch=fetch) == [False, status, False, "../b?c=d", "moved"]
    assert seen == ["https://one.example/x/a"] * 4


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://" + "a" * 1_000_000, "https://" + "a" * 992 + "…"),
        ("http://[nowhere", "http://[nowhere"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://one.example/a", "https://one.example/a"),
    ],
    ids=["1 MB", "no address", "file", "loop"],
)
def test_a_redirect_says_where_to_at_a_bearable_length(sandbox: Sandbox, location: str, shown: str) -> None:
    def fetch(asked: Asked, within_s: float) -> Answered:
        return Answered(302, (("Location", location),), b"", False)

    done = run(sandbox, "await fetch('https://one.example/a')", fetch=fetch)
    assert done.failure is not None
    assert f"redirected (302) to {shown}; redirects" in done.failure.message
    assert [exchange.status for exchange in done.exchanges] == [302]


def test_an_answer_of_3xx_that_leads_nowhere_is_an_answer(sandbox: Sandbox) -> None:
    def fetch(asked: Asked, within_s: float) -> Answered:
        leads = (("Location", "https://two.example/"),) if asked.url.endswith("/304") else ()
        return Answered(int(asked.url.rpartition("/")[2]), leads, b"", False)

    for status in (302, 304):
        assert value(sandbox, f"return (await fetch('https://one.example/{status}')).status", fetch=fetch) == status
