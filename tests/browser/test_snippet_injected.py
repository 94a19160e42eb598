"""A checklist inside an element of the page: in step with the floating one, and gone without a trace."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.snippet_content import checklist, for_user, item
from tests.browser.snippet_world import BODY, COUNTING, SnippetWorld, until

#: Beside what the site has: where the page wants its checklist, under styles of its own.
HOME = f"{BODY}<style>#home * {{ display: none !important }}</style><div id=home style='width: 300px'></div>"
CHECKLISTS = "productFruits.api.checklists"
FOCUSED = "(function deep(at) { return at.shadowRoot?.activeElement ? deep(at.shadowRoot.activeElement) : at; })"


def inject(page: Page, key: str, options: str = "{}") -> None:
    # A function that an expression comes to would be called.
    inject = f"{CHECKLISTS}.injectToElement('{key}', document.querySelector('#home'), {options})"
    page.evaluate(f"void (window.undo = {inject})")


def inside(page: Page) -> Any:
    return page.locator("#home product-fruits #panel")


def outside(page: Page) -> Any:
    return page.locator("html > product-fruits section")


def listeners(page: Page) -> Any:
    return page.evaluate("Object.fromEntries([...__live].filter(([, count]) => count !== 0))")


def open_site(world: SnippetWorld, page: Page, user: str) -> None:
    page.goto(world.site(init={"username": user}, body=HOME))
    page.wait_for_function("window.productFruitsIsReady")


@pytest.mark.parametrize("is_open", [True, False])
def test_it_takes_the_place_of_the_floating_one_goes_on_with_it_and_tells_each_event_once(
    world: SnippetWorld, page: Page, axe: Callable[..., list[str]], is_open: bool
) -> None:
    user = world.user()
    document = checklist(item("a"), item("b", "api"), item("c"), targeting=for_user(user), open=is_open)
    key = world.publish("checklist", document)
    open_site(world, page, user)
    expect(outside(page)).to_have_count(1)
    inject(page, key)
    expect(inside(page)).to_contain_text("0 of 3 done")
    expect(outside(page)).to_have_count(0)
    box, home = inside(page).bounding_box(), page.locator("#home").bounding_box()
    assert box is not None
    assert home is not None
    # It stands in the page's own flow, as wide as its place.
    assert (box["x"], box["width"], round(home["height"])) == (home["x"], home["width"], round(box["height"]))
    expect(page.locator("#home #launcher")).to_have_count(0)
    expect(inside(page).get_by_role("button", name="Close")).to_have_count(0)
    assert axe(page) == []

    # By keyboard; the focus stays where it is, and there is nothing that Escape could fold.
    inside(page).get_by_role("button", name="A", exact=True).focus()
    page.keyboard.press("Enter")
    expect(inside(page)).to_contain_text("1 of 3 done")
    expect(page.locator("#home product-fruits").get_by_role("status")).to_have_text("1 of 3 done")
    page.keyboard.press("Escape")
    expect(inside(page)).to_contain_text("1 of 3 done")
    assert page.evaluate(f"{FOCUSED}(document.activeElement).id") == "item-a"
    assert page.evaluate(f"{CHECKLISTS}.markItemAsDone('b')") is True
    expect(inside(page)).to_contain_text("2 of 3 done")
    # A second place is refused while there is a first.
    page.evaluate(f"void {CHECKLISTS}.injectToElement('{key}', document.querySelector('main'))")
    expect(page.locator("main product-fruits")).to_have_count(0)
    page.evaluate("undo()")
    expect(outside(page)).to_have_count(1)
    # Open or folded as it was: Escape in the page said nothing of it.
    expect(outside(page)).to_contain_text("2 of 3 done")
    expect(outside(page).locator("#panel")).to_have_count(int(is_open))
    inject(page, key)
    inside(page).get_by_role("button", name="C", exact=True).click()
    expect(inside(page)).to_contain_text("All done")

    def told() -> list[str]:
        return [each for each in world.adoption_events(user) if each != "checklist_viewed"]

    done = ["checklist_item_clicked", "checklist_item_completed"]
    wanted = ["checklist_started", *done, "checklist_item_completed", *done, "checklist_completed"]
    assert until(told, wanted) == wanted
    page.evaluate(f"{CHECKLISTS}.resetForCurrentUser('{key}')")
    expect(inside(page)).to_contain_text("0 of 3 done")
    wanted.append("checklist_started")
    assert until(told, wanted) == wanted


def test_without_asking_the_gates_and_not_where_they_are_closed(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    key = world.publish("checklist", checklist(item("a"), targeting=for_user(user), start="manual", open=True))
    other = world.publish("checklist", checklist(item("a"), targeting=for_user("nobody")))
    open_site(world, page, user)
    for options in ("{}", "{ checkEligibility: true }", "undefined"):
        inject(page, key, options)
        expect(page.locator("product-fruits #panel")).to_have_count(0)
        page.evaluate("undo()")
    # What is not this user's is not in the page, whatever is asked.
    inject(page, other, "{ checkEligibility: false }")
    expect(page.locator("product-fruits #panel")).to_have_count(0)
    # Nonsense throws nothing.
    page.evaluate(f"void {CHECKLISTS}.injectToElement('{key}', null, {{ checkEligibility: false }})")
    inject(page, key, "{ checkEligibility: false }")
    expect(inside(page)).to_contain_text("0 of 1 done")
    expect(outside(page)).to_have_count(0)
    wanted = ["checklist_started", "checklist_viewed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted
    # Begun is begun: the next page asks no gate.
    page.reload()
    page.wait_for_function("window.productFruitsIsReady")
    inject(page, key)
    inside(page).locator("#dismiss").click()
    expect(inside(page)).to_have_count(0)
    assert until(lambda: world.adoption_events(user)[-1], "checklist_dismissed") == "checklist_dismissed"
    assert world.adoption_events(user).count("checklist_started") == 1


@pytest.mark.parametrize(
    "leave",
    [
        "undo()",
        "productFruits.reset()",
        "productFruits.identify({ username: 'somebody-else' })",
        "productFruits.consent(false)",
        "productFruits.destroy()",
    ],
)
def test_nothing_is_left_of_it(world: SnippetWorld, page: Page, leave: str) -> None:
    user = world.user()
    key = world.publish("checklist", checklist(item("a"), targeting=for_user(user)))
    page.add_init_script(COUNTING)
    open_site(world, page, user)
    expect(outside(page)).to_have_count(1)
    before = listeners(page)
    inject(page, key)
    expect(inside(page)).to_have_count(1)
    assert listeners(page) != before
    page.evaluate(leave)
    assert page.evaluate("document.querySelector('#home').childNodes.length") == 0
    left = listeners(page)
    assert {name for name in left if "PRODUCT-FRUITS" in name} == set()
    if leave == "undo()":
        assert left == before
        expect(outside(page)).to_have_count(1)
    # Twice is once, and nothing comes back.
    page.evaluate("undo()")
    page.evaluate("new Promise((done) => setTimeout(done, 400))")
    assert page.evaluate("document.querySelector('#home').childNodes.length") == 0
