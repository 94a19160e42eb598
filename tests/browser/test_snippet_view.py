"""The second file of the snippet, all that draws: when it is fetched, what happens without it, where it puts cards."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.snippet_content import FINISH, checklist, for_user, item, modal, tooltip, tour
from tests.browser.snippet_world import SnippetWorld, card, until

FILE = "**/snippet-view.js*"
NAVIGATE = "history.pushState({}, '', '#elsewhere')"


def fetches(page: Page) -> list[str]:
    """The addresses under which the page asks for the file from now on."""
    found: list[str] = []

    def asked(request: Request) -> None:
        if "/snippet-view.js" in request.url:
            found.append(request.url)

    page.on("request", asked)
    return found


def test_it_is_fetched_once_and_only_where_something_shows(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    asked = fetches(page)
    first = world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user), start="manual"))
    address = world.site(init={"username": user})
    page.goto(address)
    page.wait_for_function("window.productFruitsIsReady")
    page.evaluate(NAVIGATE)
    page.wait_for_load_state("networkidle")
    assert asked == []
    assert page.evaluate(f"productFruits.api.tours.tryStartTour('{first}')") is True
    expect(card(page)).to_have_accessible_name("One")
    world.publish("checklist", checklist(item("a", "api"), targeting=for_user(user), open=True))
    card(page).get_by_role("button", name="Finish").click()
    page.evaluate(NAVIGATE.replace("else", "new"))
    expect(page.locator("product-fruits #panel")).to_contain_text("0 of 1 done")
    assert len(asked) == 1
    # Under this address it never changes, so another page of the same browser asks nobody.
    answer = page.request.get(asked[0])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "policy",
    [
        "script-src 'nonce-abc'; style-src 'nonce-abc'; connect-src {host}",
        "script-src {host}; style-src 'none'; connect-src {host}",
        # Titles and buttons are all there; of the text its markup is lost.
        "script-src 'nonce-abc'; connect-src {host}; require-trusted-types-for 'script'; trusted-types 'none'",
    ],
    ids=["nonce", "host", "no-trusted-types"],
)
def test_what_lets_the_first_file_run_lets_the_second(world: SnippetWorld, page: Page, policy: str) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH, body="Some **bold** text"), targeting=for_user(user)))
    allowed = f"default-src 'none'; {policy.format(host=world.served.url)}"
    head = f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
    page.goto(world.site(head=head, nonce="abc" if "nonce" in policy else ""))
    page.wait_for_function("window.productFruits")
    page.evaluate("(username) => productFruits.identify({ username })", user)
    expect(card(page)).to_have_accessible_name("One")
    expect(card(page)).to_contain_text("Some bold text")
    card(page).get_by_role("button", name="Finish").click()
    expect(card(page)).to_have_count(0)


def test_while_it_does_not_come_nothing_is_told_and_then_all_is_shown(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    page.route(FILE, lambda route: route.abort(), times=2)
    asked = fetches(page)
    page.goto(world.site(init={"username": user}))
    assert until(lambda: _number_of(page, asked), 2) == 2
    expect(page.locator("product-fruits")).to_have_count(0)
    assert page.evaluate("productFruits.api.tours.getTours()[0].isRunning") is False
    assert world.adoption_events(user) == []
    # By itself, as it asks for everything else that does not come.
    expect(card(page)).to_have_accessible_name("One", timeout=10_000)
    assert len(asked) == 3


def test_a_file_of_another_version_is_left_alone(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    newer = 'export const build = "another"; export const openStage = () => { window.__used = true; };'
    headers = {"Access-Control-Allow-Origin": "*"}
    page.route(FILE, lambda route: route.fulfill(body=newer, content_type="text/javascript", headers=headers))
    with page.expect_response(re.compile("/snippet-view.js")):
        page.goto(world.site(init={"username": user}))
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.__used") is None
    assert world.adoption_events(user) == []


@pytest.mark.parametrize("way", ["productFruits.destroy()", "productFruits.consent(false)", "productFruits.reset()"])
def test_whoever_goes_before_it_comes_sees_nothing(world: SnippetWorld, page: Page, way: str) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    held: list[Route] = []
    page.route(FILE, lambda route: held.append(route))
    page.goto(world.site(init={"username": user}))
    assert until(lambda: _number_of(page, held), 1) == 1
    page.evaluate(way)
    with page.expect_event("requestfinished", lambda request: "/snippet-view.js" in request.url):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    expect(page.locator("product-fruits")).to_have_count(0)
    assert world.adoption_events(user) == []


def test_a_tour_that_the_page_starts_meanwhile_shows_when_it_comes(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    steps = (modal("one"), modal("two", FINISH))
    key = world.publish("tour", tour(*steps, targeting=for_user(user), start="manual"))
    held: list[Route] = []
    page.route(FILE, lambda route: held.append(route))
    page.goto(world.site(init={"username": user}))
    page.wait_for_function("window.productFruitsIsReady")
    tours = "productFruits.api.tours"
    assert page.evaluate(f"{tours}.tryStartTour('{key}')") is True
    assert page.evaluate(f"{tours}.advanceToNextStep('{key}')") is True
    assert until(lambda: _number_of(page, held), 1) == 1
    held[0].continue_()
    expect(card(page)).to_have_accessible_name("Two")
    expect(card(page)).to_have_count(1)


def _number_of(page: Page, found: list[Any]) -> int:
    # Playwright hears of requests only while it is asked something.
    page.evaluate("1")
    return len(found)


#: An element in the middle of the window, and others at its edges.
PLACES = """<style>i { position: fixed; width: 80px; height: 20px; background: gray }</style>
<i id="middle" style="left: 600px; top: 390px"></i><i id="top" style="left: 600px; top: 4px"></i>
<i id="bottom" style="left: 600px; bottom: 4px"></i><i id="left" style="left: 4px; top: 390px"></i>
<i id="right" style="right: 4px; top: 390px"></i><i id="corner" style="right: 4px; bottom: 4px"></i>"""
BOXES = """(id) => {
  const [target, card, tip] = [document.getElementById(id), ...document.querySelector("product-fruits").shadowRoot
    .querySelectorAll(".card, .arrow")].map((each) => each.getBoundingClientRect());
  const side = card.bottom <= target.top ? "top" : card.top >= target.bottom ? "bottom"
    : card.right <= target.left ? "left" : card.left >= target.right ? "right" : "over";
  const inside = card.left >= 0 && card.top >= 0 && card.right <= innerWidth && card.bottom <= innerHeight;
  const [x, y] = [tip.left + tip.width / 2, tip.top + tip.height / 2];
  const above = x > target.left && x < target.right;
  const beside = y > target.top && y < target.bottom;
  const points = side === "top" || side === "bottom" ? above : beside;
  return { side, inside, points };
}"""


@pytest.mark.parametrize(
    ("element", "wanted", "side"),
    [
        *(("middle", side, side) for side in ("top", "bottom", "left", "right")),
        ("middle", "auto", "bottom"),
        ("middle", "top-start", "top"),
        ("middle", "left-end", "left"),
        # Without room on the wanted side on the opposite one, without room there on any other.
        ("top", "top", "bottom"),
        ("bottom", "auto", "top"),
        ("left", "left", "right"),
        ("right", "right-start", "left"),
        ("corner", "bottom-end", "top"),
    ],
)
def test_a_card_stands_on_the_wanted_side_or_where_there_is_room_and_points_at_its_element(
    world: SnippetWorld, page: Page, element: str, wanted: str, side: str
) -> None:
    user = world.user()
    step = tooltip("one", f"#{element}", FINISH, placement=wanted)
    world.publish("tour", tour(step, targeting=for_user(user)))
    page.goto(world.site(init={"username": user}, body=PLACES))
    expect(card(page)).to_have_accessible_name("One")
    assert page.evaluate(BOXES, element) == {"side": side, "inside": True, "points": True}


SCROLLER = """<div id="box" style="height: 300px; width: 500px; margin: 250px auto 0; overflow: auto">
<div style="height: 2000px; padding-top: 120px"><button id="inner">Here</button></div></div>"""
FOLDED = """<dialog id="box" style="transform: translate(40px, 60px); width: 500px; height: 400px; margin: 50px">
<button id="inner" style="margin: 100px 220px">Here</button></dialog>"""


#: Of the card from its element, of their middles, and of the ring around the element.
DISTANCE = """() => {
  const root = document.querySelector("product-fruits").shadowRoot;
  const [card, ring, target] = [root.querySelector(".card"), root.querySelector(".ring"), inner]
    .map((each) => each.getBoundingClientRect());
  const middle = ({ left, width }) => left + width / 2;
  const all = [card.top - target.bottom, middle(card) - middle(target), target.left - ring.left, target.top - ring.top];
  return all.map(Math.round);
}"""


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (SCROLLER, "box.scrollTop = 60"),
        (SCROLLER, "box.style.marginTop = '180px'"),
        (FOLDED, "box.style.transform = 'translate(200px, 90px)'"),
    ],
    ids=["scrolled", "moved", "transformed"],
)
def test_a_card_stays_with_an_element_that_moves(world: SnippetWorld, page: Page, body: str, change: str) -> None:
    user = world.user()
    world.publish("tour", tour(tooltip("one", "#inner", FINISH), targeting=for_user(user)))
    page.goto(world.site(init={"username": user}, body=body, script="document.querySelector('dialog')?.showModal();"))
    expect(card(page)).to_have_accessible_name("One")

    def distance() -> list[int]:
        found: list[int] = page.evaluate(DISTANCE)
        return found

    beside = [14, 0, 6, 6]
    assert until(distance, beside) == beside
    before = page.evaluate("inner.getBoundingClientRect().top")
    page.evaluate(change)
    assert page.evaluate("inner.getBoundingClientRect().top") != before
    assert until(distance, beside) == beside
