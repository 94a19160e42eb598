"""`productfruits`: the group of all commands, and the one place where errors become an exit code."""

from typing import Any

import click

import productfruits
from productfruits.cli.admin import admin, setup_link
from productfruits.cli.api_key import api_key
from productfruits.cli.backup import backup
from productfruits.cli.content import content
from productfruits.cli.destinations import destinations
from productfruits.cli.doctor import doctor
from productfruits.cli.functions import function
from productfruits.cli.keys import keys
from productfruits.cli.replay import replay
from productfruits.cli.segment import segment
from productfruits.cli.serve import serve
from productfruits.cli.users import users
from productfruits.cli.worker import worker
from productfruits.cli.workspace import workspace
from productfruits.errors import ProductFruitsError
from productfruits.workers.store_faults import Fault, classify


class Program(click.Group):
    """A group whose commands may raise our own errors: each ends as its message on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ProductFruitsError as err:
            raise click.ClickException(str(err)) from err
        except BrokenPipeError:
            raise
        except Exception as err:  # the edge: what the store says of itself is for people, the rest is a bug
            if classify(err) is Fault.UNEXPECTED:
                raise
            raise click.ClickException(
                f"The store is busy or out of reach ({type(err).__name__}), so nothing was changed. Try again; if it "
                "stays so, run: productfruits doctor"
            ) from err


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(productfruits.__version__, prog_name="productfruits")
def main() -> None:
    """Product adoption on your own server, fed by Segment.

    Settings come from PRODUCTFRUITS_… variables: docs/reference/settings.md. Every command takes --json for one JSON
    document on stdout; messages go to stderr. Exit codes: 0 done, 1 not done, 2 wrong usage.
    """


for command in (
    function,
    serve,
    worker,
    setup_link,
    workspace,
    segment,
    destinations,
    api_key,
    admin,
    users,
    content,
    keys,
    replay,
    backup,
    doctor,
):
    main.add_command(command)
