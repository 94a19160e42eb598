"""Short writes come through while the writer is busy all the time."""

import datetime as dt
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from productfruits.config import Settings
from productfruits.database import begin_immediate, make_engine, make_sessions
from productfruits.segment import messages, reader
from productfruits.segment.signature import Signed
from productfruits.services import workspaces
from productfruits.services.arrivals import Arrival
from productfruits.turns import Turns
from productfruits.workers.not_stored import StoreBusy
from productfruits.workers.runtime import Runtime, open_runtime
from productfruits.workers.transactions import OwnTransactions
from tests.services.pipes import through_pipe

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("ahead", [False, True], ids=["thread", "pipe"])
def test_an_admin_can_save_while_messages_pour_in(settings: Callable[..., Settings], ahead: bool) -> None:
    runtime = open_runtime(settings(queue_messages=4_000))
    with runtime.writing() as session:
        workspace_id = workspaces.create(session, "Acme", NOW).id
    with ExitStack() as stack:
        if ahead:
            # The far end has connections of its own, as a process has.
            far = make_engine(str(runtime.engine.url))
            stack.callback(far.dispose)
            runtime.writer.use(stack.enter_context(through_pipe(OwnTransactions(make_sessions(far)))))
        save_while_messages_pour_in(runtime, workspace_id)


def save_while_messages_pour_in(runtime: Runtime, workspace_id: int) -> None:
    runtime.start()
    enough = threading.Event()

    def pour() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            body = ",".join(f'{{"type":"track","userId":"u{n}","messageId":"{number}-{n}"}}' for n in range(400))
            parsed = messages.parse(reader.read(f"[{body}]".encode()), signed=Signed(0, "body"))
            try:
                runtime.writer.submit(
                    Arrival(workspace_id, None, None, "webhook", "server", NOW, parsed=parsed), lambda _: None
                )
            except StoreBusy:
                enough.wait(0.01)

    pouring = threading.Thread(target=pour)
    pouring.start()
    # Another engine, as another process has it. Each of these gives up after five seconds of waiting.
    engine = make_engine(str(runtime.engine.url))
    try:
        for number in range(20):
            with make_sessions(engine).begin() as session:
                begin_immediate(session)
                workspaces.create(session, f"Saved {number}", NOW)
    finally:
        enough.set()
        pouring.join()
        runtime.close()
        engine.dispose()


def test_nobody_steps_aside_for_nobody_or_for_one_who_has_gone(settings: Callable[..., Settings]) -> None:
    turns = Turns(settings().data_dir / "store.db")
    turns.step_aside()
    with turns.waiting(), turns.waiting():
        pass
    turns.step_aside()
    turns.close()
