"""Arrivals that wait for the writer, kept by workspace so that a flood of one does not stand before the others."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from productfruits.errors import ProductFruitsError
from productfruits.services.arrivals import Arrival, PreparedArrival, Receipt
from productfruits.workers.transactions import Fallen

#: What a sender is told in the end: what became of the request, or why it must come again.
Outcome = Receipt | ProductFruitsError


@dataclass(slots=True)
class Waiting:
    """One arrival and whom to tell. `body` is kept only for the case that the arrival turns out to be poison."""

    arrival: Arrival
    #: The arrival as the store takes it, or why it could not be made so.
    prepared: PreparedArrival | Fallen
    body: bytes
    done: Callable[[Outcome], None]
    #: True once nobody waits for the answer any more: it is not worth a place in a group.
    abandoned: bool = False
    #: True once `done` was called.
    told: bool = False

    @property
    def weight(self) -> int:
        """How many messages it counts for; an arrival without any still costs a place."""
        return max(1, len(self.arrival.parsed.messages) + len(self.arrival.parsed.refused))


class WaitingRoom:
    """Queues by workspace, taken from in turns. Not locked: the writer's lock is around every call."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.messages = 0
        self._queues: dict[int, deque[Waiting]] = {}
        self._messages: dict[int, int] = {}
        #: Workspaces that have something waiting, next one first.
        self._turns: deque[int] = deque()

    def has_room(self, workspace_id: int) -> bool:
        """Whether one more may wait. A workspace alone never takes the last quarter, which is left for the others."""
        if self.messages >= self.capacity:
            return False
        return self._messages.get(workspace_id, 0) < max(1, self.capacity * 3 // 4)

    def add(self, waiting: Waiting) -> None:
        workspace_id = waiting.arrival.workspace_id
        queue = self._queues.get(workspace_id)
        if queue is None:
            queue = self._queues[workspace_id] = deque()
            self._messages[workspace_id] = 0
            self._turns.append(workspace_id)
        queue.append(waiting)
        self._messages[workspace_id] += waiting.weight
        self.messages += waiting.weight

    def take(self, cap: int, *, one_workspace: bool) -> list[Waiting]:
        """The next group: at most `cap` messages, or a single arrival that is larger. [] when nobody waits.

        Within a workspace the order of arrival is kept. Among workspaces each gives one arrival in turn, or, with
        `one_workspace`, the one whose turn it is gives the whole group.
        """
        group: list[Waiting] = []
        messages = 0
        while self._turns:
            workspace_id = self._turns[0]
            waiting = self._queues[workspace_id][0]
            if group and not waiting.abandoned and messages + waiting.weight > cap:
                break
            self._pop(workspace_id)
            if not waiting.abandoned:
                group.append(waiting)
                messages += waiting.weight
            left = self._turns[0] == workspace_id if self._turns else False
            if left and not one_workspace:
                self._turns.rotate(-1)
            if one_workspace and group and not left:
                return group
        if one_workspace and group and self._turns:
            self._turns.rotate(-1)
        return group

    def clear(self) -> list[Waiting]:
        """Everybody who waits, leaving the room empty."""
        everybody = [waiting for queue in self._queues.values() for waiting in queue]
        self._queues.clear()
        self._messages.clear()
        self._turns.clear()
        self.messages = 0
        return everybody

    def _pop(self, workspace_id: int) -> None:
        queue = self._queues[workspace_id]
        waiting = queue.popleft()
        self._messages[workspace_id] -= waiting.weight
        self.messages -= waiting.weight
        if not queue:
            del self._queues[workspace_id], self._messages[workspace_id]
            self._turns.popleft()
