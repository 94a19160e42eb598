"""`python -m bench.deliveries`: how fast events leave, what that costs receiving, and whether dead receivers hold up
others. Prints tables, exits 1 when a gate fails."""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.gates import Gate, exit_code, rows
from bench.machine import inspect
from bench.payloads import BATCH_SIZE, Endpoint, Message, Request, Traffic, batch
from bench.report import write
from bench.sender import send
from bench.stores import DURABLE, Stores
from bench.subjects import Product, ports, stop
from bench.throughput import BATCHES_CONNECTIONS
from tests.pgtemp import temporary_postgres

DATABASES = ("sqlite", "postgres")
BEGIN, END = "<!-- bench-deliveries:begin -->", "<!-- bench-deliveries:end -->"
#: Of this host, and not its usual address: the product is allowed to send there.
ADDRESS = "127.0.0.2"
DELIVERIES = 10_000
DESTINATIONS, HANGING = 1_000, 50
#: Events, one after the other, whose way to all destinations is measured.
ROUNDS = 3
INGEST_S = 15.0
PATIENCE_S = 240.0
NAME = "Delivery Measured"
RATE_GATE, KEPT_GATE, LATENCY_GATE = 300.0, 0.8, 2.0


@dataclass(frozen=True, slots=True)
class Sent:
    """10,000 deliveries to one receiver, beside a load of other events; messages a second of these."""

    database: str
    rate: float
    arrived: int
    twice: int
    ingest_before: float
    ingest_beside: float
    ingest_after: float

    @property
    def kept(self) -> float:
        """Share of the rate that receiving keeps beside deliveries. What it has alone falls as the store grows."""
        return 2 * self.ingest_beside / (self.ingest_before + self.ingest_after)


@dataclass(frozen=True, slots=True)
class Held:
    """The way of an event to each of 1,000 destinations, some of which may hang; the figures are of the others."""

    database: str
    hanging: int
    arrived: int
    p50_s: float
    p99_s: float


class Receiver:
    """The process that takes deliveries."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.port, self.hanging_port = json.loads(process.stdout.readline())

    def arrivals(self) -> list[tuple[str, float, float]]:
        """What came so far: (webhook-id, when, seconds after the event came in)."""
        with urllib.request.urlopen(f"http://{ADDRESS}:{self.port}/counts", timeout=30) as answer:
            return [(i, at, since) for i, at, since in json.load(answer)]

    def wait_for(self, count: int) -> list[tuple[str, float, float]]:
        """What came, once it is so much, or nothing comes any more."""
        until = time.monotonic() + PATIENCE_S
        while len(arrivals := self.arrivals()) < count and time.monotonic() < until:
            time.sleep(0.25)
        time.sleep(1.0)  # for what should not come
        return self.arrivals() if len(arrivals) >= count else arrivals


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    process = subprocess.Popen([sys.executable, "-m", "bench.receiver", ADDRESS], stdout=subprocess.PIPE, text=True)
    try:
        yield Receiver(process)
    finally:
        process.kill()
        process.communicate()


def sent(stores: Stores, folder: Path, worker: bool) -> Sent:
    """Deliver 10,000 events while others come in, as fast as they can."""
    with receiving() as receiver:
        product = Product(stores.make("deliveries"), folder, egress_allow=f"{ADDRESS}/32", worker=worker)
        try:
            product.start()
            traffic = Traffic(seed=7, known=500)
            known = traffic.arrivals()
            _deliver([batch(product.endpoint, known[at : at + 100]) for at in range(0, len(known), 100)], product)
            before = _ingest(traffic, product)
            product.destinations({"one": _destination(f"http://{ADDRESS}:{receiver.port}/", "one")})
            _deliver(_measured(product.endpoint, DELIVERIES), product)
            beside = _ingest(traffic, product)
            arrivals = receiver.wait_for(DELIVERIES)
            after = _ingest(traffic, product)
        finally:
            product.end()
            stop(product)
    times = sorted(at for _, at, _ in arrivals)
    return Sent(
        stores.kind,
        rate=len(times) / max(1e-9, times[-1] - times[0]),
        arrived=len(arrivals),
        twice=len(arrivals) - len({webhook_id for webhook_id, _, _ in arrivals}),
        ingest_before=before,
        ingest_beside=beside,
        ingest_after=after,
    )


def held(stores: Stores, folder: Path, hanging: int) -> Held:
    """Send an event to 1,000 destinations a few times, of which so many never answer."""
    with receiving() as receiver:
        product = Product(stores.make("held"), folder, egress_allow=f"{ADDRESS}/32")
        try:
            product.start()
            ports_of = [receiver.hanging_port] * hanging + [receiver.port] * (DESTINATIONS - hanging)
            product.destinations(
                {f"d{n}": _destination(f"http://{ADDRESS}:{port}/{n}", f"d{n}") for n, port in enumerate(ports_of)}
            )
            arrivals: list[tuple[str, float, float]] = []
            for number in range(ROUNDS):
                _deliver(_measured(product.endpoint, 1, number), product)
                arrivals = receiver.wait_for((DESTINATIONS - hanging) * (number + 1))
        finally:
            stop(product)
    latencies = sorted(since for _, _, since in arrivals)
    return Held(
        stores.kind,
        hanging,
        arrived=len(arrivals),
        p50_s=latencies[len(latencies) // 2],
        p99_s=latencies[int(len(latencies) * 0.99)],
    )


def gates(all_sent: list[Sent], all_held: list[Held]) -> list[Gate]:
    """What must hold."""
    found = []
    for each in all_sent:
        where = f"deliveries on {each.database}"
        found.append(Gate(f"{where}, a second", f">= {RATE_GATE:g}", f"{each.rate:,.0f}", each.rate >= RATE_GATE))
        lost = DELIVERIES - (each.arrived - each.twice)
        found.append(Gate(f"{where}: lost/twice", "0/0", f"{lost}/{each.twice}", not lost and not each.twice))
        kept_enough = each.kept >= KEPT_GATE
        found.append(Gate(f"receiving beside {where}", f">= {KEPT_GATE:.0%}", f"{each.kept:.0%}", kept_enough))
    for held_up in all_held:
        if held_up.hanging:
            [without] = [other for other in all_held if other.database == held_up.database and not other.hanging]
            ratio = held_up.p99_s / without.p99_s
            name = f"p99 on {held_up.database} with {held_up.hanging} of {DESTINATIONS:,} hanging, over that without"
            found.append(Gate(name, f"<= {LATENCY_GATE:g} x", f"{ratio:.2f} x", ratio <= LATENCY_GATE))
    return found


def markdown(command: str, machine: object, all_sent: list[Sent], all_held: list[Held]) -> str:
    lines = [f"`{command}` on {machine}.", ""]
    lines += [
        "| 10,000 deliveries | a second | arrived | twice | messages/s received before | beside | after |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.database} | {each.rate:,.0f} | {each.arrived:,} | {each.twice} | {each.ingest_before:,.0f} "
        f"| {each.ingest_beside:,.0f} | {each.ingest_after:,.0f} |"
        for each in all_sent
    ]
    lines += ["", "| 1,000 destinations | hanging | arrived | p50 s | p99 s |", "|---|---|---|---|---|"]
    lines += [
        f"| {held_up.database} | {held_up.hanging} | {held_up.arrived:,} | {held_up.p50_s:.2f} | {held_up.p99_s:.2f} |"
        for held_up in all_held
    ]
    lines += rows(gates(all_sent, all_held))
    return "\n".join(lines) + "\n"


def _destination(url: str, name: str) -> dict[str, object]:
    return {"name": name, "url": url, "filter": {"names": [NAME]}}


def _measured(endpoint: Endpoint, count: int, round_number: int = 0) -> list[Request]:
    """Arrays of events that the destinations take."""
    messages = [
        Message(
            f"measured-{round_number}-{number}",
            json.dumps(
                {
                    "type": "track",
                    "event": NAME,
                    "messageId": f"measured-{round_number}-{number}",
                    "userId": f"known-{number % 500}",
                    "properties": {"number": number, "currency": "EUR"},
                }
            ).encode(),
        )
        for number in range(count)
    ]
    return [batch(endpoint, messages[at : at + BATCH_SIZE]) for at in range(0, count, BATCH_SIZE)]


def _deliver(requests: list[Request], product: Product) -> None:
    load = send(requests, ports(product), 4)
    if load.refused:
        raise RuntimeError(f"not everything was taken: {load.refused}")


def _ingest(traffic: Traffic, product: Product) -> float:
    requests = traffic.batches(product.endpoint, int(INGEST_S * 15_000 / BATCH_SIZE))
    return send(requests, ports(product), BATCHES_CONNECTIONS, INGEST_S).messages_per_s


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.deliveries", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one (default: both)")
    parser.add_argument("--worker", action="store_true", help="send from a process of its own, beside the server")
    parser.add_argument("--folder", default="/var/tmp", help="a folder on the disk to measure (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page, between its markers")
    options = parser.parse_args()
    all_sent: list[Sent] = []
    all_held: list[Held] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pf-bench-", dir=options.folder)))
        databases = options.database or DATABASES
        postgres = stack.enter_context(temporary_postgres(DURABLE, options.folder)) if "postgres" in databases else None
        machine = inspect(folder)
        for kind in databases:
            stores = Stores(kind, folder, postgres if kind == "postgres" else None)
            all_sent.append(sent(stores, folder, options.worker))
            print(all_sent[-1], file=sys.stderr)
            for hanging in (0, HANGING):
                all_held.append(held(stores, folder, hanging))
                print(all_held[-1], file=sys.stderr)
    command = "python -m bench.deliveries" + (" --worker" if options.worker else "")
    table = markdown(command, machine, all_sent, all_held)
    print(table)
    if options.write is not None:
        write(options.write, table, BEGIN, END)
    return exit_code(gates(all_sent, all_held))


if __name__ == "__main__":
    sys.exit(main())
