"""A running service and a customer's site on another origin, for the tests of the snippet.

The site is the stand-in of Segment's CDN, so its pages can load the released analytics.js; what that sends is recorded,
and `return_by_webhook` delivers it to the service as Segment would.
"""

import datetime as dt
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from playwright.sync_api import Page, Request

from productfruits.adoption import vocabulary
from productfruits.config import Settings
from productfruits.services import adoption_settings, api_keys, connections, workspaces
from productfruits.workers.runtime import Runtime, open_runtime
from tests.browser.furnished import send
from tests.clients.segment_cdn import SegmentCdn, bundled, classic, segment_cdn
from tests.served import Served, serve

WRITE_KEY = "SITE"
BODY = """<header><button id="menu">Menu</button><input id="search" aria-label="Search"></header>
<main><h1>Projects</h1><button id="create" data-tour="create">New project</button> <a id="team" href="/team">Team</a>
</main>"""
#: Counts the listeners that are added to what a page shares with us, and those that are taken away again.
COUNTING = """
const live = window.__live = new Map();
// What has been shared, also after it was taken out of the page.
const counted = new WeakSet();
const nameOf = (target) => target === window ? "window" : target === document ? "document" : target.nodeName;
const of = (target, type) => `${nameOf(target)} ${type}`;
const { addEventListener, removeEventListener } = EventTarget.prototype;
const shared = (target) => target === window || target === document || target instanceof Element && target.isConnected
  && target.getRootNode() === document;
EventTarget.prototype.addEventListener = function (type, heard, ...more) {
  if (shared(this)) live.set(of(this, type), (live.get(of(this, type)) ?? 0) + 1), counted.add(this);
  return addEventListener.call(this, type, heard, ...more);
};
EventTarget.prototype.removeEventListener = function (type, heard, ...more) {
  if (counted.has(this)) live.set(of(this, type), live.get(of(this, type)) - 1);
  return removeEventListener.call(this, type, heard, ...more);
};
const { pushState } = history;
window.__untouched = () => history.pushState === pushState;
"""

Analytics = Literal["classic", "bundled"] | None


@dataclass
class SnippetWorld:
    served: Served
    cdn: SegmentCdn
    workspace: str
    webhook_url: str
    secret: str
    api_key: str
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What the HTTP API answers."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.served.url}/api/v1{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def publish(self, kind: str, document: Mapping[str, Any]) -> str:
        """Make and publish a tour or checklist, and wait until pages get it. Its key."""
        key = f"{kind}-{next(self._numbers)}"
        self.api("POST", f"/{kind}s", {"key": key, "name": key, **document})
        self.api("POST", f"/{kind}s/{key}/publish")
        # A server remembers a workspace for up to a second.
        assert until(lambda: key in [each["key"] for each in self.content(debug="1")["why"]], True)
        return key

    def content(self, **asked: str) -> Any:
        """What the service answers to a page of somebody."""
        query = urlencode({"workspace": self.workspace, **asked})
        with urllib.request.urlopen(f"{self.served.url}/browser/v1/content?{query}", timeout=20) as answer:
            return json.loads(answer.read())

    def rename(self, names: Mapping[str, str | None]) -> None:
        """Give our events these names for Segment, None: switched off."""
        with beside(self.served.data_dir) as runtime, runtime.writing() as session:
            adoption_settings.change(session, workspaces.by_key(session, self.workspace).id, event_names=names)
        wanted = {raw: names.get(raw, event.name) for raw, event in vocabulary.EVENTS.items()}
        assert until(lambda: self.content()["settings"]["event_names"], wanted) == wanted

    def user(self, **traits: Any) -> str:
        """A user whom the store knows from a webhook."""
        name = f"user-{next(self._numbers)}"
        self.webhook({"type": "identify", "userId": name, "traits": traits})
        return name

    def webhook(self, message: Mapping[str, Any]) -> None:
        number = next(self._numbers)
        assert send(self.webhook_url, self.secret, {"messageId": f"hook-{number}", **message}) == 200

    def site(
        self,
        *,
        analytics: Analytics = None,
        user: str | None = None,
        init: Mapping[str, Any] | None = None,
        head: str = "",
        body: str = BODY,
        attributes: str = "",
        script: str = "",
        nonce: str = "",
    ) -> str:
        """The address of a new page of the customer with the script tag.

        `user` is identified to analytics.js, `init` is said to the snippet itself, `script` runs before the tag.
        """
        number = next(self._numbers)
        if init is not None:
            # As Product Fruits' own loader queues it.
            call = json.dumps(["init", self.workspace, "en", dict(init)]).replace("<", "\\u003c")
            script = f"window.$productFruits = window.$productFruits || []; $productFruits.push({call});{script}"
        source = f'src="{self.served.url}/snippet.js" data-workspace="{self.workspace}"'
        tag = f'<script async nonce="{nonce}" {source} {attributes}></script>'
        said = f"analytics.identify({json.dumps(user)});" if user else ""
        inside = f'{head}{body}<script nonce="{nonce}">{said}{script}</script>{tag}'
        events = f"{self.cdn.host}/v1"
        if analytics == "classic":
            # The queue is asked to load before the tag, as in Segment's snippet.
            html = classic(self.cdn.url, WRITE_KEY, events, body=inside)
        elif analytics == "bundled":
            html = bundled(self.cdn.url, self.cdn.url, WRITE_KEY, events, body=inside)
        else:
            html = f"<!doctype html><title>Site</title>{inside}"
        path = f"/site-{number}"
        self.cdn.pages[path] = html.replace("<!doctype html>", '<!doctype html><html lang="en"><meta charset="utf-8">')
        return f"{self.cdn.url}{path}"

    def sent(self, user: str) -> list[dict[str, Any]]:
        """Our events of a user that reached Segment, in the order in which they happened."""
        ours = [event for event in self.tracked(user) if event["properties"].get("source") == "productfruits"]
        # Each is a request of its own, so the order of arrival says nothing; their ids begin with the time.
        return sorted(ours, key=lambda event: str(event["messageId"]))

    def tracked(self, user: str) -> list[dict[str, Any]]:
        """All track calls of a user that reached Segment, as they arrived."""
        return [event for event in self.cdn.events if event.get("type") == "track" and event.get("userId") == user]

    def return_by_webhook(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Deliver what Segment got, as its webhook destination does."""
        for event in events:
            assert send(self.webhook_url, self.secret, event) == 200

    def events(self, username: str) -> list[dict[str, Any]]:
        """What the store holds of a user, the oldest first."""
        users = self.api("GET", f"/users?username={quote(username)}")["users"]
        if not users:
            return []
        found = self.api("GET", f"/users/{users[0]['id']}/events?limit=200")["events"]
        return list(reversed(found))

    def adoption_events(self, username: str) -> list[str]:
        """Raw names of the adoption events in the store, in the order in which they happened."""
        events = [event for event in self.events(username) if event["properties"].get("source") == "productfruits"]
        return [event["properties"]["raw_name"] for event in sorted(events, key=lambda event: event["message_id"])]


@contextmanager
def beside(folder: Path) -> Iterator[Runtime]:
    """The store of a running server, as the commands open it, without a process for each of them."""
    runtime = open_runtime(Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'productfruits.db'}"))
    try:
        yield runtime
    finally:
        runtime.close()


@contextmanager
def snippet_world(folder: Path) -> Iterator[SnippetWorld]:
    now = dt.datetime.now(dt.UTC)
    with serve(folder) as served, segment_cdn() as cdn:
        with beside(folder) as runtime, runtime.writing() as session:
            workspace = workspaces.create(session, "Site", now)
            made = connections.activate(session, workspace, now, runtime.vault)
            api_key = api_keys.create(session, workspace, "tests", now).key
            url = connections.webhook_url(served.url, made.webhook_token)
            world = SnippetWorld(served, cdn, workspace.key, url, made.webhook_secret, api_key)
        yield world


def until(ask: Callable[[], Any], wanted: Any, seconds: float = 10) -> Any:
    """Ask until the answer is the wanted one; what it is at last, for the assertion."""
    deadline = time.monotonic() + seconds
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def on_its_way(page: Page) -> Callable[[], int]:
    """From now on: how many requests of the page have no answer yet.

    Close a page only when there are none, unless the test is about that: its last beacon races whatever the test does
    next, and Segment's library sends in the next page again, under the same messageId, what had no answer in this one.
    """
    waiting: set[Request] = set()
    page.on("request", lambda request: waiting.add(request))
    page.on("requestfinished", lambda request: waiting.discard(request))
    page.on("requestfailed", lambda request: waiting.discard(request))

    def number() -> int:
        # Playwright hears of requests only while it is asked something.
        page.evaluate("1")
        return len(waiting)

    return number


def raw_names(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["properties"]["raw_name"] for event in events]


def card(page: Page) -> Any:
    """The tour's card that shows."""
    return page.locator("product-fruits").get_by_role("dialog")
