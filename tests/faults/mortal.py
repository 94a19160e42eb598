"""`productfruits serve` whose writer thread dies when the process gets SIGUSR1: run by a test, in a process of its own.

The exception is raised inside the thread by the interpreter itself, so nothing of ours is replaced.
"""

import ctypes
import signal
import sys
import threading

from productfruits.cli import main


def kill_writer(*_: object) -> None:
    for thread in threading.enumerate():
        if thread.name == "productfruits-writer" and thread.ident is not None:
            # While it waits for messages the exception stays pending; it is raised when the next one wakes the thread.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
            print("mortally wounded", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, kill_writer)
    sys.exit(main())
