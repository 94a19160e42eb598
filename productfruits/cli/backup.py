"""`productfruits backup`: a copy of the SQLite store that is consistent while the server runs."""

from pathlib import Path

import click

from productfruits import config
from productfruits.cli.output import json_option, say, show
from productfruits.errors import ProductFruitsError
from productfruits.services.backup import copy
from productfruits.workers.runtime import sqlite_file


class UsePgDump(ProductFruitsError):
    """The store is a Postgres database, which Postgres itself copies best: pg_dump --format=custom --file=FILE DATABASE

    The keys are not in the database: keep PRODUCTFRUITS_SECRET_KEY and PRODUCTFRUITS_ENCRYPTION_KEYS too.
    """


class NothingToBackUp(ProductFruitsError):
    """There is no store yet: the database file does not exist. Check PRODUCTFRUITS_DATA_DIR."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Copy the SQLite store to a new FILE, also while the server runs. The key files are not part of it."""
    settings = config.load()
    database = sqlite_file(settings)
    if database is None:
        raise UsePgDump()
    if not database.is_file():
        raise NothingToBackUp()
    size = copy(database, file)
    show({"file": str(file.absolute()), "bytes": size}, as_json, f"{file} ({size} bytes)")
    say("Keep the encryption keys too, in another place: without them the Segment secrets in this file are unreadable.")
