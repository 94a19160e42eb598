"""Tours and checklists as an owner meets them: the samples in the demo app, then a tour of one's own by the form."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, Route, expect

from tests.browser.furnished import EMAIL, PASSWORD, log_in
from tests.browser.snippet_world import card, until
from tests.served import Served, serve


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("content") / "served") as served:
        key = served.cli_json("workspace", "create", "Acme")["workspace"]
        served.cli("segment", "activate", "--workspace", key)
        served.cli("admin", "create", EMAIL, "--password-stdin", given=PASSWORD)
        yield served


@pytest.fixture
def owner(acme: Served, page: Page) -> Page:
    log_in(page, acme.url)
    return page


def press(page: Page | FrameLocator, name: str) -> None:
    page.locator("product-fruits").get_by_role("button", name=name, exact=True).click()


def in_preview(page: Page) -> Locator:
    return page.frame_locator("iframe[data-preview]").locator("product-fruits").get_by_role("dialog")


def test_the_samples_run_in_the_demo_app_and_are_counted(owner: Page, axe: Callable[..., list[str]]) -> None:
    workspace = owner.url
    steps = owner.get_by_role("region", name="Next steps")
    expect(steps.get_by_text("1 of 6 done")).to_be_visible()
    owner.get_by_role("link", name="Content", exact=True).click()
    owner.get_by_role("button", name="Add the samples").click()
    with owner.expect_popup() as opened:
        owner.get_by_role("link", name="Try it in the demo app").click()
    demo = opened.value
    expect(demo.get_by_role("heading", level=1)).to_have_text("Good morning, Maya")
    assert demo.evaluate("origin") == "null"
    expect(card(demo)).to_contain_text("Welcome, Maya")
    assert axe(demo) == []
    press(demo, "Show me")
    # The click on the element itself leads on, and is the project that the checklist waits for.
    demo.get_by_role("button", name="New project").click()
    expect(card(demo)).to_contain_text("Better together")
    press(demo, "Next")
    press(demo, "Done")
    expect(card(demo)).to_have_count(0)

    panel = demo.locator("product-fruits")
    panel.get_by_role("button", name=re.compile("Get started.*2 of 4 done")).click()
    for _ in range(2):
        demo.get_by_role("button", name="Invite a colleague").click()
    expect(panel.get_by_role("status")).to_have_text("3 of 4 done")
    wire = demo.locator("#wire")
    for name in ("Tour Started", "Tour Completed", "Project Created"):
        expect(wire.get_by_text(name, exact=True)).to_have_count(1)
    panel.get_by_role("button", name="Look at your reports").click()
    panel.get_by_role("button", name="Start", exact=True).click()
    expect(panel.get_by_text("Well done!")).to_be_visible()
    demo.close()

    owner.goto(f"{workspace}content/first-steps/numbers")
    for name in ("Started", "Completed"):
        expect(owner.locator("dl div").filter(has=owner.get_by_text(name, exact=True)).first).to_contain_text("1")
    owner.goto(f"{workspace}users?q=demo-maya-1")
    owner.get_by_role("main").get_by_role("link", name="Maya Okafor").click()
    expect(owner.get_by_role("region", name="Tours and checklists")).to_contain_text("completed")
    owner.get_by_role("link", name="Why shown, why not?").click()
    expect(owner.get_by_role("region", name="First steps")).to_contain_text("The user completed it")

    def four_are_done() -> bool:
        owner.goto(workspace)
        return steps.get_by_text("4 of 6 done").is_visible()

    # That a page has the snippet is noted every few seconds.
    assert until(four_are_done, True)


def test_a_tour_is_written_by_the_form_seen_as_a_draft_and_published(owner: Page, acme: Served) -> None:
    workspace = owner.url
    demo = f"{acme.url}/demo/{workspace.rstrip('/').rsplit('/', 1)[1]}/projects"
    owner.goto(f"{workspace}content")
    owner.get_by_label("Name").fill("New board")
    owner.get_by_label("Key", exact=True).fill("board")
    owner.get_by_role("button", name="Create").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("New board")

    # This comes by a request of its own, so the editor is at work once it stands there.
    matching = owner.get_by_text(re.compile("users? match"))
    expect(matching).to_be_visible()
    owner.locator("[id='steps.0.title']").fill("Look, a board")
    owner.locator("[id='steps.0.title']").blur()
    expect(owner.get_by_text("Draft saved")).to_be_visible()
    # Saved again and again: the answer has to stand in the same place each time.
    owner.locator("[id='steps.0.body']").fill("It is **new**.")
    owner.locator("[id='steps.0.body']").blur()
    expect(in_preview(owner)).to_contain_text("Look, a board")
    expect(in_preview(owner).locator("strong")).to_have_text("new")

    owner.get_by_role("button", name="Condition", exact=True).click()
    owner.locator("[id='targeting.0.kind']").select_option("event")
    expect(owner.get_by_text("Not saved yet")).to_be_visible()
    owner.wait_for_timeout(1_000)  # longer than the form waits before it saves: nobody has had time to type
    expect(owner.get_by_text("Not saved: something is missing or wrong")).to_have_count(0)
    drawing: list[Route] = []
    owner.route("**/draft", lambda route: drawing.append(route))
    owner.locator("[id='targeting.0.kind']").select_option("url")
    # Typed before the new inputs are drawn: it stays.
    owner.locator("[id='steps.0.title']").fill("Look, a new board")
    for held in drawing:
        held.continue_()
    owner.unroute("**/draft")
    expect(owner.locator("[id='targeting.0.name']")).to_have_count(0)
    expect(owner.locator("[id='steps.0.title']")).to_have_value("Look, a new board")
    owner.locator("[id='targeting.0.value']").fill("/nowhere/")
    owner.locator("[id='targeting.0.value']").blur()
    expect(owner.get_by_text("Draft saved")).to_be_visible()
    expect(matching).to_contain_text("on the pages that the rule asks for")
    owner.reload()
    expect(owner.locator("[id='targeting.0.value']")).to_have_value("/nowhere/")

    selector = owner.locator("[id='steps.0.target.selector']")
    owner.locator("[id='steps.0.kind']").select_option("tooltip")
    selector.fill("#new board >")
    selector.blur()
    assert "CSS selector" in selector.evaluate("each => each.validationMessage")
    selector.fill("#new > .board")
    selector.blur()
    assert selector.evaluate("each => each.validity.valid")
    owner.locator("[id='steps.0.kind']").select_option("modal")

    owner.get_by_text("Show it in your own app").click()
    owner.get_by_label("Address of a page that has the snippet").fill(demo)
    owner.get_by_role("button", name="Make a link").click()
    link = owner.get_by_label("Open this once, within a day", exact=True).input_value()
    other = owner.context.new_page()
    other.goto(link)
    expect(card(other)).to_contain_text("Look, a new board")
    other.close()
    again = owner.context.new_page()
    with again.expect_response("**/browser/v1/content?**") as asked:
        again.goto(link)
    assert asked.value.status == 400
    expect(card(again)).to_have_count(0)
    again.close()

    owner.get_by_role("button", name="Publish").click()
    expect(owner.get_by_text("Live, version 1")).to_be_visible()
    owner.goto(f"{workspace}content/board/numbers")
    expect(owner.get_by_text("Nobody has seen it in this time")).to_be_visible()
