"""Sends what is in the outbox. One thread speaks to the store; each destination that has something due gets a thread of
its own for as long as that lasts, and nobody waits for anybody else's receiver.

No request is made inside a transaction. What was sent is recorded in groups, a few times a second, so that intake has
the store to itself most of the time.
"""

import contextlib
import datetime as dt
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session, sessionmaker

from productfruits.database import begin_immediate
from productfruits.functions.errors import Busy, DoesNotStart
from productfruits.functions.runtime import Sandbox
from productfruits.outgoing import retry
from productfruits.outgoing.http import Egress, Line
from productfruits.outgoing.jitsu import Evaluate
from productfruits.services import deliveries, delivery_outcomes, function_instances
from productfruits.services.deliveries import Attempt, Batch
from productfruits.services.parcels import Parcel
from productfruits.services.vault import Vault
from productfruits.workers import function_sending, sending
from productfruits.workers.metrics import Metrics
from productfruits.workers.pace import Pace
from productfruits.workers.store_faults import where

log = structlog.get_logger()

#: How often the outbox is looked into.
LOOK_S = 0.2
#: Between two transactions, so that each has something to record.
PAUSE_S = 0.04
#: The same while messages come as fast as they can be stored: each transaction of ours holds up a group of them.
PRESSED_PAUSE_S = 0.7
#: After the store could not be used.
RECOVER_S = 5.0
#: For so long a lane goes on with what it was given; then it asks anew, since users may have been erased meanwhile and
#: destinations changed.
LANE_S = 2.0
#: Deliveries a second, of all destinations together, while messages come as fast as they can be stored: whoever sends
#: messages waits for the answer and gives up after seconds, a delivery may be late.
PRESSED_A_SECOND = 340.0
#: Destinations that are sent to at a time.
LANES = 128
#: Of them, those that did not answer the last time: however many there are, the others have places left.
SLOW_LANES = 64


class Lane:
    """One destination that is being sent to."""

    def __init__(self, batch: Batch, *, ended: bool = False) -> None:
        self.batch = batch
        self.until = time.monotonic() + LANE_S
        self.ended = ended


class Deliveries:
    """The sender of a process. Any number of them, in any number of processes, share one outbox."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        egress: Egress,
        vault: Vault,
        metrics: Metrics,
        *,
        sandbox: Sandbox | None = None,
        evaluate: Evaluate | None = None,
        lanes: int = LANES,
        is_pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`sandbox` runs functions, `evaluate` JavaScript of destinations in Jitsu's form; None where they are off.

        While `is_pressed` says so, receiving goes first.
        """
        self._sessions = sessions
        self._egress = egress
        self._vault = vault
        self._sandbox = sandbox
        self._metrics = metrics
        self._evaluate = evaluate
        self._most = lanes
        self._is_pressed = is_pressed
        self._pace = Pace(PRESSED_A_SECOND)
        self._worker = uuid.uuid4().hex
        self._lanes: dict[int, Lane] = {}
        #: What lanes have to tell: an attempt, or that a lane has ended.
        self._news: queue.SimpleQueue[Attempt | Lane] = queue.SimpleQueue()
        self._untold: list[Attempt] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send. Safe to repeat."""
        if self._thread is None and not self._stopping.is_set():
            self._thread = threading.Thread(target=self._live, name="productfruits-deliveries", daemon=True)
            self._thread.start()

    def stop(self, within_s: float) -> None:
        """Begin nothing new, wait so long for requests that are under way, and record them. Safe to repeat.

        What is still under way then is sent again by whoever comes next.
        """
        self._stopping.set()
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._thread.join()
        self._thread = None
        until = time.monotonic() + within_s
        while any(not lane.ended for lane in self._lanes.values()) and (left := until - time.monotonic()) > 0:
            self._hear(left)
        try:
            self._turn(claiming=False)
        except Exception as err:  # the process ends: the leases run out by themselves
            log.warning("deliveries_not_recorded", error=type(err).__name__, where=where(err))

    def run_once(self) -> None:
        """Send what is due now, one destination after the other, and return when there is nothing more."""
        while not self._stopping.is_set():
            with self._sessions.begin() as session:
                begin_immediate(session)
                batches = deliveries.claim(session, self._worker, 1, _now(), self._vault)
            if not batches:
                return
            [lane] = self._lanes_of(batches)
            self._drive(lane)
            self._hear(0)
            self._turn(claiming=False)

    def _live(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear(LOOK_S)
                if self._has_work():
                    self._turn()
                    self._pause()
            except Exception as err:  # the loop's edge: whatever the store says, it is asked again
                log.warning("deliveries_failed", error=type(err).__name__, where=where(err))
                self._stopping.wait(RECOVER_S)

    def _pause(self) -> None:
        """Leave the store to others for a while; to senders who wait for it, until a lane has nothing left to send."""
        until = time.monotonic() + PRESSED_PAUSE_S
        self._stopping.wait(PAUSE_S)
        while self._is_pressed() and not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            if any(lane.ended for lane in self._lanes.values()):
                return
            self._hear(left)

    def _hear(self, wait_s: float) -> None:
        """Take what the lanes have to tell; wait for the first of it."""
        try:
            news = self._news.get(timeout=wait_s) if wait_s > 0 else self._news.get_nowait()
            while True:
                if isinstance(news, Lane):
                    news.ended = True
                else:
                    self._untold.append(news)
                news = self._news.get_nowait()
        except queue.Empty:
            return

    def _has_work(self) -> bool:
        if self._untold or any(lane.ended for lane in self._lanes.values()):
            return True
        if len(self._lanes) >= self._most:
            return False
        with self._sessions() as session:
            return deliveries.are_due(session, _now())

    def _turn(self, *, claiming: bool = True) -> None:
        """One transaction: record, give back, claim. Then set the new lanes going."""
        over = [number for number, lane in self._lanes.items() if lane.ended]
        going = [lane for lane in self._lanes.values() if not lane.ended]
        places = self._most - len(going) if claiming else 0
        slow = max(0, SLOW_LANES - sum(lane.batch.unanswered > 0 for lane in going))
        now = _now()
        with self._sessions.begin() as session:
            begin_immediate(session)
            untold = self._record(session)
            deliveries.release(session, self._worker, over, now)
            batches = deliveries.claim(session, self._worker, places, now, self._vault, slow=slow)
        del self._untold[: len(untold)]
        for number in over:
            del self._lanes[number]
        for lane in self._lanes_of(batches):
            name = f"productfruits-lane-{lane.batch.destination_id}"
            threading.Thread(target=self._drive, args=(lane,), name=name, daemon=True).start()

    def _lanes_of(self, batches: Sequence[Batch]) -> list[Lane]:
        """Lanes for what was claimed, with all that is to be sent."""
        if not batches:
            return []
        # Should the store fail now, the next turn gives them back.
        self._lanes |= {batch.destination_id: Lane(batch, ended=True) for batch in batches}
        # No more than what can be sent before it is asked anew.
        most = int(PRESSED_A_SECOND * LANE_S) if self._is_pressed() else deliveries.PARCELS
        with self._sessions() as session:
            lanes = [Lane(batch) for batch in deliveries.fill(session, batches, _now(), parcels_in_all=most)]
        self._lanes |= {lane.batch.destination_id: lane for lane in lanes}
        return lanes

    def _record(self, session: Session) -> Sequence[Attempt]:
        untold = tuple(self._untold)
        if untold:
            delivery_outcomes.record(session, untold, _now(), lambda: random.uniform(-1, 1))
        return untold

    def _attempt(self, line: Line, batch: Batch, parcel: Parcel) -> Attempt:
        if batch.kind == function_instances.OUTLET:
            return function_sending.attempt(self._sandbox, self._egress, batch, parcel)
        try:
            return sending.attempt(line, batch, parcel, self._evaluate)
        except (Busy, DoesNotStart) as err:
            return function_sending.not_run(batch, parcel, str(err))

    def _drive(self, lane: Lane) -> None:
        """Send the lane's parcels one after the other, as long as there is time and somebody answers."""
        unanswered = lane.batch.unanswered
        with contextlib.closing(self._egress.line()) as line:
            for parcel in lane.batch.parcels:
                if self._is_pressed():
                    self._stopping.wait(self._pace.wait_s())
                if self._stopping.is_set() or time.monotonic() > lane.until:
                    break
                try:
                    attempt = self._attempt(line, lane.batch, parcel)
                except Exception as err:  # the lane's edge: a fault of ours must not be tried for ever
                    log.error("sending_failed", error=type(err).__name__, where=where(err))
                    attempt = sending.failed(lane.batch, parcel)
                self._metrics.deliveries.labels(attempt.outcome).inc()
                self._news.put(attempt)
                unanswered = unanswered + 1 if attempt.outcome in ("unreachable", "timed_out") else 0
                if retry.peace(unanswered) or attempt.outcome in ("gone", "not_run"):
                    break
        self._news.put(lane)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
