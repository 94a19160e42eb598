"""The store for one command: settings read, schema migrated, keys unlocked."""

import contextlib
import datetime as dt
from collections.abc import Iterator

import click

from productfruits import config
from productfruits.errors import ProductFruitsError
from productfruits.models import Workspace
from productfruits.services import times, workspaces
from productfruits.workers.runtime import Runtime, open_runtime


class WhichWorkspace(ProductFruitsError):
    """There is not exactly one workspace, so name one: --workspace KEY. See them with: productfruits workspace list"""


@contextlib.contextmanager
def opened() -> Iterator[Runtime]:
    """The runtime of this command; no thread of it is started, so a server may run beside it."""
    runtime = open_runtime(config.load())
    try:
        yield runtime
    finally:
        runtime.close()


def now() -> dt.datetime:
    """The time of this command, read once by each."""
    return dt.datetime.now(dt.UTC)


def utc(given: dt.datetime | None) -> dt.datetime:
    """A time that was given without a zone; the beginning of time where none was given."""
    return times.EPOCH if given is None else given.replace(tzinfo=dt.UTC)


workspace_option = click.option(
    "--workspace", "workspace_key", metavar="KEY", help="Key of the workspace; may be left out when there is only one."
)


def chosen(runtime: Runtime, key: str | None) -> Workspace:
    """The workspace that --workspace names, or the only one."""
    with runtime.reading() as session:
        if key is not None:
            return workspaces.by_key(session, key)
        every = workspaces.every(session)
    if len(every) != 1:
        raise WhichWorkspace()
    return every[0]
