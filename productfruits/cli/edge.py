"""The one place where errors of commands become an exit code."""

from collections.abc import Callable
from typing import Any

import click

from productfruits.errors import ProductFruitsError
from productfruits.workers.store_faults import Fault, classify


def run(invoke: Callable[[click.Context], Any], ctx: click.Context) -> Any:
    """Invoke. Each of our own errors ends as its message on stderr and exit code 1."""
    try:
        return invoke(ctx)
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
