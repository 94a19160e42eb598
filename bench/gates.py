"""The bars of a run: how they stand in a page, and what they make of the exit code."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """A bar that a release may not fall under."""

    name: str
    required: str
    found: str
    passed: bool


def rows(gates: Sequence[Gate]) -> list[str]:
    """The lines of a Markdown table, after an empty one."""
    return [
        "",
        "| gate | required | found | |",
        "|---|---|---|---|",
        *(
            f"| {gate.name} | {gate.required} | {gate.found} | {'ok' if gate.passed else '**FAILED**'} |"
            for gate in gates
        ),
    ]


def exit_code(gates: Sequence[Gate]) -> int:
    """1 when one was missed, after naming it on stderr."""
    missed = [gate for gate in gates if not gate.passed]
    for gate in missed:
        print(f"FAILED: {gate.name}: {gate.found}, required {gate.required}", file=sys.stderr)
    return 1 if missed else 0
