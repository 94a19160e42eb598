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
    for thread in threading.enumerate():
        if thread.name == "productfruits-writer" and thread.ident is not None:
            wait_until_at_rest(thread.ident)
            # While it waits for messages the exception stays pending; it is raised when the next one wakes the thread.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
            print("mortally wounded", flush=True)


def wait_until_at_rest(ident: int) -> None:
    """Return when the thread waits for messages: earlier it would die before anybody waits for it."""
    places: list[object] = []
    while len(places) < 5 or len(set(places[-5:])) > 1 or places[-1] is None:
        frame = sys._current_frames().get(ident)
        is_waiting = frame is not None and frame.f_code is threading.Condition.wait.__code__
        places.append((id(frame), frame.f_lasti) if frame is not None and is_waiting else None)
        time.sleep(0.01)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, kill_writer)
    sys.exit(main())
