"""`python -m bench.functions`: how many runs of a trivial function a core does, and what a first run costs. Prints a
table, exits 1 when a gate fails."""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gates import Gate, exit_code
from bench.machine import inspect
from bench.report import write
from productfruits.functions.fetching import Answered, Asked, no_network
from productfruits.functions.runs import Call, Code
from productfruits.functions.runtime import Sandbox

BEGIN, END = "<!-- bench-functions:begin -->", "<!-- bench-functions:end -->"
RUNS = 3_000
FIRST_RUNS = 8
RATE_GATE = 500.0
EVENT = {"type": "track", "userId": "u-1", "event": "Report Exported", "properties": {"pages": 12, "format": "pdf"}}
LOADS = {
    "returns a property": "function onTrack(event) { return event.properties.pages }",
    "hashes the user's id": "function onTrack(event) {"
    " return crypto.createHash('sha256').update(event.userId).digest('hex') }",
    "fetches once": "async function onTrack(event) {"
    " return (await fetch('https://x.example/', { method: 'POST', body: JSON.stringify(event) })).status }",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """Runs of one function, one after the other in one warm process."""

    load: str
    per_s: float
    #: The time of server and child together, as if they shared one core.
    per_core_s: float


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.functions", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, between its markers")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pf-bench-") as folder:
        machine = inspect(Path(folder))
    ran = [measure(load, source) for load, source in LOADS.items()]
    first_ms = statistics.median(first_runs())
    lines = [
        f"`python -m bench.functions` on {machine}.",
        "",
        "| A function that | runs a second | runs a second of one core |",
        "|---|---|---|",
        *(f"| {each.load} | {each.per_s:,.0f} | {each.per_core_s:,.0f} |" for each in ran),
        "",
        f"The first run of an instance, in a process that was started ahead: {first_ms:.0f} ms.",
    ]
    table = "\n".join(lines) + "\n"
    print(table)
    if options.write is not None:
        write(options.write, table, BEGIN, END)
    return exit_code(gates(ran))


def gates(ran: Sequence[Ran]) -> list[Gate]:
    """What must hold."""
    trivial = ran[0].per_core_s
    name = "runs of a trivial function a second of one core"
    return [Gate(name, f">= {RATE_GATE:g}", f"{trivial:,.0f}", trivial >= RATE_GATE)]


def measure(load: str, source: str) -> Ran:
    """Run it many times in one process."""
    sandbox = Sandbox(processes=1)
    try:
        code, call = Code("bench", source), Call("onTrack", (EVENT, {}))
        for _ in range(200):
            sandbox.run(code, call, _answer)
        pid = sandbox._idle[0].process.pid
        began, spent = time.perf_counter(), _cpu_s(pid)
        for _ in range(RUNS):
            if sandbox.run(code, call, _answer).failure is not None:
                raise RuntimeError("the function failed")
        return Ran(load, RUNS / (time.perf_counter() - began), RUNS / (_cpu_s(pid) - spent))
    finally:
        sandbox.close()


def first_runs() -> list[float]:
    """Milliseconds of the first runs of different functions, each after a pause in which a process was started."""
    sandbox = Sandbox(processes=2)
    try:
        took = []
        for number in range(FIRST_RUNS):
            time.sleep(1.0)
            began = time.perf_counter()
            sandbox.run(Code(f"first {number}", LOADS["returns a property"]), Call("onTrack", (EVENT, {})), no_network)
            took.append((time.perf_counter() - began) * 1_000)
        return took[1:]
    finally:
        sandbox.close()


def _answer(asked: Asked, within_s: float) -> Answered:
    return Answered(204, (), b"", False)


def _cpu_s(pid: int) -> float:
    """What this process and the child have used of a core so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    child = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own.ru_utime + own.ru_stime + child


if __name__ == "__main__":
    sys.exit(main())
