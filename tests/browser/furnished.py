"""A running server with a workspace full of data, and a browser that is logged in, for the tests of the pages."""

import contextlib
import datetime as dt
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from productfruits.adoption import documents
from productfruits.config import Settings
from productfruits.segment.signature import sign
from productfruits.services import (
    audiences,
    contents,
    function_instances,
    functions,
    objects,
    starters,
    themes,
    workspaces,
)
from productfruits.workers.runtime import open_runtime
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
    """`workspace` ends with a slash; `users` are the pages of the users."""

    served: Served
    workspace: str
    webhook_url: str
    secret: str
    users: tuple[str, ...]

    def page_paths(self) -> list[str]:
        """Every page below the workspace, and the account's."""
        parts = ("", "users", "users?q=nobody-at-all", "conflicts", "conflicts?show=all", "settings/segment")
        more = ("settings/admins", "settings/api-keys", "settings/audit", "settings/workspace")
        sending = ("destinations", *(f"destinations/{part}" for part in ("new", "new?kind=generic", "import", "hooks")))
        code = (
            "functions",
            "functions/new",
            "functions/hooks",
            "functions/hooks/instances",
            "functions/hooks/instances/1",
            "objects/shoes",
        )
        content = (
            "content",
            "content?status=archived",
            *(f"content/{key}" for key in ("hi", "first-steps", "getting-started")),
        )
        adoption = ("content/hi/numbers", "audiences", "audiences/grace", "settings/themes", "settings/themes/house")
        settings = ("settings/snippet", "settings/segment/event-names")
        paths = [f"{self.workspace}{part}" for part in parts + more + sending + code + content + adoption + settings]
        return [*paths, *self.users, f"{self.users[0]}/content", "/account", "/workspaces"]

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
        _write_content(folder, key)
        found = served.cli_json("users", "list", "--workspace", key)["users"]
        users = tuple(f"/w/{key}/users/{user['id']}" for user in found)
        yield Furnished(served, f"/w/{key}/", url, secret, users)


def _write_content(folder: Path, workspace_key: str) -> None:
    """The samples, a draft that says hostile things everywhere, an audience and a theme."""
    now = dt.datetime.now(dt.UTC)
    steps = [
        {
            "id": "hi",
            "kind": "modal",
            "title": BAIT,
            "body": BAIT,
            "buttons": [{"id": "on", "label": BAIT[:60], "action": {"do": "next"}}],
        },
        {"id": "menu", "kind": "tooltip", "title": "Menu", "target": {"selector": "#menu"}},
    ]
    rule = {"any": [{"kind": "trait", "name": "plan", "op": "is", "value": BAIT}, {"kind": "audience", "key": "grace"}]}
    tour = {"key": "hi", "name": BAIT, "steps": steps, "targeting": rule, "translations": {"de": {"steps": []}}}
    named = {"kind": "computed", "name": "email", "op": "is", "value": "grace@example.com"}
    runtime = open_runtime(Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'productfruits.db'}"))
    with contextlib.closing(runtime), runtime.writing() as session:
        workspace_id = workspaces.by_key(session, workspace_key).id
        starters.add(session, workspace_id, actor=EMAIL, now=now)
        audiences.create(session, workspace_id, "grace", BAIT, named, now)
        contents.create(session, workspace_id, "tour", documents.load("tour", tour), now)
        themes.create(session, workspace_id, documents.load("theme", {"key": "house", "name": BAIT}), now)
        function = functions.by_key(session, workspace_id, "hooks")
        function_instances.connect(session, function, BAIT[:60], {"apiKey": "sk-1"}, now, runtime.vault)
        objects.put(session, workspace_id, [{"collection": "shoes", "id": BAIT, "properties": {BAIT: BAIT}}], now)


def launch_options() -> dict[str, Any]:
    return {"executable_path": chromium.find(), "args": chromium.arguments()}
