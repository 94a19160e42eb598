"""The snippet beside the released analytics.js: who the user is, what is sent to Segment, and what is not."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.snippet_content import BACK, FINISH, NEXT, checklist, for_user, item, modal, tooltip, tour
from tests.browser.snippet_world import Analytics, SnippetWorld, card, on_its_way, raw_names, until


@pytest.mark.parametrize("analytics", ["classic", "bundled"])
def test_a_tour_aimed_at_what_a_webhook_brings_reports_each_step_once_and_in_order(
    world: SnippetWorld, page: Page, analytics: Analytics
) -> None:
    user = world.user()
    world.publish(
        "tour",
        tour(
            modal("hello", NEXT, title="Hi {{firstName|there}}", backdrop=True),
            tooltip("create", "#create", BACK, NEXT),
            modal("bye", FINISH),
            targeting={"all": [for_user(user), {"kind": "trait", "name": "plan", "op": "is", "value": "pro"}]},
        ),
    )
    page.goto(world.site(analytics=analytics, user=user))
    page.wait_for_function("window.productFruitsIsReady")
    expect(card(page)).to_have_count(0)
    assert world.tracked(user) == []

    world.webhook({"type": "identify", "userId": user, "traits": {"plan": "pro", "firstName": "Grace"}})
    page.evaluate("analytics.track('Report Exported')")
    expect(card(page)).to_contain_text("Hi there")
    card(page).get_by_role("button", name="Next").click()
    card(page).get_by_role("button", name="Next").click()
    card(page).get_by_role("button", name="Finish").click()
    expect(card(page)).to_have_count(0)

    steps = ["tour_step_viewed", "tour_step_completed"]
    wanted = ["tour_started", *steps, *steps, *steps, "tour_completed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted
    assert until(lambda: raw_names(world.sent(user)), wanted) == wanted
    events = world.sent(user)
    assert {event["properties"]["session_id"] for event in events} == {events[0]["properties"]["session_id"]}
    assert [event["event"] for event in events][:2] == ["Tour Started", "Tour Step Viewed"]
    assert [event["timestamp"] for event in events] == sorted({event["timestamp"] for event in events})
    assert all(event["messageId"] == event["properties"]["event_id"] for event in events)

    # The copies that Segment's webhook brings back are the same events.
    world.return_by_webhook(events)
    assert world.adoption_events(user) == wanted
    page.reload()
    page.wait_for_function("window.productFruitsIsReady")
    expect(card(page)).to_have_count(0)
    assert len(world.tracked(user)) == len(events) + 1


def test_a_tour_goes_on_in_the_next_page_after_a_reload_and_in_another_tab(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    link = tooltip("one", "#team", advance={"on": "click"})
    world.publish("tour", tour(link, modal("two"), modal("three", FINISH), targeting=for_user(user)))
    address = world.site(analytics="classic", user=user)
    world.cdn.pages["/team"] = world.cdn.pages[urlsplit(address).path]
    page.goto(address)
    expect(card(page)).to_contain_text("One")
    page.locator("#team").click()
    page.wait_for_url("**/team")
    expect(card(page)).to_contain_text("Two")
    page.reload()
    expect(card(page)).to_contain_text("Two")

    other = page.context.new_page()
    other.goto(address)
    expect(card(other)).to_contain_text("Two")
    # One shows, the other follows: also when the user comes back to the first.
    expect(card(page)).to_have_count(0)
    card(other).get_by_role("button", name="Next").click()
    expect(card(other)).to_contain_text("Three")
    page.bring_to_front()
    page.mouse.click(5, 300)
    expect(card(page)).to_contain_text("Three")
    expect(card(other)).to_have_count(0)
    card(page).get_by_role("button", name="Finish").click()
    other.bring_to_front()
    other.mouse.click(5, 300)
    expect(card(other)).to_have_count(0)

    wanted = ["tour_started", "tour_step_viewed", "tour_step_completed"]
    wanted += ["tour_resumed", "tour_step_viewed", "tour_resumed", "tour_resumed", "tour_step_completed"]
    wanted += ["tour_step_viewed", "tour_resumed", "tour_step_completed", "tour_completed"]
    assert until(lambda: world.adoption_events(user), wanted) == wanted
    # What Segment's library had not sent when a page was left is its to lose; nothing is sent twice, and nothing else.
    sent = until(lambda: raw_names(world.sent(user))[-1:], wanted[-1:]) and raw_names(world.sent(user))
    assert [sent.count(once) for once in ("tour_started", "tour_completed", "tour_dismissed")] == [1, 1, 0]
    assert set(sent) == set(wanted)
    assert len({event["properties"]["session_id"] for event in world.sent(user)}) == 1


def test_a_checklist_is_done_by_clicks_tours_and_what_the_webhook_brings(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    around = world.publish("tour", tour(modal("around", FINISH), start="manual", targeting=for_user(user)))
    world.publish(
        "checklist",
        checklist(
            item("read", body="Two minutes."),
            item("tour", "tour", tour=around, action={"do": "start_tour", "tour": around}),
            item("export", "event", event="Report Exported"),
            targeting=for_user(user),
            order="ordered",
        ),
    )
    waiting = on_its_way(page)
    page.goto(world.site(analytics="bundled", user=user))
    panel = page.locator("product-fruits #panel")
    page.get_by_role("button", name="Get going").click()
    expect(panel).to_contain_text("0 of 3 done")
    # Ordered: the second is locked until the first is done.
    expect(panel.get_by_role("button", name="Tour")).to_be_disabled()
    panel.get_by_role("button", name="Read").click()
    panel.get_by_role("button", name="Mark as done").click()
    expect(panel).to_contain_text("1 of 3 done")
    panel.get_by_role("button", name="Tour").click()
    expect(panel).to_have_count(0)
    card(page).get_by_role("button", name="Finish").click()
    expect(panel).to_contain_text("2 of 3 done")

    # The last one comes from outside, while no page is open and all that this one had to say has arrived.
    done = "checklist_item_completed"
    assert until(lambda: raw_names(world.sent(user)).count(done), 2) == 2
    assert until(lambda: world.adoption_events(user).count(done), 2) == 2
    assert until(waiting, 0) == 0
    page.close()
    world.webhook({"type": "track", "userId": user, "event": "Report Exported"})
    page = page.context.new_page()
    waiting = on_its_way(page)
    page.goto(world.site(analytics="bundled", user=user))
    expect(page.locator("product-fruits #panel")).to_contain_text("All done")
    of_checklist = [
        *("checklist_started", "checklist_viewed", "checklist_item_clicked", "checklist_item_completed"),
        *("checklist_item_clicked", "checklist_item_completed", "checklist_item_completed", "checklist_completed"),
    ]

    def sent() -> list[str]:
        return sorted(name for name in raw_names(world.sent(user)) if name.startswith("checklist"))

    assert until(sent, sorted(of_checklist)) == sorted(of_checklist)
    told = [event for event in world.sent(user) if event["properties"]["raw_name"] == done]
    assert {event["properties"]["how"] for event in told} == {"click", "tour", "event"}

    world.return_by_webhook(world.sent(user))
    assert until(waiting, 0) == 0
    page.reload()
    page.wait_for_function("window.productFruitsIsReady")
    assert sent() == sorted(of_checklist)
    stored = [name for name in world.adoption_events(user) if name.startswith("checklist")]
    assert sorted(stored) == sorted(of_checklist)


def test_a_checklist_whose_items_come_from_both_sides_at_once_still_ends(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    items = item("read", body="Two minutes."), item("export", "event", event="Report Exported")
    world.publish("checklist", checklist(*items, targeting=for_user(user)))
    page.goto(world.site(analytics="bundled", user=user))
    panel = page.locator("product-fruits #panel")
    page.get_by_role("button", name="Get going").click()
    assert until(lambda: "checklist_viewed" in world.adoption_events(user), True)
    # What this page has to say comes late: the service knows nothing of it when the webhook brings the other item.
    page.route("**/browser/v1/events", lambda route: route.abort())
    panel.get_by_role("button", name="Read").click()
    panel.get_by_role("button", name="Mark as done").click()
    expect(panel).to_contain_text("1 of 2 done")
    page.close()
    world.webhook({"type": "track", "userId": user, "event": "Report Exported"})

    page = page.context.new_page()
    page.goto(world.site(analytics="bundled", user=user))
    expect(page.locator("product-fruits #panel")).to_contain_text("All done")
    ended = until(lambda: world.adoption_events(user).count("checklist_completed"), 1)
    assert (ended, world.adoption_events(user).count("checklist_item_completed")) == (1, 2)


def test_what_segments_library_sends_again_in_the_next_page_counts_once(world: SnippetWorld, page: Page) -> None:
    user = world.user()
    world.publish("tour", tour(modal("one", FINISH), targeting=for_user(user)))
    # Segment gets each of them, but the page is left before it hears so.
    page.route(f"{world.cdn.url}/v1/t", lambda route: route.fetch())
    page.goto(world.site(analytics="bundled", user=user))
    card(page).get_by_role("button", name="Finish").click()
    wanted = ["tour_started", "tour_step_viewed", "tour_step_completed", "tour_completed"]
    assert until(lambda: page.evaluate("1") and raw_names(world.sent(user)), wanted) == wanted
    ids = {event["messageId"] for event in world.sent(user)}
    page.close()
    page = page.context.new_page()
    page.goto(world.site(analytics="bundled", user=user))
    assert until(lambda: len(world.sent(user)) > len(wanted), True)
    # Under the ids that they had, by which Segment counts each once, as we do.
    assert {event["messageId"] for event in world.sent(user)} == ids
    world.return_by_webhook(world.sent(user))
    assert world.adoption_events(user) == wanted
