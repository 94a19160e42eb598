"""Group commit: everything that waits is stored in one transaction, and then everybody is answered.

A sender is told "stored" only after COMMIT. With one writer there is no race to lose an update to, and one sync of the
disk serves a whole group, so that waiting costs nothing when it is quiet and little when it is not. There is one
transaction at a time; where they are made elsewhere, the next group is on its way before the last one is stored.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session, sessionmaker

from productfruits.services import dead_letters
from productfruits.services.arrivals import Arrival, Receipt
from productfruits.workers.groups import Group, Groups
from productfruits.workers.metrics import Metrics
from productfruits.workers.not_stored import Poisonous, StoreBusy, StoreUnavailable
from productfruits.workers.store_faults import Fault, where
from productfruits.workers.transactions import (
    Begun,
    Committed,
    Fallen,
    Lost,
    OwnTransactions,
    Transactions,
    known,
    prepared,
)
from productfruits.workers.waiting import Outcome, Waiting

log = structlog.get_logger()

#: Segment's shortest patience is 5 s: whoever still waits then is told to come again while somebody listens.
ANSWER_WITHIN_S = 4.0
#: After a failure of the store the server calls itself not ready for so long, unless something was stored since.
RECOVERING_S = 5.0
#: Who stores for so much of the time has none to give away.
PRESSED = 0.8


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
        somebody_waits: Callable[[], bool] | None = None,
        between_groups: Callable[[], None] | None = None,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        """`transactions` says where they are made, if not in the writer's thread.

        `between_groups` runs when nudged and when `somebody_waits` for the store, with no transaction under way.
        `on_death` runs when the writer gives up.
        """
        self._sessions = sessions
        self._metrics = metrics
        self._between_groups = between_groups
        self._on_death = on_death
        self._groups = Groups(queue_messages, is_sqlite=is_sqlite, somebody_waits=somebody_waits)
        self.use(transactions or OwnTransactions(sessions))
        self._threads: list[threading.Thread] = []
        self._spawning = threading.Lock()
        #: Whoever holds it begins the next group, so that they begin in the order in which they were taken.
        self._turn = threading.Lock()
        self._telling = threading.Lock()
        self._deaths = 0
        self._failed_at: float | None = None
        metrics.waiting.set_function(lambda: self._groups.waiting)

    def use(self, transactions: Transactions) -> None:
        """Have the transactions made there."""
        self._transactions = transactions
        self._groups.at_once = transactions.at_once

    def start(self) -> None:
        """Begin to store. Safe to repeat; without it the first arrival starts the threads."""
        with self._spawning:
            while not self._groups.is_closing and len(self._threads) < self._transactions.at_once:
                self._spawn()

    @property
    def is_well(self) -> bool:
        """False when nothing can be stored: the writer has died for good, or one transaction hangs."""
        if self._is_over:
            return False
        oldest = self._groups.oldest
        return oldest is None or time.monotonic() - oldest < 2 * ANSWER_WITHIN_S

    @property
    def is_pressed(self) -> bool:
        """True while messages come nearly as fast as they can be stored."""
        return self._groups.busy_share > PRESSED

    @property
    def groups_at_once(self) -> int:
        """How many groups may be under way: one is stored, and the others go ahead."""
        return self._groups.at_once

    @property
    def is_storing(self) -> bool:
        """False for a moment after the store could not take a group."""
        failed_at = self._failed_at
        return failed_at is None or time.monotonic() - failed_at > RECOVERING_S

    def check_room(self, workspace_id: int) -> None:
        """Raise what `submit` would raise now: asked before a body is read or parsed."""
        if self._is_over:
            raise StoreUnavailable()
        if not self._groups.has_room(workspace_id):
            raise StoreBusy()

    def submit(self, arrival: Arrival, done: Callable[[Outcome], None], *, body: bytes = b"") -> Waiting:
        """Have the arrival stored; `done` is called once, from a thread of the writer, with the receipt or the error.

        Raises `StoreBusy` or `StoreUnavailable` at once when it is not taken on. `body` is the raw request, which is
        kept for the operator if it cannot be stored at all.
        """
        self.check_room(arrival.workspace_id)
        waiting = Waiting(arrival, prepared(arrival), body, done)
        if not self._threads:
            self.start()
        if not self._groups.add(waiting):
            self.check_room(arrival.workspace_id)
            raise StoreBusy()
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
        self._groups.want_break()

    def stop(self, drain_s: float) -> None:
        """Take nothing on any more, finish what waits, and end. Who is left after `drain_s` is told to come again."""
        self._groups.close()
        until = time.monotonic() + drain_s
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        left = self._groups.clear() + self._groups.under_way()
        self._answer(left, [StoreUnavailable()] * len(left))

    @property
    def _is_over(self) -> bool:
        return self._groups.is_closing or self._deaths > 1

    def _spawn(self) -> None:
        thread = threading.Thread(target=self._live, name="productfruits-writer", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _live(self) -> None:
        group: Group | None = None
        try:
            while True:
                with self._turn:
                    group = self._groups.take()
                    if group is None:
                        return
                    begun = None if group.is_break else self._begin(group.waiting)
                if begun is not None:
                    self._store(group.waiting, begun)
                elif self._between_groups is not None:
                    self._between_groups()
                self._groups.end(group)
        except BaseException as err:
            self._die(err, group)

    def _die(self, err: BaseException, group: Group | None) -> None:
        """Tell everybody who waits, then start again once; a second time somebody else has to look at the process."""
        log.error("writer_died", error=type(err).__name__, where=where(err))
        self._metrics.writer_deaths.inc()
        victims = self._groups.clear()
        if group is not None:
            victims += group.waiting
            self._groups.end(group)
        with self._spawning:
            self._threads.remove(threading.current_thread())
            self._deaths += 1
            for_good = self._deaths > 1
            if not self._is_over:
                self._spawn()
        self._answer(victims, [StoreUnavailable()] * len(victims))
        if for_good and self._on_death is not None:
            self._on_death()

    def _begin(self, group: Sequence[Waiting]) -> Begun:
        arrivals = []
        for waiting in group:
            if isinstance(waiting.prepared, Fallen):
                return known(waiting.prepared)
            arrivals.append(waiting.prepared)
        return self._transactions.begin(arrivals)

    def _store(self, group: Sequence[Waiting], begun: Begun) -> None:
        committed = self._end(begun)
        if isinstance(committed, Committed):
            self._failed_at = None
            messages = sum(waiting.weight for waiting in group)
            self._metrics.commit_seconds.observe(committed.took_s)
            self._metrics.group_messages.observe(messages)
            self._groups.learn(messages, committed.took_s)
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
            for half in (group[:middle], group[middle:]):
                self._store(half, self._begin(half))

    def _end(self, begun: Begun) -> Committed | Fallen:
        try:
            committed = begun()
        except Lost:
            with self._spawning:
                if not isinstance(self._transactions, OwnTransactions):
                    log.error("writer_process_lost", meaning="this process stores by itself from now on, more slowly")
                    self._metrics.writer_deaths.inc()
                    self.use(OwnTransactions(self._sessions))
            return Fallen(Fault.AWAY, "Lost", "writer_process", None)
        if committed.repeated:
            self._metrics.store_faults.labels(Fault.AGAIN.value).inc(committed.repeated)
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
        """Tell each of them, unless somebody else has: one whose end nobody waited for is told at the stop."""
        with self._telling:
            fresh = [(each, outcome) for each, outcome in zip(group, outcomes, strict=True) if not each.told]
            for waiting, _ in fresh:
                waiting.told = True
        receipts = [outcome for _, outcome in fresh if isinstance(outcome, Receipt)]
        for name in ("accepted", "duplicates", "ignored", "rejected") if receipts else ():
            self._metrics.messages.labels(name).inc(sum(getattr(receipt, name) for receipt in receipts))
        for waiting, outcome in fresh:
            try:
                waiting.done(outcome)
            except Exception as err:  # the loop's edge: one lost listener must not cost the others their answer
                log.error("answer_lost", error=type(err).__name__, where=where(err))
