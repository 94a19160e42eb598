"""How fast pages are answered: `python -m bench.pages`. 100,000 users, 50 contents with nested rules, 32 connections.

Each page asks once for everything (200), and again with the tag that it got (304): at a steady rate, and then as fast
as the answers come. The same load on a server that does nothing shows what is left to be won.
"""

import argparse
import datetime as dt
import http.client
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from bench.gates import Gate, exit_code, rows
from bench.machine import inspect
from bench.paced import send_at
from bench.payloads import Request
from bench.processes import Server, free_port
from bench.report import write
from bench.rules import fill, rule
from bench.sender import NOT_SENT, send
from bench.stores import DURABLE, Stores
from bench.subjects import Product, ports, stop
from productfruits.adoption import documents
from productfruits.database import make_engine, make_sessions
from productfruits.models import AdoptionSettings, Content, ContentState, ContentVersion, User, Workspace
from tests.pgtemp import temporary_postgres

CONTENTS = 50
CONNECTIONS = 32
ASKING = 1_000
PASSES = 3
PASS_S = 4.0
#: The p99 at the steady rate (decision 19).
GATES_MS = {"200": 5.0, "304": 2.0}
#: Without a pause: of the answers that the server gives with nothing behind it.
GATES_OF_NOTHING = {"200": 0.10, "304": 0.30}
#: Questions a second, all connections together: 1.8 million page views in an hour.
STEADY_PER_S = 500
#: Steady or not, and the kind of answer.
LOADS = [(steady, answer) for steady in (True, False) for answer in GATES_MS]
NOTHING = "none: the server alone"
BEGIN, END = "<!-- bench-pages:begin -->", "<!-- bench-pages:end -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of answer under one kind of load on one kind of database, the medians of the passes."""

    database: str
    answer: str
    is_steady: bool
    rate: float
    p50_ms: float
    p99_ms: float
    kilobytes: float


def measure(stores: Stores, folder: Path, users: int) -> list[Figure]:
    """Serve a filled store and let pages ask."""
    product = Product(stores.make("pages"), folder)
    product.start()
    try:
        engine = make_engine(product.store.url.replace("postgresql://", "postgresql+psycopg://"))
        with make_sessions(engine).begin() as session:
            workspace = session.scalars(select(Workspace)).one()
            fill(session, workspace, users)
            _publish(session, workspace)
            _follow(session, workspace)
        if stores.kind == "postgres":
            with engine.begin() as connection:
                # It does so by itself within a minute. Until then it plans for empty tables.
                connection.execute(text("ANALYZE"))
        engine.dispose()
        paths = [f"/browser/v1/content?workspace={workspace.key}&username=user-{n}" for n in range(ASKING)]
        figures = [_figure(stores.kind, kind, ports(product)[0], paths, steady) for steady, kind in LOADS]
    finally:
        stop(product)
    return [*figures, *_nothing(folder, int(figures[0].kilobytes * 1024), paths)]


def _nothing(folder: Path, size_bytes: int, paths: list[str]) -> list[Figure]:
    """The same load on a server that does nothing."""
    port = free_port()
    command = [sys.executable, "-m", "bench.baselines.nothing", str(port), str(size_bytes)]
    server = Server(command, os.environ, port, "/", folder / f"nothing-{port}.log")
    server.start()
    try:
        return [_figure(NOTHING, kind, port, paths, steady) for steady, kind in LOADS]
    finally:
        server.stop()


def _figure(database: str, answer: str, port: int, paths: list[str], is_steady: bool) -> Figure:
    loads, total = [], 0
    for _ in range(PASSES):
        rest_s = 60 - time.time() % 60
        if rest_s < PASS_S + 2:
            # Tags carry the minute where rules depend on time: none of a pass may fall into the next one.
            time.sleep(rest_s)
        tags, total = _tags(port, paths)
        requests = [_request(path, tag if answer == "304" else None) for path, tag in zip(paths, tags, strict=True)]
        if is_steady:
            load = send_at(STEADY_PER_S, (requests * 40)[: int(STEADY_PER_S * PASS_S)], [port], CONNECTIONS)
        else:
            load = send(requests * 200, [port], CONNECTIONS, PASS_S)
        others = {status for status in load.statuses if status not in (NOT_SENT, int(answer))}
        if others:
            print(f"{answer}: also answered {sorted(others)}", file=sys.stderr)
        loads.append(load)
    return Figure(
        database,
        answer,
        is_steady,
        statistics.median(load.sent / load.elapsed_s for load in loads),
        statistics.median(load.percentile_ms(0.50) for load in loads),
        statistics.median(load.percentile_ms(0.99) for load in loads),
        total / len(paths) / 1024 if answer == "200" else 0.0,
    )


def _tags(port: int, paths: list[str]) -> tuple[list[str], int]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    tags, total = [], 0
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        total += len(answer.read())
        tags.append(answer.headers["ETag"])
    connection.close()
    return tags, total


def _request(path: str, tag: str | None = None) -> Request:
    known = f"If-None-Match: {tag}\r\n" if tag else ""
    return Request(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{known}\r\n".encode(), ())


def _publish(session: Session, workspace: Workspace) -> None:
    chance = random.Random(11)
    now = dt.datetime.now(dt.UTC)
    for number in range(CONTENTS):
        key = "welcome" if number == 0 else f"tour-{number}"
        document = documents.load("tour", {"key": key, "name": key, "targeting": rule(chance), "steps": _steps()})
        content = Content(
            workspace_id=workspace.id,
            kind="tour",
            key=key,
            name=key,
            draft=document,
            draft_differs=False,
            published_version=1,
            created_at=now,
            updated_at=now,
        )
        session.add(content)
        session.flush()
        session.add(
            ContentVersion(
                workspace_id=workspace.id,
                content_id=content.id,
                number=1,
                document=document,
                published_at=now,
                published_by="bench",
            )
        )
    session.add(AdoptionSettings(workspace_id=workspace.id, generation=1))
    session.flush()


def _steps() -> list[dict[str, Any]]:
    return [
        {
            "id": f"step-{n}",
            "kind": "tooltip",
            "title": "Invite your **team**",
            "body": "Work is easier together. Invite the people you work with, and they see what you see.",
            "target": {"selector": f"#step-{n}"},
            "buttons": [{"id": "next", "label": "Next", "action": {"do": "next"}}],
        }
        for n in range(4)
    ]


def _follow(session: Session, workspace: Workspace) -> None:
    """Every user is in the middle of one tour and has ended three."""
    chance = random.Random(12)
    content_ids = session.scalars(select(Content.id)).all()
    user_ids = session.scalars(select(User.id).order_by(User.id).limit(ASKING * 2)).all()
    at = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
    session.execute(
        insert(ContentState),
        [
            {
                "workspace_id": workspace.id,
                "content_id": content_id,
                "user_id": user_id,
                "state": state,
                "version": 1,
                "session_id": "s",
                "items": {},
                "times_shown": 1,
                "state_at": at,
            }
            for user_id in user_ids
            for content_id, state in zip(
                chance.sample(list(content_ids), 4), ("in_progress", "completed", "dismissed", "completed"), strict=True
            )
        ],
    )


def gates(figures: Sequence[Figure]) -> list[Gate]:
    """What must hold on SQLite, which every installation starts with; Postgres is another process on the same cores."""
    ours = [figure for figure in figures if figure.database == "sqlite"]
    # Of the run on SQLite, which comes first.
    alone = [figure for figure in figures if figure.database == NOTHING and not figure.is_steady]
    most = {figure.answer: figure.rate for figure in reversed(alone)}
    waits = [
        Gate(
            f"content of a page, {figure.answer}, p99 of {CONNECTIONS} connections, {_load(figure)}",
            f"<= {GATES_MS[figure.answer]:g} ms",
            f"{figure.p99_ms:.1f} ms",
            figure.p99_ms <= GATES_MS[figure.answer],
        )
        for figure in ours
        if figure.is_steady
    ]
    rates = [
        Gate(
            f"content of a page, {figure.answer}, answers/s of the server alone, {_load(figure)}",
            f">= {GATES_OF_NOTHING[figure.answer]:.0%}",
            f"{figure.rate / most[figure.answer]:.0%}",
            figure.rate >= GATES_OF_NOTHING[figure.answer] * most[figure.answer],
        )
        for figure in ours
        if not figure.is_steady
    ]
    return [*waits, *rates]


def markdown(heading: str, figures: Sequence[Figure]) -> str:
    """The table and its gates."""
    head = "| database | load | answer | answers/s | p50 ms | p99 ms | KB |"
    lines = [heading, "", head, "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {figure.database} | {_load(figure)} | {figure.answer} | {figure.rate:,.0f} | {figure.p50_ms:.2f} "
        f"| {figure.p99_ms:.2f} | {figure.kilobytes:.1f} |"
        for figure in figures
    ]
    return "\n".join([*lines, *rows(gates(figures))]) + "\n"


def _load(figure: Figure) -> str:
    return f"{STEADY_PER_S:,}/s" if figure.is_steady else "as fast as answered"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--folder", default="/var/tmp")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, between its markers")
    options = parser.parse_args()
    figures: list[Figure] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pf-pages-", dir=options.folder)))
        machine = inspect(folder)
        for kind in options.database or ("sqlite", "postgres"):
            postgres = stack.enter_context(temporary_postgres(DURABLE, options.folder)) if kind == "postgres" else None
            for figure in measure(Stores(kind, folder, postgres), folder, options.users):
                figures.append(figure)
                print(figure, file=sys.stderr)
    table = markdown(f"`python -m bench.pages` with {options.users:,} users on {machine}.", figures)
    print(table)
    if options.write is not None:
        write(options.write, table, BEGIN, END)
    return exit_code(gates(figures))


if __name__ == "__main__":
    sys.exit(main())
