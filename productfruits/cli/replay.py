"""`productfruits replay`: sends recorded Segment messages, or the sample stories, to this server's own webhook."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec
import urllib3
from rich.console import Console
from rich.progress import track

from productfruits.cli import store
from productfruits.cli.output import fields, json_option, printable, say, show
from productfruits.config import PACKAGE
from productfruits.errors import ProductFruitsError
from productfruits.segment import signature
from productfruits.services import connections, stories
from productfruits.services.connections import LiveConnection
from productfruits.services.stories import Story
from productfruits.workers.checkup import local_url
from productfruits.workers.runtime import Runtime

SAMPLE = PACKAGE / "cli" / "samples" / "tidewater.jsonl"
COUNTS = ("accepted", "duplicates", "ignored", "rejected")
TIMEOUT = urllib3.Timeout(connect=5, read=60)
#: "Come again" is obeyed this often for one request, and never waited for longer than this.
TRIES = 6
LONGEST_WAIT_S = 10
#: So many refusals are printed one by one.
SHOWN_REFUSALS = 20


class ServerNotRunning(ProductFruitsError):
    """Nothing answers at the webhook."""


class NotAccepted(ProductFruitsError):
    """The server does not take the signature, so nothing more was sent.

    The connection may be deactivated (productfruits segment status), or another server with another store runs there.
    """


class StillBusy(ProductFruitsError):
    """The server answered 503 again and again, so the rest was not sent. See its log, or run: productfruits doctor"""


@dataclass(slots=True)
class Summary:
    """What the server said, summed up."""

    requests: int = 0
    left_out: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, int, str]] = field(default_factory=list)

    def document(self) -> dict[str, int]:
        counts = {name: self.counts[name] for name in COUNTS}
        return {"requests": self.requests, **counts, "refused": len(self.refused), "left_out": self.left_out}


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sample", is_flag=True, help="Send the stories of a small imaginary company instead of a FILE.")
@store.workspace_option
@click.option("--url", help="Address of the server, where it is not the HOST and PORT of the settings.")
@json_option
def replay(file: Path | None, sample: bool, workspace_key: str | None, url: str | None, as_json: bool) -> None:
    """Sign the messages of FILE (one JSON message or array a line) and send them to the workspace's webhook.

    Sending the same file again changes nothing: messages are known by their messageId.
    """
    if sample == (file is not None):
        raise click.UsageError("Give either a FILE or --sample.")
    story = _story(file)
    with store.opened() as runtime:
        connection, token = _connection(runtime, workspace_key)
        base = (url or local_url(runtime.settings)).rstrip("/")
    summary = Summary(left_out=story.left_out)
    _send(story.bodies, connections.webhook_url(base, token), connection.secrets[-1].key, summary)
    for number, status, reason in summary.refused[:SHOWN_REFUSALS]:
        say(f"Request {number} was refused with {status}: {printable(reason)}")
    if summary.left_out:
        say(f"{summary.left_out} records use another door than the webhook and were left out.")
    if summary.counts["duplicates"] and not summary.counts["accepted"]:
        say("All of these messages had been sent before, so nothing changed.")
    show(summary.document(), as_json, fields(summary.document().items()))


def _story(file: Path | None) -> Story:
    try:
        if file is None:
            lines = SAMPLE.read_text("utf-8").split("\n")
            return stories.read(stories.shifted(lines, store.now()))
        with file.open(encoding="utf-8", errors="surrogateescape") as stream:
            return stories.read(stream)
    except OSError as err:
        raise click.ClickException(f"{file} cannot be read: {err.strerror}") from err


def _connection(runtime: Runtime, workspace_key: str | None) -> tuple[LiveConnection, str]:
    workspace = store.chosen(runtime, workspace_key)
    with runtime.reading() as session:
        row = connections.required(session, workspace.id)
        found = connections.by_token(session, row.token, store.now(), runtime.vault)
    if found is None or not found.active or not found.secrets:
        raise NotAccepted(
            "The connection of this workspace is deactivated, so it takes no messages. Switch it on again: "
            "productfruits segment reactivate --workspace KEY"
        )
    return found, row.token


def _send(bodies: Sequence[bytes], url: str, secret: bytes, summary: Summary) -> None:
    console = Console(stderr=True)
    numbered = enumerate(bodies, 1)
    with urllib3.PoolManager(num_pools=1, retries=False, timeout=TIMEOUT) as pool:
        for number, body in track(
            numbered, "Sending", total=len(bodies), console=console, disable=not console.is_terminal, transient=True
        ):
            status, answer = _post(pool, url, body, secret)
            summary.requests += 1
            if status == 200:
                summary.counts.update({name: int(answer.get(name, 0)) for name in COUNTS})
            elif status == 401:
                raise NotAccepted()
            else:
                summary.refused.append((number, status, str(answer.get("message", ""))))


def _post(pool: urllib3.PoolManager, url: str, body: bytes, secret: bytes) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "X-Signature": signature.sign(body, secret)}
    for _ in range(TRIES):
        try:
            response = pool.request("POST", url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as err:
            raise ServerNotRunning(
                f"Nothing answers at {url.partition('/webhooks/')[0]}, so the messages were not all sent. Start the "
                "server in another terminal (productfruits serve), or name its address with --url, and send them again."
            ) from err
        if response.status != 503:
            return response.status, _decoded(response.data)
        time.sleep(min(_seconds(response.headers.get("Retry-After")), LONGEST_WAIT_S))
    raise StillBusy()


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"message": "the answer is not from productfruits: is it the right address?"}


def _seconds(retry_after: str | None) -> int:
    return int(retry_after) if retry_after is not None and retry_after.isdigit() else 1
