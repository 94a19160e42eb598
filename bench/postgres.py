"""A temporary Postgres with all durability on, unlike the one of the tests, which trades it for speed."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.processes import free_port

START_S = 30.0
SETTINGS = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "max_connections=120",
    "listen_addresses=127.0.0.1",
)


class NoPostgres(RuntimeError):
    """No PostgreSQL server binaries were found: install the postgresql package, or put its bin folder on PATH."""


def binaries() -> Path:
    """The folder that holds initdb and postgres. Raises NoPostgres."""
    on_path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for folder in ([Path(on_path).resolve().parent] if on_path else []) + installed:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise NoPostgres(NoPostgres.__doc__)


@contextlib.contextmanager
def durable_postgres(parent: str) -> Iterator[str]:
    """`host:port` of a server that lives in `parent` as long as the block; user postgres, no password."""
    folder = binaries()
    root = Path(tempfile.mkdtemp(prefix="pf-bench-pg-", dir=parent))
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # Postgres refuses to run as root
        nobody = pwd.getpwnam("nobody")
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
    environment = {**os.environ, "LC_ALL": "C", "HOME": str(root)}
    try:
        subprocess.run(
            [folder / "initdb", "-D", root / "store", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=root,
            env=environment,
            **identity,
        )
        port = free_port()
        options = [part for setting in SETTINGS for part in ("-c", setting)]
        process = subprocess.Popen(
            [folder / "postgres", "-D", root / "store", "-k", root, "-p", str(port), *options],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,
        )
        try:
            _wait(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)  # "fast": ends sessions, does not wait for them
            process.wait(30)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoPostgres("the temporary Postgres did not start")
        time.sleep(0.05)
