"""A running server with a workspace full of data, and a browser that is logged in, for the tests of the pages."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from productfruits.segment.signature import sign
from tests.browser import chromium
from tests.served import Served, serve

EMAIL = "ada@example.com"
PASSWORD = "a sentence for the tests"
#: Runs script where it is put into a page unescaped, whatever surrounds it.
BAIT = '"\'></textarea></title><img src=x onerror="window.__adv=1"><script>window.__adv=1</script>{{7*7}}'
MESSAGES: tuple[Mapping[str, Any], ...] = (
    {"type": "identify", "userId": "u-42", "traits": {"email": "grace@example.com", "name": "Grace Hopper"}},
    {"type": "identify", "userId": "u-43", "anonymousId": "anon-7", "traits": {"email": "grace@example.com"}},
    {"type": "track", "userId": "u-43", "event": "Report Exported", "properties": {"pages": 12}},
    {"type": "page", "userId": "u-42", "name": "Pricing", "properties": {"url": "https://acme.example/pricing"}},
    {"type": "group", "userId": "u-42", "groupId": "navy", "traits": {"name": "US Navy"}},
    {"type": "identify", "userId": "b-1", "traits": {"email": "alan@example.com", "name": "Alan Turing"}},
    {"type": "identify", "userId": "b-1", "traits": {"email": "grace@example.com"}},
    {"type": "track", "anonymousId": "anon-99", "event": "Viewed Landing Page"},
    {"type": "identify", "userId": BAIT, "traits": {BAIT: BAIT, "name": BAIT, "long": "word" * 200}},
    {"type": "track", "userId": BAIT, "event": BAIT[:200], "properties": {BAIT: [BAIT]}, "context": {BAIT: BAIT}},
    {"type": "group", "userId": BAIT, "groupId": BAIT, "traits": {"name": BAIT}},
    {"type": "alias", "userId": BAIT, "previousId": f"{BAIT} before"},
)


@dataclass(frozen=True, slots=True)
class Furnished:
    """`workspace` ends with a slash; `users` are the pages of the users by name."""

    served: Served
    workspace: str
    webhook_url: str
    secret: str

    def page_paths(self) -> list[str]:
        """Every page below the workspace, and the account's."""
        parts = ("", "users", "users?q=nobody-at-all", "conflicts", "conflicts?show=all", "settings/segment")
        more = ("settings/admins", "settings/api-keys", "settings/audit", "settings/workspace")
        sending = ("destinations", *(f"destinations/{part}" for part in ("new", "new?kind=generic", "import", "hooks")))
        code = ("functions", "functions/new", "functions/hooks", "functions/hooks/instances")
        paths = [f"{self.workspace}{part}" for part in parts + more + sending + code]
        return [*paths, *self.users(), "/account", "/workspaces"]

    def users(self) -> list[str]:
        key = self.workspace.split("/")[2]
        found = self.served.cli_json("users", "list", "--workspace", key)["users"]
        return [f"{self.workspace}users/{user['id']}" for user in found]

    def context(self, browser: Browser, **options: Any) -> BrowserContext:
        """A browser profile in which the owner is logged in."""
        context = browser.new_context(**options)
        page = context.new_page()
        log_in(page, self.served.url)
        page.close()
        return context


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/w/**")


def send(url: str, secret: str, message: Any) -> int:
    """Deliver a message signed as Segment does. The status of the answer."""
    body = json.dumps(message).encode()
    headers = {"Content-Type": "application/json", "X-Signature": sign(body, secret.encode())}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@contextmanager
def furnished(folder: Path) -> Iterator[Furnished]:
    """Start a server and fill it."""
    with serve(folder, FUNCTIONS="on") as served:
        key = served.cli_json("workspace", "create", "Acme production")["workspace"]
        served.cli("admin", "create", EMAIL, "--password-stdin", given=PASSWORD)
        made = served.cli_json("segment", "activate", "--workspace", key)
        # Nothing is sent there, so the page shows failures.
        hooks = {"hooks": {"name": BAIT[:100], "url": "http://127.0.0.1:9999/x", "filter": {"types": ["track"]}}}
        served.cli("destinations", "apply", "-", "--workspace", key, given=json.dumps({"destinations": hooks}))
        source = folder / "hooks.js"
        source.write_text(f"async function onTrack(event) {{}} // {BAIT}")
        served.cli("function", "deploy", str(source), "--name", "Hooks", "--workspace", key)
        url, secret = made["webhook_url"], made["webhook_secret"]
        for number, message in enumerate(MESSAGES):
            assert send(url, secret, {**message, "messageId": f"m{number}"}) == 200
        assert send(url, "whs_wrong", {"type": "track", "userId": "u-42", "event": "x"}) == 401
        yield Furnished(served, f"/w/{key}/", url, secret)


def launch_options() -> dict[str, Any]:
    return {"executable_path": chromium.find(), "args": chromium.arguments()}
