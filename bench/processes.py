"""Server processes of a run: start, wait until ready, stop, kill."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_S = 60.0
STOP_S = 20.0


class ServerDied(RuntimeError):
    """A server under test ended before it was ready; the end of its log follows."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server under test in a process group of its own, so that a kill takes its workers too."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], port: int, ready_path: str, log: Path):
        self.port = port
        self._command = list(command)
        self._environment = dict(environment)
        self._ready_url = f"http://127.0.0.1:{port}{ready_path}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server. Raises ServerDied when there is none."""
        if self._process is None:
            raise ServerDied("the server is not running")
        return self._process.pid

    def cpu_s(self) -> float:
        """Processor time its living processes have taken so far: unlike the clock, hardly moved by busy neighbours."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def start(self) -> None:
        """Start the server and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerDied(f"{' '.join(self._command)} did not get ready:\n{self._tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask the server to end; kill it when it does not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """kill -9 to the server and all its workers."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._ready_url, timeout=2) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]
