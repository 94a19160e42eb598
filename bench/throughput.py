"""How many messages a second each subject takes: interleaved passes of fresh requests, on one store each."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.payloads import BATCH_SIZE, Request, Traffic, batch
from bench.sender import Load, send
from bench.stores import Stores, count_events
from bench.subjects import Baseline, Product, Subject, hello, naive, ports, stop

SINGLES_CONNECTIONS = 64
BATCHES_CONNECTIONS = 16
WARM_UP_S = 1.0
WARM_UP_SINGLES = 1_000
#: More requests than the last pass used up, so that the clock ends a pass and not the supply.
SUPPLY = 1.5
FIRST_SUPPLY = 3.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a run does."""

    known_users: int
    passes: int
    pass_s: float
    hot_messages: int
    kill_after: int
    counted_users: int


SIZES = {
    "small": Size(known_users=5_000, passes=3, pass_s=2.0, hot_messages=2_000, kill_after=1_500, counted_users=20_000),
    "full": Size(
        known_users=10_000, passes=5, pass_s=5.0, hot_messages=20_000, kill_after=10_000, counted_users=100_000
    ),
}


@dataclass(slots=True)
class Figure:
    """One subject under one kind of load on one kind of database."""

    database: str
    load: str
    subject: str
    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    sender_cores: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    refused: int = 0
    unstored: int = 0

    @property
    def rate(self) -> float:
        """The median of the passes."""
        return statistics.median(self.rates)

    def add(self, load: Load, cpu_s: float) -> None:
        """Take the results of one pass, for which the subject's processes needed so much processor time."""
        self.rates.append(load.messages_per_s)
        self.p50_ms.append(load.percentile_ms(0.50))
        self.p99_ms.append(load.percentile_ms(0.99))
        self.sender_cores.append(load.sender_cpu_s / load.elapsed_s)
        self.cpu_us.append(cpu_s / max(1, len(load.acknowledged)) * 1_000_000)
        self.refused += sum(load.refused.values())


class Lane:
    """A started subject, its stream of messages, and how fast it was last."""

    def __init__(self, subject: Subject, traffic: Traffic) -> None:
        self.subject = subject
        self._traffic = traffic
        self._rate = 0.0
        self._acknowledged = 0

    def prepare(self, load: str) -> None:
        """Make the known users (once), and warm up with the load to come."""
        if not self._acknowledged:
            known = self._traffic.arrivals()
            endpoint = self.subject.endpoint
            self._send(
                [batch(endpoint, known[at : at + BATCH_SIZE]) for at in range(0, len(known), BATCH_SIZE)],
                BATCHES_CONNECTIONS,
                None,
            )
        count = WARM_UP_SINGLES if load == "singles" else BATCHES_CONNECTIONS
        warm_up = self._send(self._requests(load, count), self._connections(load), WARM_UP_S)
        self._rate = warm_up.messages_per_s * FIRST_SUPPLY / SUPPLY

    def run(self, load: str, seconds: float, figure: Figure) -> None:
        """One measured pass; afterwards the store must hold what was acknowledged."""
        a_request = 1 if load == "singles" else BATCH_SIZE
        count = int(self._rate * seconds * SUPPLY / a_request) + self._connections(load)
        requests = self._requests(load, count)
        cpu_before_s = self._cpu_s()
        result = self._send(requests, self._connections(load), seconds)
        self._rate = result.messages_per_s
        figure.add(result, self._cpu_s() - cpu_before_s)
        if self.subject.tables is not None:
            figure.unstored = self._acknowledged - count_events(self.subject.store, self.subject.tables)

    def _cpu_s(self) -> float:
        return sum(server.cpu_s() for server in self.subject.servers)

    def _requests(self, load: str, count: int) -> list[Request]:
        if load == "singles":
            return self._traffic.singles(self.subject.endpoint, count)
        return self._traffic.batches(self.subject.endpoint, count)

    def _connections(self, load: str) -> int:
        return SINGLES_CONNECTIONS if load == "singles" else BATCHES_CONNECTIONS

    def _send(self, requests: Sequence[Request], connections: int, seconds: float | None) -> Load:
        load = send(requests, ports(self.subject), connections, seconds)
        self._acknowledged += len(load.acknowledged)
        return load


def measure(stores: Stores, folder: Path, size: Size, progress: Progress, *, baselines_only: bool) -> list[Figure]:
    """Figures of all subjects on one kind of database; hello only takes singles, it stores nothing anyway."""
    subjects: list[Subject] = [naive(stores.make("naive"), folder), hello(stores.make("hello"), folder)]
    if not baselines_only:
        subjects.insert(0, Product(stores.make("productfruits"), folder))
    figures: list[Figure] = []
    try:
        for subject in subjects:
            subject.start()
        lanes = [Lane(subject, Traffic(seed=20_250_101, known=size.known_users)) for subject in subjects]
        for load in ("singles", "batches"):
            running = [lane for lane in lanes if load == "singles" or not _is_hello(lane.subject)]
            row = {lane: Figure(stores.kind, load, lane.subject.name) for lane in running}
            for lane in running:
                lane.prepare(load)
            for number in range(size.passes):
                for lane in running:
                    lane.run(load, size.pass_s, row[lane])
                    rate = row[lane].rates[-1]
                    progress(f"{stores.kind} {load} pass {number + 1}: {lane.subject.name} {rate:,.0f} messages/s")
            figures.extend(row.values())
    finally:
        for subject in subjects:
            stop(subject)
    return figures


def _is_hello(subject: Subject) -> bool:
    return isinstance(subject, Baseline) and subject.tables is None
