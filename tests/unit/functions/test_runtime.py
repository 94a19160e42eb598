"""What a function finds around itself: the globals of Segment's runtime, as Node and its libraries have them."""

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from productfruits.functions import errors
from productfruits.functions.fetching import Answered, Asked, FetchFailed
from productfruits.functions.runs import Call, Evaluation, Line
from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import code, echo, refused, run, value


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=2, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return _.get({a: [{b: 1}]}, 'a[0].b')", 1),
        ("return [atob('aGk='), btoa('hi')]", ["hi", "aGk="]),
        ("return new TextDecoder().decode(new TextEncoder().encode('héé€😀'))", "héé€😀"),
        (
            "const u = new URL('../c?d=1#e', 'https://EXAMPLE.com:443/a/b/'); return [u.href, u.searchParams.get('d')]",
            ["https://example.com/a/c?d=1#e", "1"],
        ),
        ("return new URLSearchParams({a: '1 2', b: 'ü'}).toString()", "a=1+2&b=%C3%BC"),
        (
            "const one = {a: new Date(0), m: new Map([[1, 2]])}; const two = structuredClone(one);"
            " return [two.a.getTime(), two.m.get(1), two !== one]",
            [0, 2, True],
        ),
        ("let seen = []; queueMicrotask(() => seen.push(1)); await 0; return seen", [1]),
        ("return Buffer.from('user:pass').toString('base64')", "dXNlcjpwYXNz"),
        ("const t = setTimeout(() => {}, 1); clearTimeout(t); return await new Promise(r => setTimeout(r, 1, 7))", 7),
        (
            "let n = 0; return await new Promise(r => { const i = setInterval(() => { if (++n == 3) {"
            " clearInterval(i); r(n) } }, 1) })",
            3,
        ),
        ("return await cache.load('k', 1000, async () => 'made')", "made"),
        (
            "const h = new Headers({A: '1'}); h.append('a', '2'); return [h.get('A'), h.has('b'), [...h]]",
            ["1, 2", False, [["a", "1, 2"]]],
        ),
        (
            "const r = new Response('{\"a\":1}', {status: 201}); return [r.ok, r.status, await r.json()]",
            [True, 201, {"a": 1}],
        ),
        (
            "const r = new Request('https://x.example', {method: 'post', body: 'b'}); return [r.method,"
            " r.url, await r.text()]",
            ["POST", "https://x.example/", "b"],
        ),
        ("return require('crypto') === crypto", True),
        ("return new Intl.NumberFormat('de').format(1234.5)", "1.234,5"),
    ],
)
def test_globals(sandbox: Sandbox, body: str, expected: object) -> None:
    assert value(sandbox, body, fetch=echo) == expected


def test_the_log_reads_like_nodes(sandbox: Sandbox) -> None:
    done = run(
        sandbox, "console.log('%s is', 'x', {a: [1, 'b'], c: null}); console.error(new Map([[1, {}]])); console.warn()"
    )
    assert done.log == (
        Line("log", "x is { a: [1, 'b'], c: null }"),
        Line("error", "Map(1) { 1 => {} }"),
        Line("warn", ""),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "return crypto.createHash('sha256').update('a').update(Buffer.from('bc')).digest('hex')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "return crypto.createHmac('sha1', 'key').update('The quick brown fox jumps over the lazy"
            " dog').digest('base64')",
            base64.b64encode(bytes.fromhex("de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9")).decode(),
        ),
        (
            "return crypto.createHash('md5').update('é', 'latin1').copy().digest('hex')",
            "3406877694691ddd1dfb0aca54681407",
        ),
        # FIPS 197, appendix B, without padding.
        (
            "const c = crypto.createCipheriv('aes-128-ecb', Buffer.from('2b7e151628aed2a6abf7158809cf4f3c',"
            " 'hex'), null);"
            " c.setAutoPadding(false); return c.update('3243f6a8885a308d313198a2e0370734', 'hex', 'hex') +"
            " c.final('hex')",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "const k = crypto.randomBytes(32), iv = crypto.randomBytes(16); const c ="
            " crypto.createCipheriv('aes-256-cbc', k, iv);"
            " const x = c.update('grüße', 'utf8', 'base64') + c.final('base64');"
            " const d = crypto.createDecipheriv('aes-256-cbc', k, iv); return d.update(x, 'base64', 'utf8')"
            " + d.final('utf8')",
            "grüße",
        ),
        (
            "const k = Buffer.alloc(16), iv = Buffer.alloc(12); const c = crypto.createCipheriv('aes-128-gcm', k, iv);"
            " c.setAAD(Buffer.from('h')); const x = Buffer.concat([c.update('m'), c.final()]); const t ="
            " c.getAuthTag();"
            " const d = crypto.createDecipheriv('aes-128-gcm', k, iv); d.setAAD(Buffer.from('h')); d.setAuthTag(t);"
            " return d.update(x, undefined, 'utf8') + d.final('utf8')",
            "m",
        ),
        (
            "return [crypto.randomUUID().length, crypto.randomInt(3) < 3,"
            " crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))]",
            [36, True, True],
        ),
    ],
)
def test_crypto(sandbox: Sandbox, body: str, expected: object) -> None:
    assert value(sandbox, body) == expected


def test_signatures(sandbox: Sandbox) -> None:
    keys = _keys()
    body = """
        const out = [];
        for (const [kind, pem] of Object.entries(event.private)) {
          const one = kind === 'ed' ? null : 'RSA-SHA256';
          const signed = crypto.sign(one, Buffer.from('data'), pem);
          out.push(crypto.verify(one, Buffer.from('data'), event.public[kind], signed));
          out.push(crypto.verify(one, Buffer.from('date'), event.public[kind], signed));
        }
        const pss = { key: event.private.rsa, padding: crypto.constants.RSA_PKCS1_PSS_PADDING };
        const signature = crypto.createSign('sha256').update('a').sign(pss, 'base64');
        const verify = crypto.createVerify('sha256').update('a');
        out.push(verify.verify({ ...pss, key: event.public.rsa }, signature, 'base64'));
        return out;
    """
    assert value(sandbox, body, keys) == [True, False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("crypto.createHash('sha9')", "Digest method not supported"),
        ("crypto.createCipheriv('aes-128-cbc', Buffer.alloc(3), Buffer.alloc(16))", "Invalid key length"),
        (
            "const d = crypto.createDecipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));"
            " d.update('zz'); d.final()",
            "bad decrypt",
        ),
        ("crypto.sign('sha256', 'x', 'no key')", "cannot be read"),
        ("crypto.createCipher('aes-128-cbc', 'password')", "createCipheriv"),
        ("crypto.randomBytes(1e9)", "1 MiB"),
        ("new AWS.S3()", "AWS is not offered by this server. Call the service over HTTPS"),
        ("moment()", "moment is not offered"),
        ("require('fs')", "Cannot find module 'fs'"),
        ("new URL('nonsense')", "Invalid scheme"),
        ("new Headers({'a b': '1'})", "not a legal HTTP header name"),
        ("nobody.knows", "nobody is not defined"),
    ],
)
def test_what_is_refused_says_why(sandbox: Sandbox, body: str, message: str) -> None:
    done = run(sandbox, body)
    assert done.failure is not None and done.failure.kind == errors.BAD_REQUEST
    assert message in done.failure.message


@pytest.mark.parametrize(
    ("thrown", "kind"),
    [
        ("new EventNotSupported('no')", errors.UNSUPPORTED),
        ("new InvalidEventPayload('no')", errors.MESSAGE_REJECTED),
        ("new ValidationError('no')", errors.MESSAGE_REJECTED),
        ("new RetryError('no')", errors.RETRY),
        ("new DropEvent('no')", errors.DROPPED),
        ("new TypeError('no')", errors.BAD_REQUEST),
        ("Object.assign(new (class Mine extends Error {})('no'))", errors.BAD_REQUEST),
        ("'no'", errors.BAD_REQUEST),
        ("{ message: 'no' }", errors.BAD_REQUEST),
    ],
)
def test_what_is_thrown_says_what_became_of_the_event(sandbox: Sandbox, thrown: str, kind: str) -> None:
    done = run(sandbox, f"throw {thrown}")
    assert done.failure is not None
    assert (done.failure.kind, done.failure.message) == (kind, "no")


def test_a_missing_handler_is_an_event_that_is_not_supported(sandbox: Sandbox) -> None:
    done = sandbox.run(code("function onPage() {}"), Call("onTrack", ({}, {})), refused)
    assert done.failure is not None
    assert (done.failure.kind, done.failure.name) == (errors.UNSUPPORTED, "EventNotSupported")


def test_a_stack_names_lines_of_the_function_and_none_of_ours(sandbox: Sandbox) -> None:
    function = code("function fail() {\n  throw new Error('here')\n}\nfunction onTrack() {\n  fail()\n}")
    done = sandbox.run(function, Call("onTrack", ({}, {})), refused)
    assert done.failure is not None
    assert done.failure.stack.splitlines()[:2] == ["Error: here", "    at fail (function.js:2:9)"]
    assert all("function.js" in line for line in done.failure.stack.splitlines()[1:])


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


def test_a_source_function_reads_its_request_and_calls_segment(sandbox: Sandbox) -> None:
    function = code(
        """
        async function onRequest(request, settings) {
          const body = request.json(), again = await request.json();
          Segment.identify({ userId: body.id, traits: { email: request.headers.get('X-Mail') } });
          Segment.track({ event: request.url.searchParams.get('e'), userId: again.id, properties: { settings } });
          Segment.set({ collection: 'products', id: 7, properties: {} });
          return (await request.text()).length + request.text().length;
        }
        """,
        sends=True,
    )
    request = {
        "method": "POST",
        "url": "https://h.example/f?e=Paid",
        "headers": [["X-Mail", "a@b.c"]],
        "body": '{"id":"u"}',
    }
    done = sandbox.run(function, Call("onRequest", ({"k": 1},), request), refused)
    assert done.failure is None and done.value == "20"
    assert done.calls == (
        '{"userId":"u","traits":{"email":"a@b.c"},"type":"identify"}',
        '{"event":"Paid","userId":"u","properties":{"settings":{"k":1}},"type":"track"}',
        '{"collection":"products","id":"7","properties":{},"type":"set"}',
    )
    form = {**request, "headers": [["Content-Type", "application/x-www-form-urlencoded"]], "body": "id=u&a=1&a=2"}
    echoing = code("function onRequest(request) { return request.json() }")
    assert sandbox.run(echoing, Call("onRequest", ({},), form), refused).value == '{"id":"u","a":["1","2"]}'


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("track({event: 'x'.repeat(33000)})", errors.TOO_LARGE,
         "failed calling Tracking API: the message is too large and over the maximum 32KB limit"),
        ("track('x')", errors.MESSAGE_REJECTED, "takes one object"),
        ("set({collection: 'Products', id: '1', properties: {}})", errors.MESSAGE_REJECTED, "lower case"),
        ("set({collection: 'products', properties: {}})", errors.MESSAGE_REJECTED, "`id`"),
        ("set({collection: 'products', id: '1'})", errors.MESSAGE_REJECTED, "`properties`"),
    ],
)  # fmt: skip
def test_a_segment_call_that_cannot_be_taken(sandbox: Sandbox, call: str, kind: str, message: str) -> None:
    done = sandbox.run(code(f"function onRequest() {{ Segment.{call} }}", sends=True), Call("onRequest", ()), refused)
    assert done.failure is not None and done.failure.kind == kind
    assert message in done.failure.message


def test_expressions_are_function_bodies_over_the_event(sandbox: Sandbox) -> None:
    nothing = code("", "expressions:")
    event = {"user": None, "n": 2}
    done = sandbox.run(
        nothing, Evaluation(("return $.n + _.n", "return _.user?.email", "return {a: [$.n]}"), event), refused
    )
    assert done.value == '[4,null,{"a":[2]}]'
    done = sandbox.run(nothing, Evaluation(("return $.x.y",), event), refused)
    assert done.failure is not None and "undefined" in done.failure.message
    done = sandbox.run(nothing, Evaluation(("return (",), event), refused)
    assert done.failure is not None and done.failure.name == "SyntaxError"


def test_what_fails_while_loading_is_told_with_each_run(sandbox: Sandbox) -> None:
    done = sandbox.run(code("nobody.knows; function onTrack() {}"), Call("onTrack", ({}, {})), refused)
    assert done.failure is not None
    assert (done.failure.kind, done.failure.message) == (errors.BAD_REQUEST, "nobody is not defined")


def test_an_event_of_any_text_comes_through_as_it_is(sandbox: Sandbox) -> None:
    text = "\x00 \ud83d\ude00 ' \" \\ </script> \u2028 é"
    assert value(
        sandbox, "return event.text", {"text": text.encode("utf-16", "surrogatepass").decode("utf-16")}
    ) == text.encode("utf-16", "surrogatepass").decode("utf-16")
    done = run(sandbox, "return 1", {"text": "x" * 5_000_000})
    assert done.failure is not None and "4 MiB" in done.failure.message
    assert value(sandbox, "return 1") == 1


def _keys() -> dict[str, dict[str, str]]:
    made: dict[str, Any] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "ed": ed25519.Ed25519PrivateKey.generate(),
    }
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return {
        "private": {
            kind: key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode()
            for kind, key in made.items()
        },
        "public": {
            kind: key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
            for kind, key in made.items()
        },
    }
