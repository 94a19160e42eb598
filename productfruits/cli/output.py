"""What commands print: results on stdout, as text for people or as one JSON document; everything else on stderr."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import msgspec

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command --json, which arrives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")(command)


def show(document: Any, as_json: bool, text: str) -> None:
    """Print the result: the document with --json, else the text."""
    click.echo(msgspec.json.encode(document).decode() if as_json else text)


def say(message: str) -> None:
    """Tell the person something that is not the result."""
    click.echo(message, err=True)


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Names and values under each other."""
    rows = [(name, "-" if value is None else str(value)) for name, value in pairs]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their widest cell; values of others' making cannot move the cursor or add lines."""
    cells = [tuple(head), *(tuple("-" if cell is None else printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
