"""The snippet beside the released analytics.js: who the user is, what is sent to Segment, and what is not."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.snippet_content import BACK, FINISH, NEXT, for_user, modal, tooltip, tour
from tests.browser.snippet_world import Analytics, SnippetWorld, card, raw_names, snippet_world, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnippetWorld]:
    with snippet_world(tmp_path_factory.mktemp("snippet") / "served") as running:
        yield running


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
