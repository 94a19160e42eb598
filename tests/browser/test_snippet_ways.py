"""How steps find their elements and lead on, and what is and is not sent while the service or the user says no."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.browser.snippet_content import FINISH, button, for_user, modal, tooltip, tour
from tests.browser.snippet_world import BODY, SnippetWorld, card, until

SHADOW = """
class Box extends HTMLElement {
  connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = "<button>Inside</button>"; }
}
customElements.define("their-box", Box);
"""


def requests_of(page: Page) -> list[str]:
    """The addresses that a page asks from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    return asked


def test_steps_find_their_elements_and_lead_on_by_clicks_and_events(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    by_data = {"selector": "#not-there", "data": {"name": "tour", "value": "create"}}
    world.publish(
        "tour",
        tour(
            {**tooltip("data", "x"), "target": by_data, "backdrop": True, "advance": {"on": "click"}, "buttons": []},
            {**tooltip("text", "x"), "target": {"text": "Menu"}, "advance": {"on": "event", "event": "Menu Opened"}},
            {**tooltip("shadow", "x"), "target": {"selector": "their-box button", "text": "Inside"}},
            tooltip("late", "#late", wait={"seconds": 20}),
            tooltip("skipped", "#never", wait={"seconds": 0}),
            tooltip("end", "#create", button("Not now", "snooze", minutes=60), FINISH),
            targeting=for_user(user),
        ),
    )
    page.goto(world.site(init={"username": user}, body=f"{BODY}<their-box></their-box><script>{SHADOW}</script>"))
    expect(card(page)).to_have_accessible_name("Data")
    # The element is within reach, what is beside it is not.
    assert page.evaluate("document.elementFromPoint(2, 2).localName") == "product-fruits"
    page.evaluate("document.querySelector('#create').addEventListener('click', () => (window.clicked = true))")
    page.locator("#create").click()
    assert page.evaluate("window.clicked") is True
    expect(card(page)).to_have_accessible_name("Text")
    page.evaluate("productFruits.api.events.track('Menu Opened')")
    expect(card(page)).to_have_accessible_name("Shadow")
    # A page that draws itself anew does not lose its tour.
    page.evaluate("document.querySelector('their-box').outerHTML += ''")
    expect(card(page)).to_have_accessible_name("Shadow")
    card(page).get_by_role("button", name="Next").click()
    expect(card(page)).to_have_count(0)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p id=late>Late</p>')")
    expect(card(page)).to_have_accessible_name("Late")
    card(page).get_by_role("button", name="Next").click()
    expect(card(page)).to_have_accessible_name("End")
    card(page).get_by_role("button", name="Not now").click()
    expect(card(page)).to_have_count(0)

    step = ["tour_step_viewed", "tour_step_completed"]
    wanted = ["tour_started", *step * 4, "tour_target_missing", "tour_step_viewed", "tour_snoozed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted
    custom = [event for event in world.events(user) if event["event"] == "Menu Opened"]
    assert len(custom) == 1
    page.reload()
    page.wait_for_function("window.productFruitsIsReady")
    expect(card(page)).to_have_count(0)


@pytest.mark.parametrize("missing", ["skip", "stop"])
def test_a_tour_whose_last_element_is_missing_is_never_completed(world: SnippetWorld, page: Page, missing: str) -> None:
    user = world.user()
    steps = [modal("one"), tooltip("two", "#never", wait={"seconds": 0, "missing": missing})]
    after = [modal("three")] if missing == "stop" else []
    world.publish("tour", tour(*steps, *after, targeting=for_user(user)))
    page.goto(world.site(init={"username": user}))
    card(page).get_by_role("button", name="Next").click()
    wanted = ["tour_started", "tour_step_viewed", "tour_step_completed", "tour_target_missing", "tour_dismissed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted


def test_nothing_leaves_the_page_before_consent_and_with_do_not_track(world: SnippetWorld, browser: Browser) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    for script, attributes in (
        ("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true });", ""),
        ("", 'data-consent="required"'),
    ):
        context = browser.new_context()
        page = context.new_page()
        asked = requests_of(page)
        page.goto(world.site(init={"username": user}, script=script, attributes=attributes))
        page.wait_for_function("window.productFruits")
        assert page.evaluate("productFruits.debug()")[0]["gates"][0]["code"] == "no_consent"
        assert page.evaluate("productFruits.api.tours.tryStartTour('tour-1')") is False
        page.evaluate("productFruits.api.events.track('Silent')")
        assert [url for url in asked if "/browser/" in url] == []
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        page.evaluate("productFruits.consent(true)")
        expect(card(page)).to_have_accessible_name("One")
        page.evaluate("productFruits.consent(false)")
        expect(card(page)).to_have_count(0)
        assert page.evaluate("localStorage.length") == 0
        context.close()
    assert [event for event in world.events(user) if event["event"] == "Silent"] == []


def test_an_answer_that_comes_after_the_users_no_changes_nothing(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    waiting: list[Route] = []
    page.route("**/browser/v1/content*", lambda route: waiting.append(route))
    page.goto(world.site(init={"username": user}))
    assert until(lambda: page.evaluate("1") and len(waiting), 1) == 1
    page.evaluate("productFruits.consent(false)")
    with page.expect_response("**/browser/v1/content*") as answer:
        waiting[0].continue_()
    answer.value.finished()
    # More than the tasks in which an answer is taken in.
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    expect(page.locator("product-fruits")).to_have_count(0)
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize(
    "turn_away",
    [
        pytest.param(lambda route: route.abort(), id="away"),
        # What a workspace gets that sends too much.
        pytest.param(lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}"), id="busy"),
    ],
)
def test_a_page_does_not_notice_that_the_service_is_away_and_tells_later(
    world: SnippetWorld, page: Page, turn_away: Callable[[Route], None]
) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one"), modal("two", FINISH), targeting=for_user(user)))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "productfruits" in message.text else None)
    page.clock.install()
    page.route("**/browser/v1/**", turn_away)
    address = world.site(init={"username": user})
    page.goto(address)
    page.wait_for_function("window.productFruits")
    # All the waits between the tries, and more.
    page.clock.run_for(60_000)
    expect(page.locator("product-fruits")).to_have_count(0)
    page.unroute("**/browser/v1/**")
    page.reload()
    expect(card(page)).to_have_accessible_name("One")
    page.route("**/browser/v1/**", turn_away)
    card(page).get_by_role("button", name="Next").click()
    card(page).get_by_role("button", name="Finish").click()
    expect(card(page)).to_have_count(0)
    page.clock.run_for(60_000)
    page.unroute("**/browser/v1/**")
    page.reload()
    page.clock.run_for(5_000)
    step = ["tour_step_viewed", "tour_step_completed"]
    wanted = ["tour_started", *step, *step, "tour_completed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted
    expect(card(page)).to_have_count(0)
    assert said == []


def test_events_wait_for_a_late_library_and_go_under_the_names_of_the_workspace(
    world: SnippetWorld, page: Page, request: pytest.FixtureRequest
) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one"), modal("two", FINISH), targeting=for_user(user)))
    request.addfinalizer(lambda: world.rename({}))
    world.rename({"tour_started": "Guide Shown", "tour_step_viewed": None})
    late = """
    window.calls = [];
    setTimeout(() => (window.analytics = { track: (...given) => calls.push(given) }), 1200);
    """
    page.goto(world.site(init={"username": user}, script=late))
    card(page).get_by_role("button", name="Next").click()
    page.wait_for_function("window.calls.length === 2")
    card(page).get_by_role("button", name="Finish").click()
    told = ["Guide Shown", "Tour Step Completed", "Tour Step Completed", "Tour Completed"]
    assert until(lambda: page.evaluate("calls.map(([name]) => name)"), told) == told
    ids = page.evaluate("calls.map(([, properties, { messageId }]) => [properties.event_id, messageId])")
    assert all(event_id == message_id for event_id, message_id in ids)
    # Our own store keeps the real names, and what Segment does not want.
    step = ["tour_step_viewed", "tour_step_completed"]
    wanted = ["tour_started", *step, *step, "tour_completed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted


@pytest.mark.parametrize("leave", ["dispatchEvent(new PageTransitionEvent('pagehide'))", "productFruits.destroy()"])
def test_each_event_has_a_task_of_its_own_and_none_is_lost_when_the_page_is_left(
    world: SnippetWorld, page: Page, leave: str
) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    # Microtasks run at the end of a task, so calls of one task have one number.
    library = """
    window.calls = [];
    let task = 0;
    window.analytics = { track(name) { calls.push([name, task]); queueMicrotask(() => task++); } };
    """
    page.goto(world.site(init={"username": user}, script=library))
    page.wait_for_function("calls.length === 2")
    assert page.evaluate("calls") == [["Tour Started", 0], ["Tour Step Viewed", 1]]
    # All in one task: nothing that waits for a later one can have been sent.
    advance = "productFruits.api.tours.getTours().forEach(({ id }) => productFruits.api.tours.advanceToNextStep(id))"
    names = "calls.map(([name]) => name).slice(2)"
    before, after = page.evaluate(f"() => {{ {advance}; const before = {names}; {leave}; return [before, {names}]; }}")
    assert (before, after) == ([], ["Tour Step Completed", "Tour Completed"])
    page.evaluate("new Promise((done) => setTimeout(done, 100))")
    assert page.evaluate(names) == after
