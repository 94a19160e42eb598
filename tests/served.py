"""A real `productfruits serve` process for tests that need one: browser, clients, crashes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from productfruits.cli import main
from tests.pgtemp import free_port

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
PROGRAM = Path(sys.executable).with_name("productfruits")


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: where it answers, where it keeps its store, and its command line."""

    url: str
    data_dir: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    program: tuple[str | Path, ...]

    def cli(self, *arguments: str, given: str | None = None) -> str:
        """What `productfruits ARGUMENTS` prints on stdout when run against this server's store.

        Our own program runs in this process: starting one costs more than anything that it then does.
        """
        if self.program == (PROGRAM,):
            ran = CliRunner().invoke(main, arguments, input=given, env=self.environment)
            code, out, err = ran.exit_code, ran.stdout, ran.stderr
        else:
            done = subprocess.run(
                [*self.program, *arguments],
                env=dict(self.environment),
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        if code:
            raise AssertionError(f"productfruits {' '.join(arguments)} ended with {code}:\n{err}")
        return out

    def cli_json(self, *arguments: str, given: str | None = None) -> Any:
        """The JSON document that `productfruits ARGUMENTS --json` prints."""
        return json.loads(self.cli(*arguments, "--json", given=given))

    def output(self) -> str:
        """Everything the server has printed so far, both streams."""
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def serve(
    data_dir: Path, *, program: Sequence[str | Path] = (PROGRAM,), cwd: Path | None = None, **settings: str
) -> Iterator[Served]:
    """Starts `productfruits serve` on a free port and stops it by SIGTERM, like a supervisor would.

    `settings` are PRODUCTFRUITS_ variables without the prefix: serve(tmp_path, DATABASE_URL="postgresql://…").
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRODUCTFRUITS_")}
    given = {"DATA_DIR": str(data_dir), "PORT": str(port), **settings}
    environment |= {f"PRODUCTFRUITS_{name}": value for name, value in given.items()}
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "serve.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [*program, "serve"],
            env=environment,
            cwd=cwd or data_dir,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    served = Served(f"http://127.0.0.1:{port}", data_dir, environment, process, log, tuple(program))
    try:
        _wait_until_ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The whole session of processes: a worker of the server must not outlive the test.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"serve did not stop {STOP_TIMEOUT_S} s after SIGTERM:\n{served.output()}") from None


def _wait_until_ready(served: Served) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(f"{served.url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as err:
            if isinstance(err, urllib.error.HTTPError):
                err.close()
        if served.process.poll() is not None:
            raise AssertionError(f"serve ended with {served.process.returncode}:\n{served.output()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"serve was not ready after {START_TIMEOUT_S} s:\n{served.output()}")
        time.sleep(0.05)
