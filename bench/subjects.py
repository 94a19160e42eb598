"""What is measured: the product, driven by its command line as an operator would, and the two baselines."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.payloads import Endpoint
from bench.processes import Server, free_port
from bench.stores import Store, Tables

PYTHON = sys.executable
CHECKOUT = Path(__file__).resolve().parent.parent


class SetUpFailed(RuntimeError):
    """A command of the product failed while the run was set up; its message follows."""


class Subject(Protocol):
    """A receiver of webhooks over one store."""

    @property
    def name(self) -> str:
        """What the tables of the report call it."""

    @property
    def store(self) -> Store:
        """The database it was given."""

    @property
    def tables(self) -> Tables | None:
        """Where to look for what it stored; None when it stores nothing."""

    @property
    def endpoint(self) -> Endpoint:
        """Where to post, and the secret to sign with; known after `start`."""

    @property
    def servers(self) -> list[Server]:
        """Its processes; the load is spread over their ports."""

    def start(self) -> None:
        """Start on the store, empty or not, and return when requests are answered."""


def ports(subject: Subject) -> list[int]:
    """The ports that take the load."""
    return [server.port for server in subject.servers]


def stop(subject: Subject) -> None:
    """End all its processes as an operator would."""
    for server in subject.servers:
        server.stop()


def kill(subject: Subject) -> None:
    """kill -9 to all its processes at once."""
    for server in subject.servers:
        server.kill()


class Baseline:
    """A frozen Flask app from bench/baselines, served by granian."""

    def __init__(
        self,
        name: str,
        module: str,
        store: Store,
        folder: Path,
        *,
        threads: int,
        processes: int = 1,
        stores: bool = True,
    ):
        self.name = name
        self.store = store
        self.tables = Tables(users="users", events="events") if stores else None
        self.endpoint = Endpoint("/webhook", secrets.token_hex(16).encode())
        url = store.url.replace("postgresql://", "postgresql+psycopg://")
        self.servers = []
        for _ in range(processes):
            port = free_port()
            command = [
                *(PYTHON, "-m", "granian", "--interface", "wsgi", "--factory", f"bench.baselines.{module}:create_app"),
                *("--port", str(port), "--workers", "1", "--blocking-threads", str(threads)),
                *("--log-level", "warning", "--no-ws"),
            ]
            environment = {
                **os.environ,
                "BASELINE_DATABASE_URL": url,
                "BASELINE_SECRET": self.endpoint.secret.decode(),
                "PYTHONPATH": str(CHECKOUT),
            }
            self.servers.append(Server(command, environment, port, "/", folder / f"{name}-{port}.log"))

    def start(self) -> None:
        for server in self.servers:
            server.start()


def naive(store: Store, folder: Path, processes: int = 1) -> Baseline:
    """Baseline A with the thread count that served it best of 2, 4, 8 and 16, on both databases and both loads."""
    return Baseline("naive", "naive", store, folder, threads=4, processes=processes)


def hello(store: Store, folder: Path) -> Baseline:
    """Baseline H; one thread is its best, since nothing in it waits."""
    return Baseline("hello", "hello", store, folder, threads=1, stores=False)


class Product:
    """`productfruits serve`, with a workspace and a Segment connection made by its command line."""

    name: str = "productfruits"
    tables: Tables = Tables(users="users", events="event")

    def __init__(
        self, store: Store, folder: Path, processes: int = 1, *, egress_allow: str = "", worker: bool = False
    ) -> None:
        """`worker`: destinations are sent to from a process of its own."""
        self.store = store
        self._endpoint: Endpoint | None = None
        home = folder / f"home-{secrets.token_hex(4)}"
        home.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRODUCTFRUITS_")}
        self._environment = inherited | {
            "PRODUCTFRUITS_DATABASE_URL": store.url,
            "PRODUCTFRUITS_DATA_DIR": str(home),
            "PRODUCTFRUITS_LOG_LEVEL": "warning",
            "PRODUCTFRUITS_EGRESS_ALLOW": egress_allow,
            "PRODUCTFRUITS_DELIVERIES": "off" if worker else "on",
        }
        self._sends_apart = worker
        self._worker: subprocess.Popen[bytes] | None = None
        if store.kind == "postgres":  # two processes on one store share its keys; on SQLite `serve` makes them
            self._environment["PRODUCTFRUITS_SECRET_KEY"] = secrets.token_urlsafe(48)
            self._environment["PRODUCTFRUITS_ENCRYPTION_KEYS"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.servers = []
        for _ in range(processes):
            port = free_port()
            environment = {**self._environment, "PRODUCTFRUITS_PORT": str(port)}
            log = folder / f"productfruits-{port}.log"
            self.servers.append(Server([*_command(), "serve"], environment, port, "/readyz", log))

    @property
    def endpoint(self) -> Endpoint:
        if self._endpoint is None:
            raise SetUpFailed("the product was not started")
        return self._endpoint

    def start(self) -> None:
        for server in self.servers:
            server.start()
        if self._endpoint is None:
            workspace = self._run("workspace", "create", "Benchmark")["workspace"]
            connection = self._run("segment", "activate", "--workspace", workspace)
            path = urlsplit(connection["webhook_url"]).path
            self._endpoint = Endpoint(path, connection["webhook_secret"].encode())

    def destinations(self, named: Mapping[str, object]) -> None:
        """Make destinations, and begin to send to them."""
        self._run("destinations", "apply", "-", given=json.dumps({"destinations": named}))
        if self._sends_apart:
            self._worker = subprocess.Popen([*_command(), "worker"], env=self._environment, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        """End the process that sends, if there is one."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait()
            self._worker = None

    def _run(self, *arguments: str, given: str | None = None) -> dict[str, str]:
        done = subprocess.run(
            [*_command(), *arguments, "--json"],
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SetUpFailed(f"productfruits {' '.join(arguments)}: {done.stderr}")
        document: dict[str, str] = json.loads(done.stdout)
        return document


def _command() -> list[str]:
    script = Path(PYTHON).with_name("productfruits")
    return [str(script)] if script.exists() else [PYTHON, "-m", "productfruits"]
