"""Writes docs/images/*.png from the sample stories: .venv/bin/python -m scripts.screenshots

A real server, a real Chromium, the data of `productfruits replay --sample`; run it after changing how pages look.
"""

import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.served import Served, serve

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
#: As a reader's server would be reached; nothing is ever sent there.
PUBLIC_URL = "https://onboarding.example.com"
EMAIL = "ada@example.com"
PASSWORD = "a sentence for the pictures"
SIZE = {"width": 1240, "height": 860}
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
        for scheme in SCHEMES:
            _take(browser, served, f"{served.url}/w/{key}/", user_id, scheme)
        browser.close()


def _take(browser: Browser, served: Served, workspace: str, user_id: str, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme, viewport=SIZE, device_scale_factor=2)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{served.url}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/w/**")
    _shoot(page, f"{workspace}settings/segment", f"segment-settings-{scheme}")
    _shoot(page, f"{workspace}users/{user_id}", f"user-{scheme}")
    context.close()


def _send_unsigned(webhook_url: str) -> None:
    """Something to be refused, since the page shows what was."""
    request = urllib.request.Request(webhook_url, b"{}", {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=20).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def _shoot(page: Page, address: str, name: str) -> None:
    page.goto(address, wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
