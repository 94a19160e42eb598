"""`python -m bench.profile`: where a subject spends its time under load, sampled by py-spy (`pip install py-spy`)."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from bench.payloads import Traffic
from bench.stores import DURABLE, Stores
from bench.subjects import Product, Subject, naive, stop
from bench.throughput import SINGLES_CONNECTIONS, Figure, Lane
from tests.pgtemp import temporary_postgres

KNOWN_USERS = 10_000
TOP = 35


def main() -> int:
    """Run one load against one subject and print its most expensive functions."""
    options = _parser().parse_args()
    sampler = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{Path('/usr/local/bin')}:/usr/bin")
    if sampler is None:
        print("py-spy is not installed. Install it with: .venv/bin/pip install py-spy", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pf-bench-", dir=options.folder)))
        is_postgres = options.database == "postgres"
        postgres = stack.enter_context(temporary_postgres(DURABLE, options.folder)) if is_postgres else None
        store = Stores(options.database, folder, postgres).make("profiled")
        subject: Subject = Product(store, folder) if options.subject == "productfruits" else naive(store, folder)
        stack.callback(stop, subject)
        subject.start()
        lane = Lane(subject, Traffic(seed=3, known=KNOWN_USERS))
        lane.prepare(options.load)
        figure = Figure(options.database, options.load, subject.name)
        lane.run(options.load, options.seconds, figure)
        samples = folder / "samples.txt"
        command = [sampler, "record", "--format", "raw", "--output", str(samples), "--rate", "200", "--subprocesses"]
        command += ["--duration", str(round(options.seconds)), "--pid", str(subject.servers[0].pid)]
        # Holding the GIL is what requests compete for; --idle would show the waiting instead.
        sampling = subprocess.Popen([*command, "--gil"] if options.gil else command, stderr=subprocess.PIPE)
        lane.run(options.load, options.seconds + 1.0, figure)
        _, complaint = sampling.communicate()
        if not samples.exists():
            print(complaint.decode(errors="replace"), file=sys.stderr)
            return 1
        print(f"{subject.name} on {options.database}, {options.load}, {SINGLES_CONNECTIONS} connections for singles")
        print(f"messages/s without and with the sampler: {figure.rates[0]:,.0f}, {figure.rates[1]:,.0f}")
        print(f"processor time without the sampler: {figure.cpu_us[0]:,.0f} us a message\n")
        _print(samples.read_text())
    return 0


def _print(samples: str) -> None:
    """Own and inclusive shares by function, from py-spy's collapsed stacks."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.partition(":")[0].rstrip(")") + ")" for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            inclusive[frame] += int(count)
    total = sum(own.values())
    for title, counts in (("own time", own), ("with what it calls", inclusive)):
        print(f"{title}, of {total:,} samples")
        for frame, samples_of_it in counts.most_common(TOP):
            print(f"{samples_of_it / total:7.1%}  {frame}")
        print()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--subject", choices=("productfruits", "naive"), default="productfruits")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--load", choices=("singles", "batches"), default="singles")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--gil", action="store_true", help="only samples that hold the GIL")
    parser.add_argument("--folder", default="/var/tmp", help="a folder on the disk to measure (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
