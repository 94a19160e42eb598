"""What the page's own code may call, and what it says of the user."""

import json
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.snippet_content import FINISH, button, checklist, for_user, item, modal, tour
from tests.browser.snippet_world import SnippetWorld, card, until


def test_a_page_can_do_by_its_own_code_what_a_user_does(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    first = world.publish("tour", tour(modal("one"), modal("two", FINISH), start="manual", targeting=for_user(user)))
    second = world.publish(
        "tour",
        tour(modal("go", button("Go", "start_tour", tour=first), title="Go"), start="manual", targeting=for_user(user)),
    )
    steps = checklist(item("a", "api"), item("b", "tour", tour=first), targeting=for_user(user), open=True)
    key = world.publish("checklist", steps)
    script = """
    window.heard = [];
    window.productFruitsReady = () => {
      const { tours, analytics } = productFruits.api;
      tours.listen("tour-advanced", (id, { currentCardId }) => heard.push(currentCardId));
      tours.listen("tour-finished", () => heard.push("finished"));
      analytics.forwardEvent((name) => heard.push(name));
    };
    window.addEventListener("productfruits:checklist_dismissed", (event) => heard.push(event.detail.name));
    """
    page.goto(world.site(init={"username": user}, script=script))
    panel = page.locator("product-fruits #panel")
    expect(panel).to_contain_text("0 of 2 done")
    tours, checklists = "productFruits.api.tours", "productFruits.api.checklists"
    assert page.evaluate(f"{checklists}.markItemAsDone('a')") is True
    assert page.evaluate(f"{checklists}.markItemAsDone('a')") is False
    expect(panel).to_contain_text("1 of 2 done")
    panel.get_by_role("button", name="show again").click()
    expect(page.locator("product-fruits section")).to_have_count(0)
    assert page.evaluate(f"{checklists}.getChecklists()[0].state") == "disposed"
    assert page.evaluate(f"{checklists}.open('{key}')") is True
    expect(panel).to_contain_text("1 of 2 done")
    page.keyboard.press("Escape")

    assert page.evaluate(f"{tours}.isTourEligible('nobody')") == "not_eligible"
    assert page.evaluate(f"{tours}.tryStartTour('{second}')") is True
    card(page).get_by_role("button", name="Go").click()
    expect(card(page)).to_have_accessible_name("One")
    assert page.evaluate(f"{tours}.advanceToNextStep('{first}')") is True
    assert page.evaluate(f"{tours}.goToStep('{first}', 'one')") is True
    page.evaluate(f"{tours}.markAs('{first}', 'finished')")
    expect(card(page)).to_have_count(0)
    assert page.evaluate(f"{tours}.getTours().map(({{ state }}) => state)") == ["finished", "finished"]
    heard = page.evaluate("heard")
    assert [each for each in heard if each in ("go", "one", "two", "finished")] == [
        *("go", "finished", "one", "two", "one", "finished")
    ]
    assert "Checklist Dismissed" in heard
    begun = ["checklist_started", "checklist_started", "tour_started", "tour_started"]
    assert until(lambda: sorted(each for each in world.adoption_events(user) if "started" in each), begun) == begun
    reasons = {event["properties"].get("start_reason") for event in world.events(user)} - {None}
    assert reasons == {"auto", "api", "tour"}
    report = page.evaluate("productFruits.debug()")
    assert {each["name"] for each in report} >= {first, second, key}


def test_a_checklist_begins_anew_in_every_tab_after_a_reload_and_on_another_device(
    world: SnippetWorld, page: Page, browser: Browser
) -> None:
    user = world.user()
    document = checklist(item("a"), item("b", "api"), targeting=for_user(user), open=True, completion=None)
    key = world.publish("checklist", document)
    checklists = "productFruits.api.checklists"
    started = (
        "window.heard = []; addEventListener('productfruits:checklist_started', ({detail}) => heard.push(detail));"
    )
    address = world.site(init={"username": user}, script=started)

    def panel(of: Page) -> Any:
        return of.locator("product-fruits #panel")

    page.goto(address)
    expect(panel(page)).to_contain_text("0 of 2 done")
    other = page.context.new_page()
    other.goto(address)
    expect(panel(other)).to_contain_text("0 of 2 done")
    panel(other).get_by_role("button", name="A", exact=True).click()
    expect(panel(other)).to_contain_text("1 of 2 done")
    # In the middle of it, by the tab that does not show it.
    assert page.evaluate(f"{checklists}.resetForCurrentUser('nothing')") is False
    assert page.evaluate(f"{checklists}.resetForCurrentUser('{key}')") is True
    expect(panel(other)).to_contain_text("0 of 2 done")
    # At the end of it, by the tab that does.
    assert other.evaluate(f"['a', 'b'].map((id) => {checklists}.markItemAsDone(id))") == [True, True]
    expect(panel(other)).to_have_count(0)
    assert other.evaluate(f"{checklists}.getChecklists()[0].state") == "finished"
    page.bring_to_front()
    page.mouse.click(5, 300)
    expect(panel(page)).to_have_count(0)
    assert page.evaluate(f"{checklists}.resetForCurrentUser({{}})") is False
    page.evaluate(f"{checklists}.resetForCurrentUser('{key}')")
    expect(panel(page)).to_contain_text("0 of 2 done")
    # The same attempt in the other tab, and after a reload.
    other.bring_to_front()
    other.mouse.click(5, 300)
    expect(panel(other)).to_contain_text("0 of 2 done")
    other.close()
    done = ["checklist_item_completed", "checklist_item_completed", "checklist_completed"]
    wanted = ["checklist_started", "checklist_item_clicked", done[0], "checklist_started", *done, "checklist_started"]

    def told() -> list[str]:
        return [each for each in world.adoption_events(user) if each != "checklist_viewed"]

    assert until(told, wanted) == wanted
    page.reload()
    expect(panel(page)).to_contain_text("0 of 2 done")
    assert page.evaluate("heard") == []
    # Another device knows only the store.
    context = browser.new_context()
    device = context.new_page()
    device.goto(address)
    expect(panel(device)).to_contain_text("0 of 2 done")
    panel(device).get_by_role("button", name="A", exact=True).click()
    expect(panel(device)).to_contain_text("1 of 2 done")
    device.evaluate(f"{checklists}.resetForCurrentUser('{key}')")
    expect(panel(device)).to_contain_text("0 of 2 done")
    sessions = device.evaluate("heard.map(({properties}) => properties.session_id)")
    assert len(sessions) == 1

    def stored() -> tuple[Any, ...]:
        state = world.content(username=user)["contents"][0]["state"]
        return state["state"], state["session_id"], state["items"]

    anew: tuple[Any, ...] = ("in_progress", sessions[0], {})
    assert until(stored, anew) == anew
    # A page that was open meanwhile hears of it when it asks, and begins the same attempt.
    with page.expect_response(lambda response: "/browser/v1/content" in response.url):
        page.evaluate("history.pushState({}, '', '#elsewhere')")
    expect(panel(page)).to_contain_text("0 of 2 done")
    context.close()
    assert page.evaluate("heard") == []


def test_answers_to_reports_are_read_so_that_no_request_stays_open(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    page.goto(world.site(init={"username": user}))
    page.wait_for_function("window.productFruitsIsReady")
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/browser/v1/events")):
        page.evaluate("productFruits.api.events.track('Menu Opened')")


def test_a_group_of_the_user_object_is_stored_and_not_said_again_at_every_load(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    group = {"groupId": f"group-{user}", "props": {"plan": "team"}}
    address = world.site(init={"username": user, "group": group})

    def told() -> list[Any]:
        return [each["properties"] for each in world.events(user) if each["type"] == "group"]

    for _ in range(2):
        page.goto(address)
        page.wait_for_function("window.productFruitsIsReady")
        assert until(told, [{"plan": "team"}]) == [{"plan": "team"}]
    changed = json.dumps({"username": user, "group": {**group, "props": {"plan": "company"}}})
    page.evaluate(f"productFruits.identifyUser({changed})")
    assert until(told, [{"plan": "team"}, {"plan": "company"}]) == [{"plan": "team"}, {"plan": "company"}]
    # A group is aimed at as one that came through Segment.
    in_company = {"kind": "group", "group_id": group["groupId"], "name": "plan", "op": "is", "value": "company"}
    world.publish("tour", tour(modal("one", FINISH), targeting=in_company))
    page.reload()
    expect(card(page)).to_have_accessible_name("One")
