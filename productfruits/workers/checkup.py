"""Is this server fit to run, and if not, what to do? Looks only: makes no file, migrates nothing, sends nothing on."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import urllib3
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from productfruits.config import Settings
from productfruits.database import make_engine, make_sessions, newest_schema_version, schema_version
from productfruits.functions.errors import DoesNotStart
from productfruits.functions.runtime import Sandbox
from productfruits.services import keyring, reachability
from productfruits.services.keyring import KeyMissing
from productfruits.services.vault import InvalidKey
from productfruits.workers.checkpoints import WAL_BOUND_BYTES
from productfruits.workers.runtime import sqlite_file

MEBIBYTE = 1024 * 1024
#: Below the first the disk is as good as full; below the second it is time to act.
FREE_NEEDED_BYTES = 100 * MEBIBYTE
FREE_WANTED_BYTES = 1024 * MEBIBYTE
#: A WAL this many times over its bound is not being copied back.
WAL_TOLERANCE = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. A `problem` keeps the server from working, a `warning` does not (yet)."""

    check: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str | None = None


def examine(settings: Settings) -> list[Finding]:
    """All checks, in the order in which problems are best solved."""
    findings = [*_folder(settings), *_disk(settings)]
    findings += _store(settings)
    for check in (_wal, _server, _address, _functions):
        findings += check(settings)
    return findings


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.exists():
        yield Finding("data folder", "ok", f"{folder} does not exist yet; the first start makes it.")
    elif not os.access(folder, os.W_OK | os.X_OK):
        remedy = "Give it to the user that runs the server (chown), or set PRODUCTFRUITS_DATA_DIR to another folder."
        yield Finding("data folder", "problem", f"{folder} cannot be written to.", remedy)
    else:
        yield Finding("data folder", "ok", str(folder))


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free // MEBIBYTE:,} MiB free"
    remedy = "Make room, or set PRODUCTFRUITS_EVENT_RETENTION_DAYS so that old events are deleted."
    if free < FREE_NEEDED_BYTES:
        yield Finding("disk", "problem", detail, remedy)
    elif free < FREE_WANTED_BYTES:
        yield Finding("disk", "warning", detail, remedy)
    else:
        yield Finding("disk", "ok", detail)


def _store(settings: Settings) -> Iterator[Finding]:
    database = sqlite_file(settings)
    if database is not None and not database.exists():
        yield Finding("store", "ok", f"{database} does not exist yet; the first start makes it.")
        return
    engine = make_engine(settings.database_url)
    try:
        shown = engine.url.render_as_string(hide_password=True)
        try:
            at = schema_version(engine)
        except SQLAlchemyError as err:
            cause = " ".join(str(getattr(err, "orig", None) or type(err).__name__).split())
            remedy = "Check PRODUCTFRUITS_DATABASE_URL, and that the database runs and lets this user in."
            yield Finding("store", "problem", f"{shown} cannot be opened: {cause}", remedy)
            return
        yield Finding("store", "ok", shown)
        yield from _schema(at)
        if at == newest_schema_version():
            yield from _keys(settings, engine)
    finally:
        engine.dispose()


def _schema(at: str | None) -> Iterator[Finding]:
    newest = newest_schema_version()
    if at == newest:
        yield Finding("schema", "ok", f"version {at}, the newest")
    elif at is None:
        yield Finding("schema", "ok", "The database is empty; the first start fills it in.")
    else:
        remedy = (
            "Start the server: it migrates by itself. If it is newer than this release, install that release again."
        )
        yield Finding("schema", "warning", f"version {at}, and this release needs {newest}", remedy)


def _keys(settings: Settings, engine: Engine) -> Iterator[Finding]:
    try:
        with make_sessions(engine)() as session:
            found = keyring.unlock(settings, session, make=False)
    except (KeyMissing, InvalidKey) as err:
        remedy = "See the table of keys in docs/self-hosting.md."
        yield Finding("keys", "problem", str(err), remedy)
        return
    yield Finding("keys", "ok", f"encryption key {', '.join(found.vault.key_ids)}")
    for file in found.files:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding("key file", "warning", f"{file} can be read by others.", f"chmod 600 {file}")


def _wal(settings: Settings) -> Iterator[Finding]:
    database = sqlite_file(settings)
    if database is None:
        return
    wal = database.with_name(database.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    detail = f"{size // MEBIBYTE} MiB of changes wait to be copied into the database"
    if size > WAL_TOLERANCE * WAL_BOUND_BYTES:
        remedy = "Something keeps an old read open: end programs that have the database open, then restart the server."
        yield Finding("write-ahead log", "warning", detail, remedy)
    else:
        yield Finding("write-ahead log", "ok", detail)


def _server(settings: Settings) -> Iterator[Finding]:
    base = local_url(settings)
    try:
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            answer = pool.request("GET", f"{base}/readyz", redirect=False)
    except urllib3.exceptions.HTTPError:
        yield _not_running(settings, base)
        return
    if answer.status == 200:
        yield Finding("server", "ok", f"{base} runs and can store messages.")
    elif answer.status == 503:
        detail = f"{base} runs and cannot store messages: {answer.data.decode('utf-8', 'replace')[:500]}"
        yield Finding("server", "problem", detail, "See the log of the server; often a restart is enough.")
    else:
        remedy = "Stop that program, or set PRODUCTFRUITS_PORT to another port."
        yield Finding("server", "problem", f"Another program answers at {base}.", remedy)


def _not_running(settings: Settings, base: str) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as err:
            detail = f"{settings.host} port {settings.port} cannot be listened on: {err.strerror}."
            remedy = "Correct PRODUCTFRUITS_HOST or choose another PRODUCTFRUITS_PORT."
            return Finding("server", "problem", detail, remedy)
    return Finding("server", "warning", f"Nothing runs at {base}.", "Start it: productfruits serve")


def _address(settings: Settings) -> Iterator[Finding]:
    obstacle = reachability.obstacle(settings.base_url)
    if obstacle is None:
        yield Finding("public address", "ok", settings.base_url)
    else:
        yield Finding("public address", "warning", obstacle.what, obstacle.remedy)


def _functions(settings: Settings) -> Iterator[Finding]:
    if not settings.functions:
        return
    sandbox = Sandbox(processes=1, ahead=False)
    try:
        given_up = sandbox.confinement()
    except DoesNotStart:
        remedy = "Let this user start processes (a container may forbid it), or set PRODUCTFRUITS_FUNCTIONS=off."
        yield Finding("functions", "problem", "The process that runs functions does not start.", remedy)
        return
    finally:
        sandbox.close()
    if "network" in given_up:
        yield Finding("functions", "ok", "They run in processes without network, environment and privileges.")
    else:
        remedy = "Allow user namespaces for a second wall (see docs/decisions/0007-functions.md)."
        yield Finding("functions", "warning", "This system gives their processes no network of their own.", remedy)


def local_url(settings: Settings) -> str:
    """Where the server of these settings listens, seen from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
