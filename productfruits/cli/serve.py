"""`productfruits serve`: migrates the store, then serves until SIGTERM."""

import asyncio
import dataclasses
import gc
import signal
import socket

import click
import structlog
from flask import Flask
from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.http import HTTP1Settings
from granian.server.embed import Server

from productfruits import config, create_app
from productfruits.asgi import Application, Front
from productfruits.config import Settings
from productfruits.errors import ProductFruitsError
from productfruits.services import admins, one_time_links
from productfruits.workers.runtime import Runtime

try:  # waiting and waking costs less with it
    from uvloop import new_event_loop as new_event_loop
except ImportError:  # Windows and PyPy have none
    # Ignored: it promises any loop and uvloop's its own, and whoever calls it here takes any.
    from asyncio import new_event_loop as new_event_loop  # type: ignore[assignment]

log = structlog.get_logger()

#: After SIGTERM: this long to store what was accepted, and then this long to send the answers.
DRAIN_S = 8.0
ANSWER_S = 1.0
#: Connections that may wait to be accepted, and requests at once. Bodies are bounded by bytes, not by these.
BACKLOG = 2_048
REQUESTS = 20_000
HEADERS_WITHIN_MS = 10_000


class PortTaken(ProductFruitsError):
    """The address to listen on is not free."""


@click.command()
def serve() -> None:
    """Migrate the store, then take webhooks and show the pages, until SIGTERM."""
    try:
        settings = config.load()
        settings = dataclasses.replace(settings, port=free_port(settings))
        app = create_app(settings)
        runtime: Runtime = app.extensions["productfruits"]
        _spare_the_collector()
        runtime.start(may_fork=True)
    except ProductFruitsError as err:
        raise click.ClickException(str(err)) from err
    _introduce(settings, runtime)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        died = runner.run(_serve(app, settings))
    runtime.close()
    if died:
        raise click.ClickException("The writer ended twice, so nothing can be stored. See the log above; start again.")


def _spare_the_collector() -> None:
    """Look for garbage in cycles less often: messages make many small objects and hardly a cycle.

    With Python's own thresholds a third of the time of a large group went into looking through them again and again.
    This one lies above what a full group holds, so that no group is looked through while it is worked on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def free_port(settings: Settings) -> int:
    """The port to listen on, after making sure that nobody else does; for port 0 any free one."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen(1)
        except OSError as err:
            raise PortTaken(
                f"Cannot listen on {settings.host} port {settings.port} ({err.strerror}). Stop the program that does, "
                f"or choose another port, for example: PRODUCTFRUITS_PORT={settings.port % 65_535 + 1}"
            ) from err
        port: int = probe.getsockname()[1]
        return port


def granian(application: Application, host: str, port: int) -> Server:
    """The server around the front or another application. Await its `serve()` in the event loop that shall answer."""
    return Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        task_impl=TaskImpl.asyncio,  # its other tasks cannot be cancelled, and deadlines of the front rest on that
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=REQUESTS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN_MS),
        log_enabled=False,
    )


def _introduce(settings: Settings, runtime: Runtime) -> None:
    click.echo(f"Data folder:  {settings.data_dir}")
    click.echo(f"Database:     {runtime.engine.url.render_as_string(hide_password=True)}")
    for file in runtime.keyring.files:
        made = " (made now: back it up, apart from the database)" if file in runtime.keyring.made else ""
        click.echo(f"Key file:     {file}{made}")
    click.echo(f"Listening on: {settings.base_url}")
    with runtime.reading() as session:
        is_new = not admins.exist(session)
    if is_new:
        link = one_time_links.setup_link(settings.base_url, runtime.keyring.secret_key)
        click.echo(f"First start:  open {link} to make your account")


async def _serve(app: Flask, settings: Settings) -> bool:
    """Serve until SIGTERM or SIGINT. True when it ended because the writer died."""
    runtime: Runtime = app.extensions["productfruits"]
    front = Front(app)
    server = granian(front, settings.host, settings.port)
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    died = False

    def writer_died() -> None:
        nonlocal died
        died = True
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    runtime.on_writer_death.append(lambda: loop.call_soon_threadsafe(writer_died))

    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    front.start_draining()
    await loop.run_in_executor(None, runtime.writer.stop, DRAIN_S)
    await front.drained(ANSWER_S)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
    await serving
    front.close()
    return died
