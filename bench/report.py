"""Tables, gates and the page of a run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.correctness import HotKeys, Killed
from bench.gates import Gate, rows
from bench.machine import Machine
from bench.rules import Counted, Evaluation
from bench.throughput import Figure

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"
SINGLES_GATE = 5.0
BATCHES_GATE = 10.0
#: What SDKs send is to be taken as fast as webhooks are; two passes of one and the same load differ by more than this.
TRACKING_GATE = 0.9
RULES_GATE_US = 50.0


class MarkersMissing(RuntimeError):
    """The page to write into lacks the two markers between which the table belongs."""


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run."""

    command: str
    machine: Machine
    figures: Sequence[Figure]
    hot: Sequence[HotKeys]
    killed: Sequence[Killed]
    rules: Evaluation | None = None
    counted: Sequence[Counted] = ()

    def gates(self) -> list[Gate]:
        """What must hold for the product; empty when only the baselines ran."""
        gates = []
        for figure in self.figures:
            if figure.subject != "productfruits":
                continue
            other, beside, bar = self._bar(figure)
            if other is None:
                continue
            ratio = figure.rate / other.rate
            where = f"{figure.load} on {figure.database}"
            gates.append(Gate(f"{where} over {beside}", f">= {bar:g} x", f"{ratio:.1f} x", ratio >= bar))
            # More stored than acknowledged: twice, or stored after the sender was told to come again.
            found = f"{figure.refused}/{max(0, figure.unstored)}/{max(0, -figure.unstored)}"
            name = f"{where}: requests refused/messages lost/messages stored beyond the acknowledged"
            gates.append(Gate(name, "0/0/0", found, not figure.refused and not figure.unstored))
        for hot in self.hot:
            if hot.subject == "productfruits":
                name = f"hot users on {hot.database}, {_processes(hot.processes)}: lost keys/users twice/events twice"
                found = f"{hot.lost_keys}/{hot.duplicate_users}/{hot.duplicate_events}"
                gates.append(Gate(name, "0/0/0", found, hot.is_clean))
        for killed in self.killed:
            name = f"kill -9 on {killed.database}: acknowledged and lost/users twice/events twice"
            found = f"{killed.lost_at_start + killed.lost}/{killed.duplicate_users}/{killed.duplicate_events}"
            gates.append(Gate(name, "0/0/0", found, killed.is_clean))
        if self.rules is not None:
            found = f"{self.rules.p50_us:.0f} us"
            gates.append(Gate("50 rules for one subject", f"<= {RULES_GATE_US:g} us", found, self._rules_are_fast()))
        return gates

    def _rules_are_fast(self) -> bool:
        return self.rules is None or self.rules.p50_us <= RULES_GATE_US

    def markdown(self) -> str:
        """The page's tables."""
        parts = [f"`{self.command}` on {self.machine}."]
        if self.figures:
            parts += ["", *self._throughput()]
        if self.hot:
            parts += ["", *self._hot()]
        if self.killed:
            parts += ["", *self._killed()]
        if self.rules is not None:
            parts += ["", *self._rules(self.rules)]
        if gates := self.gates():
            parts += rows(gates)
        return "\n".join(parts) + "\n"

    def _throughput(self) -> list[str]:
        lines = [
            "| database | load | subject | messages/s (range) | of naive | of hello | p50 ms | p99 ms "
            "| CPU us a message | not 200 | sender, cores |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for figure in self.figures:
            lines.append(
                f"| {figure.database} | {figure.load} | {figure.subject} "
                f"| {figure.rate:,.0f} ({min(figure.rates):,.0f}-{max(figure.rates):,.0f}) "
                f"| {self._ratio(figure, 'naive')} | {self._ratio(figure, 'hello')} "
                f"| {statistics.median(figure.p50_ms):,.1f} | {statistics.median(figure.p99_ms):,.1f} "
                f"| {statistics.median(figure.cpu_us):,.0f} | {figure.refused} "
                f"| {statistics.median(figure.sender_cores):.2f} |"
            )
        return lines

    def _hot(self) -> list[str]:
        lines = [
            "| hot users | subject | processes | messages | answered other than 200 and sent again "
            "| lost trait keys (users) | lost events | users twice | events twice |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for hot in self.hot:
            lines.append(
                f"| {hot.database} | {hot.subject} | {hot.processes} | {hot.messages:,} | {hot.retried:,} "
                f"| {hot.lost_keys:,} ({hot.damaged_users}) | {hot.lost_events} | {hot.duplicate_users} "
                f"| {hot.duplicate_events:,} |"
            )
        return lines

    def _killed(self) -> list[str]:
        lines = [
            "| kill -9 under load | acknowledged before | without an answer | lost after the start "
            "| lost after the replay | users twice | events twice |",
            "|---|---|---|---|---|---|---|",
        ]
        for killed in self.killed:
            lines.append(
                f"| {killed.database} | {killed.acknowledged:,} | {killed.in_flight} | {killed.lost_at_start} "
                f"| {killed.lost} | {killed.duplicate_users} | {killed.duplicate_events} |"
            )
        return lines

    def _rules(self, rules: Evaluation) -> list[str]:
        lines = [
            "| rules | p50 | p99 |",
            "|---|---|---|",
            f"| 50 for one subject, {rules.conditions:.0f} conditions each, compiled in {rules.compile_ms:.0f} ms "
            f"| {rules.p50_us:.0f} us | {rules.p99_us:.0f} us |",
        ]
        if self.counted:
            lines += ["", "| count of users | users | found | ms |", "|---|---|---|---|"]
            lines += [f"| {c.database}: {c.rule} | {c.users:,} | {c.found:,} | {c.ms:,.0f} |" for c in self.counted]
        return lines

    def _bar(self, figure: Figure) -> tuple[Figure | None, str, float]:
        """What a figure of the product is held to: which other one, in words, and how many times it."""
        if figure.load == "tracking":
            return self._find(figure, figure.subject, "batches"), "batches of webhooks", TRACKING_GATE
        bar = SINGLES_GATE if figure.load == "singles" else BATCHES_GATE
        return self._find(figure, "naive"), "the naive app", bar

    def _find(self, figure: Figure, subject: str, load: str | None = None) -> Figure | None:
        for other in self.figures:
            if (other.database, other.load, other.subject) == (figure.database, load or figure.load, subject):
                return other
        return None

    def _ratio(self, figure: Figure, subject: str) -> str:
        other = self._find(figure, subject)
        return f"{figure.rate / other.rate:.2f} x" if other is not None and other is not figure else "-"


def write(path: Path, table: str, begin_mark: str = BEGIN, end_mark: str = END) -> None:
    """Put the table between the markers of the page; the words around it stay."""
    page = path.read_text()
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise MarkersMissing(f"{path} needs the lines {begin_mark} and {end_mark}, in this order.")
    path.write_text(f"{before}{begin_mark}\n{table}{end_mark}{after}")


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"
