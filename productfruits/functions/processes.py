"""A child process as its parent sees it: started with nothing, spoken to in frames, watched, killed."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from productfruits.config import PACKAGE
from productfruits.functions.ciphers import Ciphers
from productfruits.functions.errors import DoesNotStart

#: A frame from a child that is longer was not written by our prelude.
FRAME_BYTES = 32 * 1024 * 1024
START_S = 20.0
#: Between two looks at the memory: a tight loop fills about as many bytes in this time as it is allowed at all.
LOOK_S = 0.02
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from productfruits.functions.child import main; main(sys.argv[1])"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Ended(Exception):
    """The child is gone: it was killed, crashed, or wrote what it must not."""


class Process:
    """One child. Used by one thread at a time; `kill` may come from any."""

    def __init__(self) -> None:
        """Begin to start it; `wait_until_ready` says when it can be used. Raises `DoesNotStart`."""
        # The interpreter's own flag -I and an empty environment: nothing of ours but the paths of the code.
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, str(prelude()), *dict.fromkeys(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                close_fds=True,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as err:
            raise DoesNotStart() from err
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._in = self._popen.stdin.fileno()
        self._out = self._popen.stdout.fileno()
        os.set_blocking(self._in, False)
        self._received = bytearray()
        self._frames_kept: list[dict[str, Any]] = []
        self._is_ready = False
        #: What is computed for the child, and lives as long.
        self.ciphers = Ciphers()
        self.confinement: tuple[str, ...] = ()
        self.begun_at = time.monotonic()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def out(self) -> int:
        """The descriptor on which the child's frames arrive."""
        return self._out

    def wait_until_ready(self) -> None:
        """Raises `DoesNotStart`."""
        if self._is_ready:
            return
        deadline = time.monotonic() + START_S
        try:
            while time.monotonic() < deadline:
                for frame in self.receive(0.1):
                    if frame.get("is") == "ready":
                        self.confinement = tuple(frame.get("confinement", ()))
                        self._is_ready = True
                        return
        except Ended:
            pass
        self.kill()
        raise DoesNotStart()

    def send(self, text: str, is_over: Callable[[], object]) -> None:
        """Hand a frame to the child. Raises `Ended`, also when `is_over`, asked while the child does not read."""
        data = text.encode("utf-8", "replace")
        rest = memoryview(len(data).to_bytes(4, "little") + data)
        while rest:
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                _, writable, _ = select.select([], [self._in], [], LOOK_S)
                if not writable and is_over():
                    raise Ended() from None
            except OSError as err:
                raise Ended() from err

    def receive(self, within_s: float) -> list[dict[str, Any]]:
        """The frames that have arrived whole, after waiting this long for any. Raises `Ended`."""
        if self._frames_kept:
            kept, self._frames_kept = self._frames_kept, []
            return kept
        readable, _, _ = select.select([self._out], [], [], max(0.0, within_s))
        if not readable:
            return []
        try:
            part = os.read(self._out, 1 << 18)
        except OSError as err:
            raise Ended() from err
        if not part:
            raise Ended()
        self._received += part
        return self._frames()

    def keep(self, frames: list[dict[str, Any]]) -> None:
        """Give back frames that arrived behind the one that was waited for."""
        self._frames_kept = frames

    def memory_bytes(self) -> int:
        """What the child holds of the machine's memory; 0 when it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
        except FileNotFoundError:
            return 0 if Path("/proc/self").exists() else self._memory_by_ps()
        except (OSError, IndexError, ValueError):
            return 0

    def kill(self) -> None:
        """End it now, whatever it does. Safe to repeat."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _memory_by_ps(self) -> int:
        said = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, text=True, check=False)
        return int(said.stdout.strip() or 0) * 1024

    def _frames(self) -> list[dict[str, Any]]:
        frames = []
        while len(self._received) >= 4:
            length = int.from_bytes(self._received[:4], "little")
            if length > FRAME_BYTES:
                raise Ended()
            if len(self._received) < 4 + length:
                break
            try:
                frame = json.loads(self._received[4 : 4 + length])
            except (ValueError, RecursionError) as err:
                raise Ended() from err
            if not isinstance(frame, dict):
                raise Ended()
            frames.append(frame)
            del self._received[: 4 + length]
        return frames


def prelude() -> Path:
    """The built JavaScript that stands around every function."""
    inside = PACKAGE / "_static" / "dist" / "functions.js"
    return inside if inside.is_file() else PACKAGE.parent / "static" / "dist" / "functions.js"
