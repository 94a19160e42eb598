"""The writer's transactions in a process of their own, so that one processor stores while another one reads requests.

Python runs one thread of a process at a time. The child is a copy of `serve` from before any of its threads began; it
has no key in use, no socket and no way in but a pipe. It takes a group, commits it, and answers; nothing else. When its
parent is gone, it finishes the transaction at hand and ends. Both are the same program, so frames need no versions.
"""

import contextlib
import fcntl
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import structlog

from productfruits.database import make_engine, make_sessions
from productfruits.services.arrivals import PreparedArrival
from productfruits.workers.transactions import Begun, Committed, Fallen, Lost, OwnTransactions, fallen, known

log = structlog.get_logger()

#: Elsewhere the system's libraries do not expect it.
CAN_FORK: Final = sys.platform == "linux"
#: As much as Linux lets everybody have: a large group crosses in few pieces.
PIPE_BYTES: Final = 1024 * 1024
LENGTH_BYTES: Final = 8
#: How long the child may take for its last transaction; it is harmless to cut one off.
ENDS_WITHIN_S: Final = 5.0

_arrivals_out = msgspec.msgpack.Encoder()
_arrivals_in = msgspec.msgpack.Decoder(list[PreparedArrival])
_answer_out = msgspec.msgpack.Encoder()
_answer_in = msgspec.msgpack.Decoder(Committed | Fallen)


class WriterProcess:
    """The parent's side. Groups are stored in the order in which they were begun."""

    #: One is stored, and the next one lies in the pipe, so that the process need not wait for it.
    at_once = 2

    def __init__(self, pid: int, sending: int, receiving: int) -> None:
        self.pid = pid
        self._sending = sending
        self._receiving = receiving
        self._begun = 0
        self._sends = threading.Lock()
        self._answered = 0
        self._answers = threading.Condition()
        self._ended = False

    def begin(self, arrivals: Sequence[PreparedArrival]) -> Begun:
        """Have the arrivals stored; what is returned raises `Lost` when the process is gone. To be called once."""
        try:
            frame = pack(arrivals)
        except Exception as err:  # nobody foresaw it: one of them is poison, and the others must not pay for it
            return known(fallen(err))
        with self._sends:
            if not self._ended:
                with contextlib.suppress(OSError):  # whoever asks for the answer will find nobody there
                    _send(self._sending, frame)
            number = self._begun
            self._begun += 1
        return partial(self._answer, number)

    def _answer(self, number: int) -> Committed | Fallen:
        with self._answers:
            # Whoever has the lock at its turn reads; the others have to wait anyway.
            while self._answered != number:
                self._answers.wait()
            try:
                frame = None if self._ended else _receive(self._receiving)
            except OSError as err:
                raise Lost() from err
            finally:
                self._answered += 1
                self._answers.notify_all()
        if frame is None:
            raise Lost()
        said: Committed | Fallen = _answer_in.decode(frame)
        return said

    def close(self) -> None:
        """Have the process end, and wait for it. Safe to repeat."""
        if self._ended:
            return
        self._ended = True
        os.close(self._sending)
        os.close(self._receiving)
        until = time.monotonic() + ENDS_WITHIN_S
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > until:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(0.005)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fork(database_url: str) -> WriterProcess:
    """Start the process. To be called before this one has any other thread or an open connection."""
    if threading.active_count() > 1:
        raise RuntimeError("A lock that another thread holds now would stay locked in the child for ever.")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    for pipe in (ours_out, theirs_out):
        _widen(pipe)
    pid = os.fork()
    if pid:
        os.close(theirs_in)
        os.close(theirs_out)
        log.info("writer_process_started", pid=pid)
        return WriterProcess(pid, ours_out, ours_in)
    try:
        _close_all_but(theirs_in, theirs_out)
        # Whoever stops the server stops the parent, which finishes what it took on and then closes the pipe.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        engine = make_engine(database_url, pool_size=1)
        serve(OwnTransactions(make_sessions(engine)), theirs_in, theirs_out)
        engine.dispose()
    except BaseException as err:  # the process's edge: nothing of the parent's program may go on here
        log.error("writer_process_died", error=type(err).__name__)
        os._exit(1)
    os._exit(0)


def serve(transactions: OwnTransactions, receiving: int, answering: int) -> None:
    """Store one group after the other until the other end hangs up."""
    with contextlib.suppress(BrokenPipeError):
        while (frame := _receive(receiving)) is not None:
            _send(answering, _answer_out.encode(_stored(transactions, frame)))


def _stored(transactions: OwnTransactions, frame: bytearray) -> Committed | Fallen:
    try:
        arrivals = unpack(frame)
    except Exception as err:  # as with `pack`
        return fallen(err)
    return transactions.commit(arrivals)


def pack(arrivals: Sequence[PreparedArrival]) -> bytes:
    """The arrivals as bytes, for `unpack` of the same program."""
    try:
        return b"m" + _arrivals_out.encode(arrivals)
    except OverflowError:  # a sender's number of more than 64 bits, whose digits are kept
        return b"p" + pickle.dumps(list(arrivals), pickle.HIGHEST_PROTOCOL)


def unpack(frame: bytes | bytearray) -> list[PreparedArrival]:
    """What was packed. Only for what came through our own pipe."""
    content = memoryview(frame)[1:]
    if frame[:1] == b"m":
        return _arrivals_in.decode(content)
    arrivals: list[PreparedArrival] = pickle.loads(content)
    return arrivals


def _close_all_but(*kept: int) -> None:
    """Close what came from the parent, its lock file among it, so that nothing of a dead parent is held any longer."""
    standard = (0, 1, 2)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in standard and descriptor not in kept:
            with contextlib.suppress(OSError):  # the one of the list itself
                os.close(descriptor)


def _widen(pipe: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # only Linux can, and only up to the system's limit
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _send(pipe: int, frame: bytes) -> None:
    os.write(pipe, len(frame).to_bytes(LENGTH_BYTES, "little"))
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _receive(pipe: int) -> bytearray | None:
    """The next frame; None when the other end was closed, also in the middle of one."""
    length = _read(pipe, LENGTH_BYTES)
    return None if length is None else _read(pipe, int.from_bytes(length, "little"))


def _read(pipe: int, count: int) -> bytearray | None:
    found = bytearray(count)
    rest = memoryview(found)
    while rest:
        got = os.readv(pipe, [rest])
        if not got:
            return None
        rest = rest[got:]
    return found
