"""The process around one isolate. It is started with nothing: no environment, no descriptor but two ends of a pipe.

What it reads are frames of JSON text, each after its length in four bytes; what it writes has the same form. It keeps
no time and counts no memory, computes nothing and sends nothing: it asks its parent, and whoever wants to end it kills
it. When the parent is gone, so is it.
"""

import contextlib
import ctypes
import heapq
import json
import os
import queue
import resource
import threading
import time
from pathlib import Path

from productfruits.functions.isolate import Isolate, TooLong

CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
#: Descriptors the process may have; one more than the pipe's and /dev/null is open while the engine is loaded.
DESCRIPTORS = 8
NICENESS = 5


def main(prelude: str) -> None:
    """Live until the parent hangs up. `prelude`: the file with what stands around every function."""
    source = Path(prelude).read_text(encoding="utf-8")
    confinement = confine()
    child = _Child()
    threading.Thread(target=child.listen, daemon=True).start()
    child.start(source)
    _write_frame(json.dumps({"is": "ready", "confinement": confinement}))
    child.serve()


def confine() -> list[str]:
    """Give up what the system lets us give up, and say what that was. Before any thread starts."""
    given_up = []
    with contextlib.suppress(OSError):
        os.nice(NICENESS)  # ingest comes first
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "unshare") and 0 in (libc.unshare(CLONE_NEWUSER | CLONE_NEWNET), libc.unshare(CLONE_NEWNET)):
        given_up.append("network")
    if hasattr(libc, "prctl"):
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            given_up.append("privileges")
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    return given_up


class _Child:
    def __init__(self) -> None:
        self._isolate = Isolate(self._hear)
        self._due: list[tuple[float, int]] = []
        self._frames: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._computed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._asked = 0
        self._has_ended = False

    def start(self, prelude: str) -> None:
        self._isolate.start(prelude)

    def listen(self) -> None:
        """Read what the parent says, on a thread of its own, and end the process when it is gone.

        So it ends in the middle of an endless loop too, and what JavaScript waits for passes what waits for JavaScript.
        """
        while True:
            frame = _read_frame()
            (self._computed if frame.startswith('{"is":"computed"') else self._frames).put(frame)

    def serve(self) -> None:
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            try:
                frame = self._frames.get(timeout=wait)
            except queue.Empty:
                _, number = heapq.heappop(self._due)
                self._isolate.turn(json.dumps({"is": "timer", "id": number}))
                self._tell_idle()
            else:
                self._take(frame)

    def _take(self, frame: str) -> None:
        if frame.startswith('{"is":"run"') or frame.startswith('{"is":"evaluate"'):
            self._due.clear()
        try:
            self._isolate.turn(frame)
        except TooLong:
            _write_frame(json.dumps({"is": "too_long"}))
        self._tell_idle()

    def _tell_idle(self) -> None:
        """After the end of a run: nothing that it left behind keeps the engine busy."""
        if self._has_ended:
            self._has_ended = False
            _write_frame(json.dumps({"is": "idle"}))

    def _hear(self, message: str) -> str | None:
        """On V8's thread, while JavaScript waits."""
        whom, text = message[0], message[1:]
        if whom == "P":
            self._has_ended = self._has_ended or text.startswith(('{"is":"done"', '{"is":"failed"'))
            _write_frame(text)
            return None
        if whom == "T":
            timer = json.loads(text)
            heapq.heappush(self._due, (time.monotonic() + timer["delay"] / 1000, timer["id"]))
            return None
        return self._ask(text)

    def _ask(self, request: str) -> str:
        """The parent's answer to something that is to be computed."""
        self._asked += 1
        _write_frame(json.dumps({"is": "compute", "id": self._asked, "ask": request}))
        mine = f'{{"is":"computed","id":{self._asked},'
        while not (answer := self._computed.get()).startswith(mine):
            pass  # the answer to a request that code wrote past us
        return answer


def _read_frame() -> str:
    return _read_exactly(int.from_bytes(_read_exactly(4), "little")).decode()


def _read_exactly(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(0, count - len(parts))
        if not part:
            os._exit(0)  # the engine's threads are not waited for
        parts += part
    return bytes(parts)


def _write_frame(text: str) -> None:
    data = text.encode("utf-8", "replace")
    data = len(data).to_bytes(4, "little") + data
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        os._exit(0)
