"""`productfruits serve` whose writer thread dies when the process gets SIGUSR1: run by a test, in a process of its own.

The exception is raised inside the thread by the interpreter itself, so nothing of ours is replaced.
"""

import ctypes
import signal
import sys
import threading
import time

from productfruits.cli import main


def kill_writer(*_: object) -> None:
    # While it waits for messages the exception stays pending; it is raised when the next one wakes the thread.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(at_rest()), ctypes.py_object(SystemExit))
    print("mortally wounded", flush=True)


def at_rest() -> int:
    """The writer's thread that waits for messages, once it does: earlier it would die before anybody waits for it.

    A writer whose transactions have a process of their own has another thread, which waits for its turn.
    """
    places: list[object] = []
    while len(places) < 5 or len(set(places[-5:])) > 1 or places[-1] is None:
        places.append(None)
        for thread in threading.enumerate():
            frame = sys._current_frames().get(thread.ident or 0)
            if thread.name == "productfruits-writer" and frame and frame.f_code is threading.Condition.wait.__code__:
                places[-1] = (thread.ident, id(frame), frame.f_lasti)
                resting = thread.ident
        time.sleep(0.01)
    assert resting is not None
    return resting


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, kill_writer)
    sys.exit(main())
