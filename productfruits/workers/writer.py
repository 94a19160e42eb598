"""Group commit: one thread takes everything that waits, stores it in one transaction, and then answers everybody.

A sender is told "stored" only after COMMIT. With one writer there is no race to lose an update to, and one sync of the
disk serves a whole group, so that waiting costs nothing when it is quiet and little when it is not.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session, sessionmaker

from productfruits.errors import ProductFruitsError
from productfruits.services import dead_letters
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.workers.group_size import GroupSize
from productfruits.workers.metrics import Metrics
from productfruits.workers.store_faults import Fault, where
from productfruits.workers.transactions import Committed, Fallen, Lost, OwnTransactions, Transactions, prepared
from productfruits.workers.waiting import Outcome, Waiting, WaitingRoom

log = structlog.get_logger()

#: Segment's shortest patience is 5 s: whoever still waits then is told to come again while somebody listens.
ANSWER_WITHIN_S = 4.0
#: After a failure of the store the server calls itself not ready for so long, unless something was stored since.
RECOVERING_S = 5.0


class NotStored(ProductFruitsError):
    """Nothing of this request was acknowledged: send it again later."""


class StoreBusy(NotStored):
    """More is waiting to be stored than this server takes on. Nothing of this request was stored: send it again."""


class StoreUnavailable(NotStored):
    """The store cannot take anything now. Nothing of this request was acknowledged: send it again later."""


class Poisonous(NotStored):
    """This request cannot be stored as it is, which is our fault. Send it again; in the end it is set aside."""


class Writer:
    """Stores arrivals in groups. One a process; on SQLite one a store."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        metrics: Metrics,
        *,
        is_sqlite: bool,
        queue_messages: int,
        transactions: Transactions | None = None,
        before_group: Callable[[], None] | None = None,
        between_groups: Callable[[], None] | None = None,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        """`transactions` says where they are made, if not in the writer's thread.

        `before_group` and `between_groups` run in that thread, around each transaction and never in it;
        `between_groups` also when nudged. `on_death` runs when the writer gives up.
        """
        self._sessions = sessions
        self._metrics = metrics
        self._is_sqlite = is_sqlite
        self._transactions = transactions or OwnTransactions(sessions)
        self._before_group = before_group
        self._between_groups = between_groups
        self._on_death = on_death
        self._room = WaitingRoom(queue_messages)
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._group: list[Waiting] = []
        self._size = GroupSize(is_sqlite=is_sqlite)
        self._nudged = False
        self._stopping = False
        self._deaths = 0
        self._taken_at: float | None = None
        self._failed_at: float | None = None
        metrics.waiting.set_function(lambda: self._room.messages)

    def use(self, transactions: Transactions) -> None:
        """Have the transactions made there. To be called before `start`."""
        self._transactions = transactions

    def start(self) -> None:
        """Begin to store. Safe to repeat; without it the first arrival starts the thread."""
        with self._wake:
            if self._thread is None and not self._stopping:
                self._spawn()

    @property
    def is_well(self) -> bool:
        """False when nothing can be stored: the thread has died for good, or one transaction hangs."""
        if self._deaths > 1 or self._stopping:
            return False
        taken_at = self._taken_at
        return taken_at is None or time.monotonic() - taken_at < 2 * ANSWER_WITHIN_S

    @property
    def is_storing(self) -> bool:
        """False for a moment after the store could not take a group."""
        failed_at = self._failed_at
        return failed_at is None or time.monotonic() - failed_at > RECOVERING_S

    def check_room(self, workspace_id: int) -> None:
        """Raise what `submit` would raise now: asked before a body is read or parsed."""
        if self._stopping or self._deaths > 1:
            raise StoreUnavailable()
        if not self._room.has_room(workspace_id):
            raise StoreBusy()

    def submit(self, arrival: Arrival, done: Callable[[Outcome], None], *, body: bytes = b"") -> Waiting:
        """Have the arrival stored; `done` is called once, from the writer's thread, with the receipt or the error.

        Raises `StoreBusy` or `StoreUnavailable` at once when it is not taken on. `body` is the raw request, which is
        kept for the operator if it cannot be stored at all.
        """
        waiting = Waiting(arrival, prepared(arrival), body, done)
        with self._wake:
            self.check_room(arrival.workspace_id)
            if self._thread is None:
                self._spawn()
            self._room.add(waiting)
            self._wake.notify()
        return waiting

    def receive(self, arrival: Arrival, timeout_s: float = ANSWER_WITHIN_S, *, body: bytes = b"") -> Receipt:
        """Have the arrival stored and wait for it, or raise why not, at the latest after `timeout_s`."""
        answered = threading.Event()
        outcome: Outcome = StoreUnavailable()

        def done(result: Outcome) -> None:
            nonlocal outcome
            outcome = result
            answered.set()

        waiting = self.submit(arrival, done, body=body)
        if not answered.wait(timeout_s):
            # It may still be stored; the message ids make the repetition harmless.
            waiting.abandoned = True
            raise StoreUnavailable()
        if isinstance(outcome, Receipt):
            return outcome
        raise outcome

    def nudge(self) -> None:
        """Run `between_groups` soon, even when nothing arrives."""
        with self._wake:
            self._nudged = True
            self._wake.notify()

    def stop(self, drain_s: float) -> None:
        """Take nothing on any more, finish what waits, and end. What is left after `drain_s` is told to come again."""
        with self._wake:
            self._stopping = True
            thread = self._thread
            self._wake.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(drain_s)
        with self._wake:
            left = self._room.clear()
        self._answer(left, [StoreUnavailable()] * len(left))

    def _spawn(self) -> None:
        self._thread = threading.Thread(target=self._live, name="productfruits-writer", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        try:
            self._loop()
        except BaseException as err:
            self._die(err)

    def _die(self, err: BaseException) -> None:
        """Tell everybody who waits, then start again once; a second time somebody else has to look at the process."""
        log.error("writer_died", error=type(err).__name__, where=where(err))
        self._metrics.writer_deaths.inc()
        with self._wake:
            self._deaths += 1
            victims = self._group + self._room.clear()
            self._group = []
            self._taken_at = None
            for_good = self._deaths > 1
            if not for_good and not self._stopping:
                self._spawn()
        self._answer(victims, [StoreUnavailable()] * len(victims))
        if for_good and self._on_death is not None:
            self._on_death()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not (self._room.messages or self._nudged or self._stopping):
                    self._wake.wait()
                group = self._group = self._room.take(self._size.most, one_workspace=not self._is_sqlite)
                if not group and self._stopping:
                    return
                self._nudged = False
                self._taken_at = time.monotonic()
            if group:
                if self._before_group is not None:
                    self._before_group()
                self._store(group)
                self._group = []
            if self._between_groups is not None:
                self._between_groups()
            self._taken_at = None

    def _store(self, group: list[Waiting]) -> None:
        committed = self._commit(group)
        if isinstance(committed, Committed):
            self._failed_at = None
            self._answer(group, committed.receipts)
            return
        self._metrics.store_faults.labels(committed.fault.value).inc()
        log.warning(
            "store_failed",
            fault=committed.fault.value,
            error=committed.error,
            where=committed.where,
            code=committed.code,
        )
        if committed.fault is not Fault.UNEXPECTED:
            self._failed_at = time.monotonic()
            self._answer(group, [StoreUnavailable()] * len(group))
        elif len(group) == 1:
            self._answer(group, [self._set_aside(group[0], committed)])
        else:
            # One of them is poison: halves, in order, until it stands alone.
            middle = len(group) // 2
            self._store(group[:middle])
            self._store(group[middle:])

    def _commit(self, group: Sequence[Waiting]) -> Committed | Fallen:
        began = time.perf_counter()
        arrivals = []
        for waiting in group:
            if isinstance(waiting.prepared, Fallen):
                return waiting.prepared
            arrivals.append(waiting.prepared)
        try:
            committed = self._transactions.commit(arrivals)
        except Lost:
            log.error("writer_process_lost", meaning="this process stores by itself from now on, which is slower")
            self._metrics.writer_deaths.inc()
            self._transactions = OwnTransactions(self._sessions)
            return Fallen(Fault.AWAY, "Lost", "writer_process", None)
        if committed.repeated:
            self._metrics.store_faults.labels(Fault.AGAIN.value).inc(committed.repeated)
        if isinstance(committed, Committed):
            messages, took_s = sum(waiting.weight for waiting in group), time.perf_counter() - began
            self._metrics.commit_seconds.observe(took_s)
            self._metrics.group_messages.observe(messages)
            self._size.learn(messages, took_s)
        return committed

    def _set_aside(self, waiting: Waiting, why: Fallen) -> Outcome:
        arrival = waiting.arrival
        if arrival.refusal is not None:
            return Poisonous()
        try:
            with self._sessions.begin() as session:
                kept = dead_letters.record_failure(
                    session,
                    arrival.workspace_id,
                    waiting.body,
                    source=arrival.source,
                    reason=f"{why.error} at {why.where}",
                    now=dt.datetime.now(dt.UTC),
                )
        except Exception as worse:  # the loop's edge
            log.error("dead_letter_failed", error=type(worse).__name__, where=where(worse))
            return StoreUnavailable()
        if not kept:
            return Poisonous()
        self._metrics.dead_letters.inc()
        log.error("dead_letter", workspace_id=arrival.workspace_id, messages=len(arrival.parsed.messages))
        return Receipt(rejected=waiting.weight)

    def _answer(self, group: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
        receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        for name in ("accepted", "duplicates", "ignored", "rejected") if receipts else ():
            self._metrics.messages.labels(name).inc(sum(getattr(receipt, name) for receipt in receipts))
        for waiting, outcome in zip(group, outcomes, strict=True):
            try:
                waiting.done(outcome)
            except Exception as err:  # the loop's edge: one lost listener must not cost the others their answer
                log.error("answer_lost", error=type(err).__name__, where=where(err))
