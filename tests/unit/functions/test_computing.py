"""`crypto` as the parent answers it: to a function that waits, and to a stranger who asks for too much."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from productfruits.functions import ciphers, conversations, errors, expressions
from productfruits.functions.ciphers import Ciphers
from productfruits.functions.fetching import Answered, Asked
from productfruits.functions.runs import Call
from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import code, echo, refused, run, value

HASH = "crypto.createHash('md5').update('').digest('hex')"
HASHED = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture(scope="module")
def short() -> Iterator[Sandbox]:
    """One that ends its functions early, since here they are all to be ended."""
    sandbox = Sandbox(processes=2, run_s=0.4, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


def ask(asked: Ciphers, do: str, **request: Any) -> str:
    """The value of the answer; bytes of the request are put into base64. Its error fails the test."""
    reply = json.loads(f"{{{asked.reply(json.dumps({'do': do, **_encoded(request)}))}}}")
    assert "error" not in reply, reply
    return str(reply["value"])


def error(asked: Ciphers, do: str, **request: Any) -> str:
    return str(json.loads(f"{{{asked.reply(json.dumps({'do': do, **_encoded(request)}))}}}")["error"])


def _encoded(request: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64encode(given).decode() if isinstance(given, bytes) else given for name, given in request.items()
    }


def begin(asked: Ciphers, algorithm: str = "aes-128-gcm", iv: bytes = bytes(12), *, decrypts: bool = False) -> str:
    return ask(asked, "cipher", decrypts=decrypts, algorithm=algorithm, key=bytes(16), iv=iv)


def test_a_process_loads_no_cryptography() -> None:
    asked = "import sys, productfruits.functions.child as c; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert "productfruits" in loaded
    assert not {"cryptography", "hashlib", "hmac"} & set(loaded)


def test_a_process_that_could_load_none_computes_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has the paths of its parent, and finds this there before the library."""
    (tmp_path / "cryptography.py").write_text("raise ImportError('there is no cryptography here')")
    monkeypatch.syspath_prepend(str(tmp_path))
    sandbox = Sandbox(processes=1, ahead=False)
    try:
        assert value(sandbox, f"return {HASH}") == HASHED
        maps = Path(f"/proc/{sandbox._idle[0].process.pid}/maps")
        if os.access(maps, os.R_OK):
            assert "mini_racer" in maps.read_text()
            assert "cryptography" not in maps.read_text()
    finally:
        sandbox.close()


def test_code_computes_while_it_is_loaded(sandbox: Sandbox) -> None:
    early = code(f"const early = {HASH}; function onTrack() {{ return early }}")
    assert sandbox.handlers(early) == ("onTrack",)
    assert sandbox.run(early, Call("onTrack", ({}, {})), refused).value == f'"{HASHED}"'
    wrong = code("crypto.createHash('sha9'); function onTrack() {}")
    failure = sandbox.run(wrong, Call("onTrack", ({}, {})), refused).failure
    assert failure is not None and "Digest method not supported" in failure.message


def test_expressions_compute(sandbox: Sandbox) -> None:
    assert expressions.evaluate(sandbox, "hashed", {"a": f"return {HASH}"}, {}) == {"a": HASHED}


def test_answers_of_fetch_that_come_while_javascript_waits_are_kept(sandbox: Sandbox) -> None:
    body = """
        const large = 'x'.repeat(1_000_000);
        const sent = _.range(12).map((n) => fetch(`https://x.example/${n}`, { method: 'POST', body: large }));
        const names = new Set();
        for (let n = 0; n < 300; n++) names.add(crypto.createHash('sha1').update(String(n)).digest('hex'));
        const bulk = Buffer.alloc(2_500_000);
        for (let n = 0; n < 4; n++) names.add(crypto.createHash('sha1').update(bulk).digest('hex'));
        const answers = await Promise.all(sent.map(async (one) => (await one).text()));
        return [names.size, answers.map((one) => one.length)];
    """

    def fetch(asked: Asked, within_s: float) -> Answered:
        return Answered(200, (), asked.body or b"", False)

    assert value(sandbox, body, fetch=fetch) == [301, [1_000_000] * 12]


def test_fetch_and_crypto_take_turns(sandbox: Sandbox) -> None:
    body = f"""
        const seen = [];
        for (let n = 0; n < 5; n++) {{
          seen.push((await (await fetch(`https://x.example/${{n}}`)).json()).url.at(-1) + {HASH}.slice(0, 2));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }}
        return seen.join(' ');
    """
    assert value(sandbox, body, fetch=echo) == "0d4 1d4 2d4 3d4 4d4"


@pytest.mark.parametrize(
    "body",
    [
        f"for (;;) {HASH}",
        "for (;;) try { crypto.randomBytes(-1) } catch {}",
        "for (;;) { crypto.randomUUID(); await 0 }",
        "const data = Buffer.alloc(2_900_000); for (;;) crypto.createHash('sha512').update(data).digest()",
        "for (;;) crypto.createCipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12)).setAAD(Buffer.alloc(1e6))",
    ],
    ids=["hash", "refused", "promises", "large", "ciphers"],
)
def test_computing_without_end_is_ended(short: Sandbox, body: str) -> None:
    failure = run(short, body).failure
    assert failure is not None
    assert (failure.kind, failure.message) == (errors.TIMEOUT, "The function did not end within 0.4 seconds.")
    assert value(short, f"return {HASH}") == HASHED


def test_computing_without_end_while_code_is_loaded_is_ended(short: Sandbox) -> None:
    done = short.run(code(f"for (;;) {HASH}; function onTrack() {{}}"), Call("onTrack", ({}, {})), refused)
    assert done.failure is not None and done.failure.kind == errors.TIMEOUT


def test_computing_that_a_run_left_behind_keeps_its_result_and_loses_its_process(short: Sandbox) -> None:
    assert value(short, "(async () => { for (;;) { crypto.randomBytes(1); await 0 } })(); return 1", key="left:") == 1
    assert value(short, "(async () => { await 0; crypto.randomBytes(1) })(); return 2", key="left:") == 2
    assert value(short, "globalThis.again = (globalThis.again ?? 0) + 1; return again", key="left:") == 1
    assert value(short, "globalThis.again = (globalThis.again ?? 0) + 1; return again", key="left:") == 2


def test_a_process_that_waits_for_its_turn_to_compute_is_ended_too(short: Sandbox) -> None:
    with conversations._COMPUTING:
        done = run(short, f"return {HASH}")
    assert done.failure is not None and done.failure.kind == errors.TIMEOUT
    assert value(short, f"return {HASH}") == HASHED


def test_requests_that_code_writes_past_the_prelude_confuse_nobody(sandbox: Sandbox) -> None:
    forged = """
        Object.prototype.toJSON = () => ({ is: 'compute', id: event.id, ask: '{"do":"random","size":1}' });
        console.log('x');
        Object.prototype.toJSON = () => ({ is: 'compute', ask: null });
        console.log('x');
        delete Object.prototype.toJSON;
    """
    for number in ("1", "99", "'text'"):
        body = forged.replace("event.id", number) + f"return {HASH}"
        assert value(sandbox, body, key=f"forged {number}:") == HASHED


@pytest.mark.parametrize(
    "asked", [None, 7, "", "undefined", "[]", "null", "{}", '{"do":[]}', "[" * 100_000, '{"do":"cipher-final","id":[]}']
)
def test_what_is_no_request_is_answered_with_an_error_or_nothing(asked: object) -> None:
    reply = json.loads(f"{{{Ciphers().reply(asked)}}}")
    assert list(reply) == ["error"] or reply == {"value": ""}


def test_a_request_has_a_size(sandbox: Sandbox) -> None:
    hashed = "return crypto.createHash('sha256').update(Buffer.alloc(event.size)).digest('hex').length"
    assert value(sandbox, hashed, {"size": 2_990_000}) == 64
    for size in (3_010_000, 4_000_000):
        failure = run(sandbox, hashed, {"size": size}).failure
        assert failure is not None and "at once" in failure.message
    whole = "const c = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16));"
    assert value(sandbox, f"{whole} return c.update(Buffer.alloc(2_990_000)).length + c.final().length") == 2_990_016
    assert "at once" in error(Ciphers(), "hash", algorithm="md5", data=bytes(3_000_001))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 49_151, 49_152, 49_153, 200_000])
def test_long_data_is_put_into_base64_in_slices_and_stays_what_it_is(size: int) -> None:
    data = os.urandom(size)
    assert ciphers._bytes(base64.b64encode(data).decode()) == data
    assert ciphers._text(data) == base64.b64encode(data).decode()


@pytest.mark.parametrize("size", [-1, 1_048_577, 1.5, "9", None, [], True, 1e400])
def test_random_bytes_have_a_number(size: object) -> None:
    assert "whole number" in error(Ciphers(), "random", size=size)


def test_open_ciphers_have_a_number_and_the_oldest_goes() -> None:
    asked = Ciphers()
    oldest = begin(asked)
    others = [begin(asked) for _ in range(ciphers.OPEN_CIPHERS)]
    assert len(asked._open) == ciphers.OPEN_CIPHERS
    assert "1,000 others" in error(asked, "cipher-update", id=oldest, data=b"x")
    for each in (others[0], others[-1]):
        assert ask(asked, "cipher-update", id=each, data=b"x")
    ask(asked, "cipher-final", id=others[0])
    assert "final() already" in error(asked, "cipher-final", id=others[0])
    assert len(asked._open) == ciphers.OPEN_CIPHERS - 1


def test_ciphers_of_one_process_are_not_those_of_another(sandbox: Sandbox) -> None:
    make = "globalThis.c = crypto.createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)); return c.id"
    first = value(sandbox, make, key="ciphers one:")
    assert value(sandbox, make, key="ciphers two:") == first
    # One that lives on in a global goes on in the next run, and is gone with its process.
    assert value(sandbox, "return c.update('ab').length", key="ciphers one:") == 2
    process = next(warm.process for warm in sandbox._idle if warm.key == "ciphers one:")
    assert list(process.ciphers._open) == [first]


def test_a_cipher_keeps_nothing_of_what_it_was_given() -> None:
    asked = Ciphers()
    number = begin(asked, iv=bytes(128))
    for _ in range(3):
        ask(asked, "cipher-aad", id=number, data=bytes(1_000_000))
    held = vars(asked._open[number])
    assert sum(len(each) for each in held.values() if isinstance(each, bytes | str | list)) < 100
    for iv in (bytes(7), bytes(129), bytes(1_000_000)):
        told = error(asked, "cipher", decrypts=False, algorithm="aes-128-gcm", key=bytes(16), iv=iv)
        assert "initialization vector" in told
    assert "gcm" in error(asked, "cipher-aad", id=begin(asked, "aes-128-ctr", bytes(16)), data=b"x")


def test_a_tag_may_be_set_until_the_end(sandbox: Sandbox) -> None:
    body = """
        const [key, iv] = [Buffer.alloc(16), Buffer.alloc(12)];
        const cipher = crypto.createCipheriv('aes-128-gcm', key, iv);
        const sealed = cipher.update('secret', 'utf8', 'hex') + cipher.final('hex');
        const open = (tag) => {
          const decipher = crypto.createDecipheriv('aes-128-gcm', key, iv);
          const text = decipher.update(sealed, 'hex', 'utf8');
          if (tag) decipher.setAuthTag(tag);
          try { return text + decipher.final('utf8') } catch (error) { return error.message }
        };
        return [open(cipher.getAuthTag()), open(Buffer.alloc(16)), open()];
    """
    opened, forged, without = value(sandbox, body)
    assert opened == "secret"
    assert "unable to authenticate" in forged
    assert "setAuthTag" in without


def test_what_breaks_inside_of_a_library_is_an_error_of_the_function(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        """As Rust's are."""

    def breaking(size: int) -> bytes:
        raise Panic("index out of bounds")

    body = "try { crypto.randomBytes(3) } catch (error) { return error.message }"
    with monkeypatch.context() as broken:
        broken.setattr("os.urandom", breaking)
        assert value(sandbox, body) == "This cannot be computed (Panic): index out of bounds"
    assert value(sandbox, "return crypto.randomBytes(3).length") == 3


def test_one_computes_at_a_time(sandbox: Sandbox) -> None:
    """Whatever functions ask for: together they have one core of the server."""
    at_once, most = 0, 0
    guard = threading.Lock()
    real = Ciphers.answer

    class Counting(Ciphers):
        def answer(self, request: dict[str, Any]) -> str:
            nonlocal at_once, most
            with guard:
                at_once += 1
                most = max(most, at_once)
            try:
                return real(self, request)
            finally:
                with guard:
                    at_once -= 1

    keys = ("turns one:", "turns two:")
    for key in keys:
        value(sandbox, "return 1", key=key)
    for warm in sandbox._idle:
        warm.process.ciphers = Counting()
    loop = "for (let n = 0; n < 40; n++) crypto.createHash('sha512').update(Buffer.alloc(300_000)).digest()"
    threads = [threading.Thread(target=value, args=(sandbox, loop), kwargs={"key": key}) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
