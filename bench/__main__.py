"""`python -m bench`: run the loads and checks, print the tables, exit 1 when a gate fails."""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import report, rules
from bench.correctness import HotKeys, Killed, hot_keys, killed
from bench.gates import exit_code
from bench.machine import inspect
from bench.stores import DURABLE, Stores
from bench.throughput import SIZES, Figure, Size, measure
from tests.pgtemp import temporary_postgres

DATABASES = ("sqlite", "postgres")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    size = SIZES[options.size]
    databases = options.database or DATABASES
    _progress("rules: 50 for one subject")
    ruled = None if options.baselines_only else rules.evaluation()
    with ExitStack() as stack:
        # Not /tmp where that is memory: a commit there costs nothing, and the figures would say nothing.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pf-bench-", dir=options.folder)))
        machine = inspect(folder)
        postgres = stack.enter_context(temporary_postgres(DURABLE, options.folder)) if "postgres" in databases else None
        figures: list[Figure] = []
        hot: list[HotKeys] = []
        kills: list[Killed] = []
        counts: list[rules.Counted] = []
        for kind in databases:
            stores = Stores(kind, folder, postgres if kind == "postgres" else None)
            if not options.checks_only:
                figures += measure(stores, folder, size, _progress, baselines_only=options.baselines_only)
            hot += _hot(stores, folder, size, baselines_only=options.baselines_only)
            if not options.baselines_only:
                _progress(f"{kind}: kill -9 under load")
                kills.append(killed(stores, folder, size))
                _progress(f"{kind}: counts of users by rules")
                counts += rules.counted(stores, size.counted_users)
    result = report.Report(_command(options), machine, figures, hot, kills, ruled, counts)
    table = result.markdown()
    print(table)
    if options.write is not None:
        report.write(options.write, table)
    return exit_code(result.gates())


def _hot(stores: Stores, folder: Path, size: Size, *, baselines_only: bool) -> list[HotKeys]:
    results = []
    for product in (False,) if baselines_only else (True, False):
        # SQLite has one writer process by design; only Postgres is shared.
        for processes in (1, 2) if stores.kind == "postgres" else (1,):
            _progress(f"{stores.kind}: hot users, {'productfruits' if product else 'naive'}, processes: {processes}")
            results.append(hot_keys(stores, folder, size, processes, product=product))
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default=os.environ.get("SIZE") or "small")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one (default: both)")
    parser.add_argument("--baselines-only", action="store_true", help="without the product and without gates")
    parser.add_argument("--checks-only", action="store_true", help="without the throughput passes")
    parser.add_argument("--folder", default="/var/tmp", help="a folder on the disk to measure (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page, between its markers")
    return parser


def _command(options: argparse.Namespace) -> str:
    words = ["python -m bench", f"--size {options.size}"]
    words += [f"--database {kind}" for kind in options.database or ()]
    words += [f"--{name.replace('_', '-')}" for name in ("baselines_only", "checks_only") if getattr(options, name)]
    return " ".join(words)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
