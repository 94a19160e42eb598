"""`python -m bench.visible`: from identify to a tour on the screen, in Chromium with the real analytics.js.

A page with the snippet is open and nobody is known. Then `analytics.identify()` names a user whose trait, which only a
webhook has brought, the tour asks for; the clock runs until the card has a size in a frame. Tasks of the page over
50 ms are counted from the first byte on, also on the same page without the snippet. Exits 1 when a gate fails.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench.gates import Gate, exit_code, rows
from bench.machine import inspect
from bench.report import write
from tests.browser.chromium import arguments, find
from tests.browser.snippet_content import modal, tour
from tests.browser.snippet_world import SnippetWorld, snippet_world

BEGIN, END = "<!-- bench-visible:begin -->", "<!-- bench-visible:end -->"
VISITS = 30
VISIBLE_GATE_MS = 250.0

WATCH = """window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({ type: "longtask", buffered: true });"""
SHOWS = """(user) => new Promise((done) => {
  const began = performance.now();
  const look = () => {
    const card = document.querySelector("product-fruits")?.shadowRoot?.querySelector("[role=dialog]");
    if (card?.getBoundingClientRect().height) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  analytics.identify(user);
  look();
})"""


@dataclass(frozen=True, slots=True)
class Visits:
    """Times from identify to the tour, and the long tasks of all visits, in milliseconds."""

    visible_ms: Sequence[float]
    long_tasks_ms: Sequence[float]
    long_tasks_without_ms: Sequence[float]


def measure(world: SnippetWorld, browser: Browser, visits: int) -> Visits:
    """Visit with the snippet and without it, in turn, each time as somebody else in a fresh browser profile."""
    aim = {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}
    world.publish("tour", tour(modal("welcome", body="It is **new**."), targeting=aim))
    visible: list[float] = []
    tasks: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(visits):
        for has_snippet in (True, False):
            user = world.user(plan="pro")
            page = browser.new_context().new_page()
            page.add_init_script(WATCH)
            if not has_snippet:
                page.route("**/snippet.js", lambda route: route.abort())
            page.goto(world.site(analytics="classic"))
            page.wait_for_function("window.analytics.initialized")
            if has_snippet:
                page.wait_for_function("window.productFruits?.api")
                visible.append(page.evaluate(SHOWS, user))
            else:
                page.evaluate("(user) => analytics.identify(user)", user)
            page.wait_for_load_state("networkidle")
            tasks[has_snippet] += page.evaluate("longTasks")
            page.context.close()
    return Visits(visible, tasks[True], tasks[False])


def gates(found: Visits) -> list[Gate]:
    median = statistics.median(found.visible_ms)
    more = len(found.long_tasks_ms) - len(found.long_tasks_without_ms)
    return [
        Gate(
            "identify to visible tour, median",
            f"<= {VISIBLE_GATE_MS:g} ms",
            f"{median:.0f} ms",
            median <= VISIBLE_GATE_MS,
        ),
        Gate("tasks over 50 ms that the page has not without the snippet", "0", str(max(0, more)), more <= 0),
    ]


def markdown(heading: str, found: Visits) -> str:
    """The table and its gates."""
    times = sorted(found.visible_ms)
    lines = [
        heading,
        "",
        "| visits | median ms | fastest | slowest | tasks over 50 ms (longest) | without the snippet |",
        "|---|---|---|---|---|---|",
        f"| {len(times)} | {statistics.median(times):.0f} | {times[0]:.0f} | {times[-1]:.0f} "
        f"| {_tasks(found.long_tasks_ms)} | {_tasks(found.long_tasks_without_ms)} |",
    ]
    return "\n".join([*lines, *rows(gates(found))]) + "\n"


def _tasks(durations: Sequence[float]) -> str:
    return f"{len(durations)} ({max(durations):.0f} ms)" if durations else "0"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.visible", description=__doc__)
    parser.add_argument("--visits", type=int, default=VISITS)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, between its markers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pf-visible-", dir="/var/tmp") as name:
        folder = Path(name)
        machine = inspect(folder)
        with snippet_world(folder / "served") as world, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=arguments())
            found = measure(world, browser, options.visits)
            heading = f"`python -m bench.visible` on {machine.cores} cores, Chromium {browser.version}, SQLite."
            browser.close()
    table = markdown(heading, found)
    print(table)
    if options.write is not None:
        write(options.write, table, BEGIN, END)
    return exit_code(gates(found))


if __name__ == "__main__":
    sys.exit(main())
