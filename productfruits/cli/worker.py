"""`productfruits worker`: sends to destinations in a process of its own."""

import signal
import threading

import click

from productfruits.cli import store
from productfruits.cli.output import say


@click.command()
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
def worker(once: bool) -> None:
    """Send events to destinations until SIGTERM, beside any number of servers and other workers.

    `serve` does so itself unless PRODUCTFRUITS_DELIVERIES is off. A worker that is killed loses nothing: what it was
    sending is sent again within a minute, under the same webhook-id.
    """
    with store.opened() as runtime:
        if once:
            runtime.deliveries.run_once()
            return
        told_to_stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: told_to_stop.set())
        runtime.deliveries.start()
        say("Sending to destinations. Stop with SIGTERM or Ctrl+C.")
        told_to_stop.wait()
