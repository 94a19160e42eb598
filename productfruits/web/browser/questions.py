"""How the event loop answers the questions of pages: those that come together are read together."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from productfruits.web.browser import content
from productfruits.web.browser.content import Question, Tagged
from productfruits.web.browser.door import BrowserDoor
from productfruits.web.ingest.answers import Answer

#: So many questions are answered before the event loop looks at anything else: a few milliseconds.
TOGETHER = 16

#: A question, and who is told the answer.
Waiting = tuple[Tagged, asyncio.Future[Answer]]


class Questions:
    """Collects what is asked until the event loop has taken in all that has arrived, and answers it in one go.

    On SQLite that happens right there, since it takes less time than handing it to a thread does. Where the store is
    asked over a network, or a site must be read anew, a thread does it.
    """

    def __init__(self, door: BrowserDoor, threads: Executor, *, is_sqlite: bool) -> None:
        self._door = door
        self._threads = threads
        self._is_sqlite = is_sqlite
        self._waiting: list[Waiting] = []

    async def answer(self, question: Question, if_none_match: str | None) -> Answer:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(((question, if_none_match), future))
        if len(self._waiting) == 1:
            loop.call_soon(self._begin)
        return await future

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        together, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            loop.call_soon(self._begin)
        quick: list[Waiting] = []
        slow: list[Waiting] = []
        for each in together:
            (quick if self._is_quick(each[0][0]) else slow).append(each)
        if slow:
            asked = loop.run_in_executor(self._threads, _answered, self._door, [tagged for tagged, _ in slow])
            asked.add_done_callback(lambda done: _settle(slow, done.result()))
        if quick:
            _settle(quick, _answered(self._door, [tagged for tagged, _ in quick]))

    def _is_quick(self, question: Question) -> bool:
        # A preview writes.
        return self._is_sqlite and not question.preview and self._door.sites.remembered(question.workspace) is not None


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
