"""Checks of the store after hard traffic: what was answered 200 is there, once, at one user, with every trait key."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.payloads import Message, Request, Traffic, single
from bench.sender import send
from bench.stores import Stores, Truth, read_truth
from bench.subjects import Product, Subject, kill, naive, ports, stop
from bench.throughput import SINGLES_CONNECTIONS, Size

HOT_USERS = 50
#: Segment delivers at least once: every so many-th message is sent a second time, right behind the first.
REPEATED_EVERY = 10
ROUNDS = 6


@dataclass(frozen=True, slots=True)
class HotKeys:
    """All traffic on a few users; each message brings a trait key that nobody else sends."""

    database: str
    subject: str
    processes: int
    messages: int
    retried: int
    lost_keys: int
    damaged_users: int
    lost_events: int
    duplicate_users: int
    duplicate_events: int

    @property
    def is_clean(self) -> bool:
        """Nothing lost, nothing twice."""
        return not (self.lost_keys or self.lost_events or self.duplicate_users or self.duplicate_events)


@dataclass(frozen=True, slots=True)
class Killed:
    """kill -9 under load, start again, send everything again."""

    database: str
    acknowledged: int
    in_flight: int
    lost_at_start: int
    lost: int
    duplicate_users: int
    duplicate_events: int

    @property
    def is_clean(self) -> bool:
        """Every acknowledged message was there after the start, and once after the replay."""
        return not (self.lost_at_start or self.lost or self.duplicate_users or self.duplicate_events)


def hot_keys(stores: Stores, folder: Path, size: Size, processes: int, *, product: bool) -> HotKeys:
    """Run the hot users against the product or the naive baseline on a fresh store."""
    subject: Subject
    if product:
        subject = Product(stores.make("hot"), folder, processes)
    else:
        subject = naive(stores.make("hot_naive"), folder, processes)
    traffic = Traffic(seed=7, known=HOT_USERS)
    try:
        subject.start()
        stream = traffic.hot(HOT_USERS, size.hot_messages)
        requests: list[Request] = []
        for number, (_, _, message) in enumerate(stream):
            requests.append(single(subject.endpoint, message))
            if number % REPEATED_EVERY == 0:
                requests.append(requests[-1])
        acknowledged, retried = _deliver(subject, requests)
        truth = _truth(subject)
    finally:
        stop(subject)
    return judge_hot_keys(
        database=stores.kind,
        subject=subject.name,
        processes=processes,
        stream=stream,
        retried=retried,
        acknowledged=acknowledged,
        truth=truth,
    )


def judge_hot_keys(
    *,
    database: str,
    subject: str,
    processes: int,
    stream: Sequence[tuple[int, str, Message]],
    retried: int,
    acknowledged: set[str],
    truth: Truth,
) -> HotKeys:
    """Compare what was acknowledged with what is stored; `stream` is what `Traffic.hot` made."""
    traits = {username: kept for username, kept in truth.users}
    lost = [
        user
        for user, key, message in stream
        if message.message_id in acknowledged and key not in traits.get(f"hot-{user}", {})
    ]
    return HotKeys(
        database=database,
        subject=subject,
        processes=processes,
        messages=len(stream),
        retried=retried,
        lost_keys=len(lost),
        damaged_users=len(set(lost)),
        lost_events=sum(message_id not in truth.events for message_id in acknowledged),
        duplicate_users=len(truth.users) - len({user for user, _, _ in stream}),
        duplicate_events=truth.duplicate_events,
    )


def killed(stores: Stores, folder: Path, size: Size) -> Killed:
    """Kill the product in the middle of a load and compare the store with the ledger of acknowledged messages."""
    subject = Product(stores.make("killed"), folder)
    try:
        subject.start()
        requests = Traffic(seed=11, known=200).singles(subject.endpoint, size.kill_after * 3)
        load = send(
            requests,
            ports(subject),
            SINGLES_CONNECTIONS,
            interrupt_after=size.kill_after,
            interrupt=lambda: kill(subject),
        )
        subject.start()
        after_start = _truth(subject)
        acknowledged, _ = _deliver(subject, requests)
        after_replay = _truth(subject)
    finally:
        stop(subject)
    return judge_killed(
        database=stores.kind,
        acknowledged=load.acknowledged,
        in_flight=sum(load.refused.values()),
        after_start=after_start,
        acknowledged_later=acknowledged,
        after_replay=after_replay,
    )


def judge_killed(
    *,
    database: str,
    acknowledged: Sequence[str],
    in_flight: int,
    after_start: Truth,
    acknowledged_later: set[str],
    after_replay: Truth,
) -> Killed:
    """Compare the ledgers of before the kill and of the replay with the store after each."""
    usernames = Counter(username for username, _ in after_replay.users)
    return Killed(
        database=database,
        acknowledged=len(acknowledged),
        in_flight=in_flight,
        lost_at_start=sum(after_start.events.get(message_id, 0) != 1 for message_id in acknowledged),
        lost=sum(message_id not in after_replay.events for message_id in acknowledged_later),
        duplicate_users=sum(usernames.values()) - len(usernames),
        duplicate_events=after_replay.duplicate_events,
    )


def _deliver(subject: Subject, requests: Sequence[Request]) -> tuple[set[str], int]:
    """Send until every request was answered 200, as Segment retries: (acknowledged ids, requests sent again)."""
    acknowledged: set[str] = set()
    retried = 0
    for number in range(ROUNDS):
        load = send(requests, ports(subject), SINGLES_CONNECTIONS)
        acknowledged.update(load.acknowledged)
        requests = load.unacknowledged
        if not requests:
            break
        if number < ROUNDS - 1:
            retried += len(requests)
    return acknowledged, retried


def _truth(subject: Subject) -> Truth:
    assert subject.tables is not None
    return read_truth(subject.store, subject.tables)
