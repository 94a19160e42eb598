"""A writer's process as the writer sees it, with its far end in a thread of the test's own process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from productfruits.workers import writer_process
from productfruits.workers.transactions import OwnTransactions
from productfruits.workers.writer_process import WriterProcess

PATIENCE_S = 60.0
#: No process of this one has this number: there is nobody to wait for.
NOBODY = 2**22 + 1


class Killing(BaseException):
    """Nothing that a loop's edge catches."""


@contextmanager
def through_pipe(transactions: OwnTransactions) -> Iterator[WriterProcess]:
    """The two ends of a writer's process, the far one in a thread of this one."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    far = threading.Thread(target=far_end, args=(transactions, theirs_in, theirs_out))
    far.start()
    yield WriterProcess(NOBODY, ours_out, ours_in)
    os.close(ours_out)
    os.close(ours_in)
    far.join(PATIENCE_S)


def far_end(transactions: OwnTransactions, receiving: int, answering: int) -> None:
    with suppress(Killing):
        writer_process.serve(transactions, receiving, answering)
    os.close(receiving)
    os.close(answering)
