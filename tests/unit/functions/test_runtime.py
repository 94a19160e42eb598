"""What a function finds around itself: the globals of Segment's runtime, as Node and its libraries have them."""

import pytest

from productfruits.functions import errors
from productfruits.functions.runs import Call, Evaluation, Line
from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import code, echo, refused, run, value


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
