"""A real Chromium. A page fails its test when a script throws, the CSP blocks something or another host is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from tests.browser import chromium
from tests.browser.snippet_world import SnippetWorld, snippet_world

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
#: Put into words in the page: all that axe has found out of a page is megabytes.
VIOLATIONS = """async (only) => {
  const { violations } = await axe.run(document, {
    iframes: false,
    resultTypes: ["violations"],
    ...(only.length ? { runOnly: only } : {}),
  });
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${impact}): ${target} ${failureSummary}`));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: Playwright keeps an event loop running in this thread, and other tests run their own.
    path = chromium.find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.arguments())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile, desktop size, light."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    # Copy buttons write to the clipboard; a headless browser would ask and wait.
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            wrong.append(f"blocked: {message.text}")

    def threw(error: Error) -> None:
        wrong.append(f"script error: {error}")

    def asked(request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host not in (None, "127.0.0.1", "localhost"):
            wrong.append(f"asked another host: {request.url}")

    page.on("console", console)
    page.on("pageerror", threw)
    context.on("request", asked)
    yield page
    context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnippetWorld]:
    """One service and one site for all tests of the snippet; each has users of its own."""
    with snippet_world(tmp_path_factory.mktemp("snippet") / "served") as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """Checks a page for accessibility: axe(page) returns one line for each violation, so `assert axe(page) == []`.

    Names of rules after the page: only these.
    """
    source = AXE.read_text()

    def check(page: Page, *only: str) -> list[str]:
        # evaluate() is no script of the page, so its Content-Security-Policy does not apply.
        page.evaluate(source)
        found: list[str] = page.evaluate(VIOLATIONS, list(only))
        return found

    return check
