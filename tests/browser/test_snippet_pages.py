"""The snippet in pages that are hostile, strict, broken, or used with the keyboard, and what it leaves there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.furnished import BAIT
from tests.browser.snippet_content import BACK, FINISH, NEXT, button, checklist, for_user, item, modal, tooltip, tour
from tests.browser.snippet_world import BODY, COUNTING, SnippetWorld, card, until

HOSTILE_CSS = """
* { letter-spacing: 3px !important; box-sizing: content-box !important; visibility: inherit; direction: inherit }
button { background: red !important; font-size: 40px !important }
div, h2, p { color: lime !important; margin: 30px !important }
product-fruits { display: none !important; opacity: 0 !important; position: static !important; transform: scale(3) }
"""


def test_neither_css_nor_csp_nor_bait_of_a_page_harm_it_or_are_harmed(
    world: SnippetWorld, page: Page, axe: Callable[..., list[str]]
) -> None:
    user = world.user()
    body = f"Hi **{{{{firstName|there}}}}**, <img src=x onerror=window.__adv=1> {BAIT}"
    steps = (modal("one", button(BAIT[:80]), title=BAIT, body=body, backdrop=True), tooltip("two", "#create", FINISH))
    world.publish("tour", tour(*steps, targeting=for_user(user)))
    policy = (
        f"default-src 'none'; script-src 'nonce-abc' 'strict-dynamic'; style-src 'nonce-abc'; "
        f"connect-src {world.served.url}; img-src 'self'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types productfruits"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style nonce="abc">{HOSTILE_CSS}</style>'

    def poison(route: Route) -> None:
        """As if the service itself were taken over: what the browser builds is still only what is allowed."""
        answer = route.fetch()
        content = answer.json()
        for step in content["contents"][0]["steps"]:
            step["html"] += (
                "<script>window.__adv=1</script><img src=x onerror=window.__adv=1><svg onload=window.__adv=1></svg>"
                "<a href=javascript:window.__adv=1 onclick=window.__adv=1>js</a><a href=' /\\evil.example'>slash</a>"
                "<iframe srcdoc='<script>parent.__adv=1</script>'></iframe><p style='color:red' id=title>styled</p>"
            )
        route.fulfill(response=answer, body=json.dumps(content))

    def is_harmless() -> None:
        # A trait that nobody has and that has no fallback is nothing; what a trait says is not filled in once more.
        expect(card(page)).to_contain_text(BAIT.removesuffix("{{7*7}}"))
        expect(card(page).locator("strong")).to_have_text(BAIT)
        assert card(page).locator("script, img, svg[onload], iframe, [style*=red], [onclick], a[href]").count() == 0
        assert page.evaluate("window.__adv") is None

    said = {"username": user, "firstname": BAIT}
    page.route("**/browser/v1/content*", poison)
    page.goto(world.site(init=said))
    is_harmless()
    expect(card(page)).to_contain_text("styled")
    page.unroute("**/browser/v1/content*")
    page.goto(world.site(init=said, head=head, nonce="abc"))
    is_harmless()
    style = (
        card(page)
        .get_by_role("button")
        .first.evaluate(
            "button => (({fontSize, letterSpacing, backgroundColor}) => [fontSize, letterSpacing, backgroundColor])"
            "(getComputedStyle(button))"
        )
    )
    assert style == ["14px", "normal", "rgb(79, 70, 229)"]
    assert card(page).evaluate("card => getComputedStyle(card.querySelector('h2')).color") == "rgb(31, 41, 55)"
    assert axe(page) == []
    card(page).get_by_role("button").first.click()
    expect(card(page)).to_contain_text("Two")
    assert axe(page) == []
    # One element beside <body>, nothing in it.
    assert page.evaluate("[...document.documentElement.children].map(each => each.localName)") == [
        "head",
        "body",
        "product-fruits",
    ]


def test_it_works_in_a_page_that_has_changed_what_all_share_and_leaves_it_as_it_was(
    world: SnippetWorld, page: Page
) -> None:
    user = world.user()
    world.publish("tour", tour(tooltip("one", "#create", FINISH, backdrop=True), targeting=for_user(user)))
    world.publish("checklist", checklist(item("a", "api"), targeting=for_user(user)))
    hostile = """
    Object.prototype.polluted = "yes"; Array.prototype.last = function () {};
    const { fetch, JSON: { stringify } } = window;
    window.fetch = function (...given) { return fetch.apply(this, given); };
    JSON.stringify = function (...given) { return stringify.apply(this, given); };
    window.productFruits = { scrV: "2" };
    window.addEventListener("message", () => { throw new Error("theirs"); });
    """
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    clobbering = '<form id="analytics"><input name="track"></form><a id="productFruitsReady"></a>'
    init = f"window.$openProductFruits = [['init', '', 'en', {json.dumps({'username': user})}]];"
    page.add_init_script(COUNTING)
    page.goto(world.site(script=hostile + init, body=BODY + clobbering))
    before = {"window message": 1}
    expect(card(page)).to_contain_text("One")
    # The vendor's object stays the vendor's; ours says so once.
    assert page.evaluate("productFruits.scrV") == "2"
    assert len(warnings) == 1
    assert "openProductFruits" in warnings[0]
    assert page.evaluate("openProductFruits.api.tours.getTours()[0].isRunning") is True
    assert not page.evaluate("__untouched()")

    page.evaluate("openProductFruits.destroy()")
    expect(page.locator("product-fruits")).to_have_count(0)
    left = page.evaluate("Object.fromEntries([...__live].filter(([, count]) => count !== 0))")
    assert left == before
    assert page.evaluate("__untouched() && !document.body.inert && typeof openProductFruits") == "undefined"
    page.evaluate("history.pushState({}, '', '#elsewhere')")
    assert len(warnings) == 1


def test_a_tour_can_be_gone_through_with_the_keyboard_alone(
    world: SnippetWorld, page: Page, axe: Callable[..., list[str]]
) -> None:
    user = world.user()
    world.publish(
        "tour",
        tour(
            modal("one", button("Later", "dismiss", "link"), NEXT, backdrop=True, body="[Help](https://example.com)"),
            tooltip("two", "#create", BACK, NEXT, backdrop=True, advance={"on": "click"}),
            tooltip("three", "#menu", FINISH),
            targeting=for_user(user),
        ),
    )
    focused = "(function deep(at) { return at.shadowRoot?.activeElement ? deep(at.shadowRoot.activeElement) : at; })"
    name = f"{focused}(document.activeElement).textContent.trim() || {focused}(document.activeElement).ariaLabel"
    page.goto(world.site(script="document.querySelector('#menu').focus();", attributes="", init={"username": user}))
    expect(card(page)).to_have_attribute("aria-modal", "true")
    assert until(lambda: page.evaluate(name), "Next") == "Next"
    assert page.evaluate("document.body.inert") is True
    ring = []
    for _ in range(5):
        page.keyboard.press("Tab")
        ring.append(page.evaluate(name))
    assert ring == ["Close", "Help", "Later", "Next", "Close"]

    page.keyboard.press("ArrowRight")
    expect(card(page)).to_have_accessible_name("Two")
    expect(page.locator("product-fruits").get_by_role("status")).to_have_text("Step 2 of 3: Two")
    assert until(lambda: page.evaluate(name), "Next") == "Next"
    # The element that has to be pressed comes after the card, though it stands elsewhere in the page.
    ring = []
    for _ in range(4):
        page.keyboard.press("Tab")
        ring.append(page.evaluate(name))
    assert ring == ["Close", "New project", "Back", "Next"]
    page.keyboard.press("ArrowLeft")
    expect(card(page)).to_have_accessible_name("One")
    page.keyboard.press("ArrowRight")
    page.locator("#create").press("Enter")
    expect(card(page)).to_have_accessible_name("Three")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)
    assert page.evaluate("document.activeElement.id") != ""
    wanted = "tour_dismissed"
    assert until(lambda: world.adoption_events(user)[-1:], [wanted]) == [wanted]


@pytest.mark.parametrize(("scheme", "width", "direction"), [("dark", 1280, "ltr"), ("light", 390, "rtl")])
def test_cards_and_checklists_are_legible_and_fit(
    world: SnippetWorld, browser: Browser, axe: Callable[..., list[str]], scheme: Any, width: int, direction: str
) -> None:
    user = world.user()
    world.api("POST", "/themes", {"key": f"theme-{user}", "name": "Auto", "mode": "auto"})
    look = {"theme": f"theme-{user}", "targeting": for_user(user)}
    world.publish("tour", tour(tooltip("one", "#create", BACK, FINISH, body="Text. " * 60), **look))
    world.publish("checklist", checklist(item("a", body="More"), item("b", "api"), order="ordered", **look))
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 500})
    page = context.new_page()
    script = f"document.documentElement.dir = {json.dumps(direction)};"
    page.goto(world.site(init={"username": user}, script=script))
    expect(card(page)).to_contain_text("One")

    def fits(surface: Any) -> None:
        box = surface.bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 500
        assert axe(page) == []

    fits(card(page))
    assert card(page).evaluate("card => getComputedStyle(card).direction") == direction
    card(page).get_by_role("button", name="Finish").click()
    fits(page.get_by_role("button", name="Get going"))
    page.get_by_role("button", name="Get going").click()
    page.locator("product-fruits").get_by_role("button", name="A", exact=True).click()
    fits(page.locator("product-fruits #panel"))
    context.close()
