"""How the event loop answers the questions of pages: those that come together are read together."""

import asyncio
import functools
from collections.abc import Sequence
from concurrent.futures import Executor

from productfruits.web.browser import content
from productfruits.web.browser.content import Question, Tagged
from productfruits.web.browser.door import BrowserDoor
from productfruits.web.ingest.answers import Answer

#: So many questions are answered before the event loop looks at anything else: a few milliseconds.
TOGETHER = 16
#: Who asks this long after the last answer is alone, as far as anybody can tell.
ALONE_S = 0.000_5
#: A thread answers one group after the other, since two would wait for each other's turn to compute. One that takes
#: longer than this waits for the store, and others go past it.
PATIENCE_S = 0.05

#: A question, and who is told the answer.
Waiting = tuple[Tagged, asyncio.Future[Answer]]


class Questions:
    """Collects what is asked until the event loop has taken in all that has arrived, and answers it in one go.

    On SQLite that happens right there, since it takes less time than handing it to a thread does. Where the store is
    asked over a network, a thread does it, and what is asked meanwhile is the next group. A site that must be read
    first, and a preview, which writes, have a thread of their own.
    """

    def __init__(self, door: BrowserDoor, threads: Executor, *, is_sqlite: bool) -> None:
        self._door = door
        self._threads = threads
        self._answer_together = self._answer_here if is_sqlite else self._hand_over
        self._is_sqlite = is_sqlite
        self._waiting: list[Waiting] = []
        self._under_way = 0
        self._began_at = 0.0
        self._going_past: asyncio.TimerHandle | None = None
        self._answered_at = 0.0

    async def answer(self, question: Question, if_none_match: str | None) -> Answer:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        if question.preview or self._door.sites.remembered(question.workspace) is None:
            return await loop.run_in_executor(self._threads, content.answer, self._door, question, if_none_match)
        if self._is_sqlite and loop.time() - self._answered_at > ALONE_S:
            answer = content.answer(self._door, question, if_none_match)
            self._answered_at = loop.time()
            return answer
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(((question, if_none_match), future))
        if len(self._waiting) == 1:
            loop.call_soon(self._answer_together)
        return await future

    def _answer_here(self) -> None:
        loop = asyncio.get_running_loop()
        together = self._take()
        if self._waiting:
            loop.call_soon(self._answer_here)
        _settle(together, _answered(self._door, [tagged for tagged, _ in together]))
        self._answered_at = loop.time()

    def _hand_over(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            return
        if self._under_way and loop.time() - self._began_at < PATIENCE_S:
            if self._going_past is None:
                self._going_past = loop.call_later(PATIENCE_S, self._go_past)
            return
        together = self._take()
        self._under_way += 1
        self._began_at = loop.time()
        asked = loop.run_in_executor(self._threads, _answered, self._door, [tagged for tagged, _ in together])
        asked.add_done_callback(functools.partial(self._handed_back, together))

    def _go_past(self) -> None:
        self._going_past = None
        self._hand_over()

    def _handed_back(self, together: Sequence[Waiting], done: "asyncio.Future[list[Answer | Exception]]") -> None:
        self._under_way -= 1
        _settle(together, done.result())
        if not self._under_way:
            self._hand_over()

    def _take(self) -> list[Waiting]:
        together, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        return together


def _answered(door: BrowserDoor, questions: Sequence[Tagged]) -> list[Answer | Exception]:
    """The answer to each; of one that cannot be answered, what went wrong."""
    try:
        return list(content.answer_all(door, questions))
    except Exception as err:
        if len(questions) == 1:
            return [err]
        # One must not take the others with it.
        return [each for question in questions for each in _answered(door, [question])]


def _settle(together: Sequence[Waiting], outcomes: Sequence[Answer | Exception]) -> None:
    for (_, future), outcome in zip(together, outcomes, strict=True):
        if future.done():  # the page is gone
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
