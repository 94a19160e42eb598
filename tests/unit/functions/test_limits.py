"""The sandbox as an attacker meets it: the process is the limit, and nothing of one function reaches another."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from productfruits.functions import errors
from productfruits.functions.errors import InvalidCode
from productfruits.functions.runs import Call, Run
from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import code, refused, run, value


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One that ends its functions early, since here they are all to be ended."""
    sandbox = Sandbox(processes=3, run_s=0.4, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize(
    "body",
    [
        "for (;;) {}",
        "const spin = async () => { for (;;) await 0 }; await spin()",
        "return /^(a+)+$/.test('a'.repeat(40) + '!')",
        "await new Promise(() => {})",
        "await new Promise((resolve) => setTimeout(resolve, 60000))",
        "Promise.prototype.then = () => {}; return 1",
    ],
    ids=["loop", "promises", "expression", "never", "timer", "promise broken"],
)
def test_what_does_not_end_is_ended(sandbox: Sandbox, body: str) -> None:
    done = run(sandbox, body)
    assert done.failure is not None
    assert (done.failure.kind, done.failure.message) == (
        errors.TIMEOUT,
        "The function did not end within 0.4 seconds.",
    )
    assert value(sandbox, "return 2") == 2


@pytest.mark.parametrize(
    "body",
    [
        "const kept = []; for (;;) kept.push(new Uint8Array(50_000_000).fill(1))",
        "const kept = []; for (;;) kept.push(new Array(1_000_000).fill({}))",
        "let text = 'x'; for (;;) { text += text.replace('x', 'y'); text.length > 1e8 && text.indexOf('q') }",
        "const again = () => [again(), again()]; again()",
        "const again = () => Promise.resolve().then(again); await again()",
    ],
    ids=["array buffers", "heap", "text", "stack", "promises in promises"],
)
def test_what_takes_too_much_memory_is_ended(sandbox: Sandbox, body: str) -> None:
    done = run(sandbox, body)
    assert done.failure is not None
    assert done.failure.name in ("OutOfMemory", "Crashed", "RangeError", "Timeout")
    assert value(sandbox, "return 3") == 3


def test_the_memory_limit_is_looked_at_from_outside() -> None:
    sandbox = Sandbox(processes=1, run_s=60.0, ahead=False)
    try:
        done = run(sandbox, "const kept = []; for (;;) kept.push(new Uint8Array(20_000_000).fill(1))")
        assert done.failure is not None
        assert done.failure.message == "The function used more than 256 MiB of memory and was ended."
    finally:
        sandbox.close()


def test_a_loop_left_behind_keeps_its_result_and_loses_its_process(sandbox: Sandbox) -> None:
    assert value(sandbox, "(async () => { for (;;) await 0 })(); return 1") == 1
    assert value(sandbox, "return 2") == 2


def test_a_flood_of_output_is_cut_and_the_function_goes_on(sandbox: Sandbox) -> None:
    done = run(sandbox, "for (let i = 0; i < 20000; i++) console.log('x'.repeat(1000)); return 'done'")
    assert done.value == '"done"'
    assert sum(len(line.text) for line in done.log) < 40_000
    assert done.log[-1].text.endswith("(more output was left out)")


def test_a_huge_value_is_named_and_not_handed_over(sandbox: Sandbox) -> None:
    assert value(sandbox, "return 'x'.repeat(1_000_000)") == "(a value of more than 256 KiB, which is not shown)"
    done = run(sandbox, "const all = {}; all.self = all; return all")
    assert "no JSON" in str(done.value)


def test_nothing_of_a_function_reaches_another(sandbox: Sandbox) -> None:
    dirty = """
        Object.prototype.leak = 'prototype'; Array.prototype.push = () => 0; globalThis.leak2 = 'global';
        JSON.stringify = () => '"forged"'; token = settings.apiKey; return Object.keys(globalThis).length > 0;
    """
    assert value(sandbox, dirty, settings={"apiKey": "secret"}, key="one:1:") is True
    # Another function, another instance of the same, another workspace: each is another key.
    look = "return [({}).leak, typeof leak2, typeof token, [].concat(JSON.stringify({}))]"
    for other in ("two:1:", "one:2:"):
        assert value(sandbox, look, key=other) == [None, "undefined", "undefined", ["{}"]]


def test_globals_of_an_instance_live_from_one_run_to_the_next_as_on_segment(sandbox: Sandbox) -> None:
    counter = code("let count = 0; async function onTrack() { globalThis.seen = ++count; return [count, seen] }", "c:")
    results = [sandbox.run(counter, Call("onTrack", ({}, {})), refused).value for _ in range(3)]
    assert results == ["[1,1]", "[2,2]", "[3,3]"]


def test_what_a_run_left_behind_is_dropped_before_the_next(sandbox: Sandbox) -> None:
    late = code(
        "async function onTrack() { setTimeout(() => console.log('late'), 1); fetch('http://x.example/') }", "l:"
    )
    for _ in range(3):
        assert sandbox.run(late, Call("onTrack", ({}, {})), refused).log == ()


def test_a_polluted_prototype_forges_no_outcome(sandbox: Sandbox) -> None:
    body = "JSON.stringify = () => '{}'; Object.prototype.toJSON = () => 'forged'; throw new RetryError('true words')"
    done = run(sandbox, body)
    assert done.failure is not None
    body = "JSON.parse = () => ({}); String.prototype.slice = () => ''; return 'kept'"
    assert run(sandbox, body).value == '"kept"'


@pytest.mark.parametrize(
    "frame",
    [
        "is: 'failed', error: 'text'",
        "is: 'done', calls: 7",
        "is: 'done', value: 7",
        "is: 'done', value: 'no JSON'",
        "is: 'done', calls: ['no JSON']",
        "is: 'done', calls: ['7']",
        "is: 'done', calls: ['{\"type\":\"set\"}']",
        "is: 'log'",
        "is: 'fetch'",
        "is: 7",
    ],
)
def test_a_frame_that_code_writes_itself_breaks_nothing_of_the_server(frame: str) -> None:
    """What is forged with it is the outcome of its own run, which it says anyway."""
    sandbox = Sandbox(processes=1, run_s=0.4, ahead=False)
    try:
        body = f"Object.prototype.toJSON = () => ({{ {frame}, run: 1 }}); console.log(''); return 1"
        assert isinstance(run(sandbox, body, key="forging:"), Run)
        assert value(sandbox, "return 2") == 2
    finally:
        sandbox.close()


@pytest.mark.parametrize("name", ["WebAssembly", "SharedArrayBuffer", "Atomics", "process", "__host", "__turn"])
def test_what_leads_out_of_the_language_is_not_there(sandbox: Sandbox, name: str) -> None:
    assert value(sandbox, f"return typeof {name}") == "undefined"


def test_code_cannot_close_what_is_put_around_it(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidCode, match="SyntaxError"):
        sandbox.handlers(code("} ; globalThis.out = 1; function onTrack() {"))


def test_a_process_holds_no_environment_and_no_descriptor_but_its_pipe(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self").exists():
        return  # macOS tells nobody
    monkeypatch.setenv("PRODUCTFRUITS_SECRET_KEY", "to be kept")
    fresh = Sandbox(processes=1, ahead=False)
    try:
        value(fresh, "return crypto.createHash('md5').update('').digest('hex')")
        (warm,) = fresh._idle
        proc = Path(f"/proc/{warm.process.pid}")
        if os.access(proc / "environ", os.R_OK):
            assert (proc / "environ").read_bytes() == b""
        links = {link.name: os.readlink(link) for link in (proc / "fd").iterdir()}
        assert set(links) == {"0", "1", "2"}
        assert links["0"].startswith("pipe:") and links["1"].startswith("pipe:") and links["2"] == "/dev/null"
        status = (proc / "status").read_text()
        assert ("NoNewPrivs:\t1" in status) == ("privileges" in warm.process.confinement)
        if "network" in warm.process.confinement:
            assert os.readlink(proc / "ns" / "net") != os.readlink("/proc/self/ns/net")
    finally:
        fresh.close()


def test_when_all_processes_are_at_work_the_call_says_so() -> None:
    sandbox = Sandbox(processes=1, wait_s=0.01, ahead=False)
    try:
        taken = sandbox._take("somebody")
        with pytest.raises(errors.Busy):
            value(sandbox, "return 1")
        sandbox._give_up(taken)
        assert value(sandbox, "return 1") == 1
    finally:
        sandbox.close()


def test_a_machine_that_starts_no_process_says_so_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(processes=1)
    try:
        with monkeypatch.context() as broken:
            broken.setattr("sys.executable", "/nowhere/python")
            for _ in range(2):
                with pytest.raises(errors.DoesNotStart):
                    value(sandbox, "return 1")
        assert value(sandbox, "return 1") == 1
    finally:
        sandbox.close()


def test_a_changed_function_is_forgotten(sandbox: Sandbox) -> None:
    assert value(sandbox, "globalThis.old = 1", key="forgotten:1:") is None
    sandbox.forget("forgotten:")
    assert value(sandbox, "return typeof old", key="forgotten:1:") == "undefined"


def test_a_child_ends_with_its_parent_even_inside_a_loop(sandbox: Sandbox) -> None:
    process = sandbox._fresh()
    process.send('{"is":"load","code":"for(;;);","sends":false}', lambda: False)
    assert process._popen.stdin is not None
    process._popen.stdin.close()
    assert process._popen.wait(30) == 0
    process.kill()
