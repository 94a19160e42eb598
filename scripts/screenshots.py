"""Writes docs/images/*.png from the sample stories: .venv/bin/python -m scripts.screenshots

A real server, a real Chromium, the data of `productfruits replay --sample` and the samples of the content page; run it
after changing how pages look.
"""

import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser import chromium
from tests.served import serve

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
#: As a reader's server would be reached; nothing is ever sent there.
PUBLIC_URL = "https://onboarding.example.com"
EMAIL = "ada@example.com"
PASSWORD = "a sentence for the pictures"
SIZE: ViewportSize = {"width": 1240, "height": 860}
#: The form of a tour has its preview beside it.
WIDE: ViewportSize = {"width": 1480, "height": 1000}
#: Of the samples in productfruits/adoption/starters.
TOUR, TOUR_BUTTON, TOUR_STEP = "First steps", "Show me", "Everything begins here"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), PUBLIC_URL=PUBLIC_URL) as served,
        sync_playwright() as playwright,
    ):
        key = served.cli_json("workspace", "create", "Tidewater")["workspace"]
        served.cli("admin", "create", EMAIL, "--password-stdin", given=PASSWORD)
        made = served.cli_json("segment", "activate", "--workspace", key)
        served.cli("replay", "--sample", "--workspace", key)
        _send_unsigned(served.url + urlsplit(made["webhook_url"]).path)
        people = served.cli_json("users", "list", "--workspace", key)["users"]
        user_id = max(people, key=lambda user: len(user["aliases"]))["id"]
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.arguments())
        for run, scheme in enumerate(SCHEMES, start=1):
            context = browser.new_context(color_scheme=scheme, viewport=SIZE, device_scale_factor=2)
            page = context.new_page()
            _log_in(page, served.url)
            _take_store(page, f"{served.url}/w/{key}/", user_id, scheme)
            _take_content(page, f"{served.url}/w/{key}/content", f"{served.url}/demo/{key}/?run={run}", scheme)
            context.close()
        browser.close()


def _log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/w/**")


def _take_store(page: Page, workspace: str, user_id: str, scheme: str) -> None:
    page.goto(f"{workspace}settings/segment", wait_until="networkidle")
    _shoot(page, f"segment-settings-{scheme}")
    page.goto(f"{workspace}users/{user_id}", wait_until="networkidle")
    _shoot(page, f"user-{scheme}")


def _take_content(page: Page, content: str, demo: str, scheme: str) -> None:
    """The second step of the sample tour in the demo app, then the form in which that tour is written."""
    page.goto(content, wait_until="networkidle")
    add = page.get_by_role("button", name="Add the samples")
    if add.count():
        add.click()
        page.wait_for_load_state("networkidle")
    page.goto(demo)
    page.get_by_role("button", name=TOUR_BUTTON).click()
    page.get_by_role("heading", name=TOUR_STEP).wait_for()
    _shoot(page, f"tour-{scheme}")
    page.set_viewport_size(WIDE)
    page.goto(content, wait_until="networkidle")
    page.get_by_role("link", name=TOUR).click()
    page.wait_for_load_state("networkidle")
    page.locator("summary").filter(has_text=TOUR_STEP).click()
    page.frame_locator("iframe").get_by_role("button", name=TOUR_BUTTON).wait_for()
    _shoot(page, f"editor-{scheme}")


def _send_unsigned(webhook_url: str) -> None:
    """Something to be refused, since the page shows what was."""
    request = urllib.request.Request(webhook_url, b"{}", {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=20).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def _shoot(page: Page, name: str) -> None:
    page.evaluate("document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
