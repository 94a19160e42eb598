"""The main job as a person does it: set up, connect Segment, see the page turn green, see who came in."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.furnished import EMAIL, PASSWORD, send
from tests.served import Served

GRACE = {
    "type": "identify",
    "messageId": "first",
    "userId": "u-42",
    "traits": {"email": "grace@example.com", "name": "Grace Hopper"},
}


def set_up(page: Page, server: Served) -> str:
    """Follow the link that the server printed; the address of the workspace, with a slash at the end."""
    link = re.search(r"http\S+/setup\?token=\S+", server.output())
    assert link, server.output()
    page.goto(link.group())
    page.get_by_label("Name of your application").fill("Acme production")
    page.get_by_label("Your e-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/w/**")
    return page.url


def activate(page: Page) -> tuple[str, str]:
    page.get_by_role("link", name="Segment", exact=True).click()
    page.get_by_role("button", name="Activate").click()
    secret = page.get_by_label("Shared secret", exact=True)
    expect(secret).to_be_visible()
    return page.get_by_label("Webhook URL", exact=True).first.input_value(), secret.input_value()


def test_from_the_setup_link_to_the_first_user(server: Served, page: Page) -> None:
    workspace = set_up(page, server)
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme production")
    page.get_by_role("link", name="Activate").click()
    page.get_by_role("button", name="Activate").click()

    page.get_by_role("button", name="Copy Webhook URL").click()
    url = page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Copy Shared secret").click()
    secret = page.evaluate("navigator.clipboard.readText()")
    assert url.startswith(f"{server.url}/webhooks/segment/")
    assert secret.startswith("whs_")
    expect(page.get_by_text("Segment cannot reach this server yet")).to_be_visible()

    # The page still shows the secret, waits, and turns green without anybody touching it.
    expect(page.get_by_text("Waiting for the first event")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    assert send(url, secret, GRACE) == 200
    expect(page.get_by_text("Receiving events", exact=True).first).to_be_visible(timeout=20_000)
    expect(page.locator("#live-says")).to_have_text("Receiving events")
    expect(page.locator('[data-count="accepted"]')).to_contain_text("1")
    assert page.evaluate("window.sameDocument")
    expect(page.get_by_label("Shared secret", exact=True)).to_have_value(secret)

    assert send(url, "whs_something_else", GRACE) == 401
    expect(page.get_by_text("Signature does not match", exact=True)).to_be_visible(timeout=20_000)

    page.get_by_role("link", name="See the users").click()
    page.get_by_role("link", name="Grace Hopper").click()
    expect(page.get_by_text("New user.")).to_be_visible()
    assert send(url, secret, {**GRACE, "messageId": "second", "userId": "u-43"}) == 200
    page.reload()
    expect(page.get_by_text("Matched by e-mail.")).to_be_visible()
    expect(page.get_by_text("Came with this user's e-mail address")).to_be_visible()
    assert page.url.startswith(f"{workspace}users/")


def test_a_test_event_is_really_sent_and_received(server: Served, page: Page) -> None:
    set_up(page, server)
    activate(page)
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_role("status").filter(has_text="signed, sent to our own webhook, verified")).to_be_visible()
    expect(page.locator('[data-count="accepted"]')).to_contain_text("1")
    page.get_by_role("link", name="See the users").click()
    page.get_by_role("link", name="Test User").click()
    expect(page.get_by_text("New user.")).to_be_visible()


def test_it_all_works_without_javascript(server: Served, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    workspace = set_up(page, server)
    page.goto(f"{workspace}settings/segment")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("button", name="Copy Webhook URL")).to_be_hidden()
    url = page.get_by_label("Webhook URL", exact=True).first.input_value()
    secret = page.get_by_label("Shared secret", exact=True).input_value()
    page.goto(f"{workspace}settings/segment")
    expect(page.get_by_text("Reload the page to see it.")).to_be_visible()
    assert send(url, secret, GRACE) == 200
    page.reload()
    expect(page.get_by_text("Receiving events").first).to_be_visible()

    page.get_by_role("button", name="Rotate the secret").click()
    assert page.get_by_label("Shared secret", exact=True).input_value() != secret
    page.get_by_text("Revoke", exact=False).first.click()
    page.get_by_role("button", name="Revoke now").first.click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    page.get_by_role("button", name="Refuse batches").click()
    expect(page.get_by_role("button", name="Accept batches")).to_be_visible()

    page.locator("header summary").first.click()
    page.get_by_role("link", name="Users", exact=True).click()
    page.get_by_role("link", name="Grace Hopper").click()
    page.get_by_text("Raw event").first.click()
    expect(page.locator("pre").first).to_contain_text("grace@example.com")
    page.get_by_text("Erase this user").click()
    page.get_by_label("Yes, erase Grace Hopper").check()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("The user is erased")).to_be_visible()

    page.goto(f"{workspace}settings/admins")
    page.get_by_label("E-mail").fill("bob@example.com")
    page.get_by_role("button", name="Make an invitation").click()
    invitation = page.get_by_label("One-time link", exact=True).input_value()
    context.close()
    other = browser.new_context(java_script_enabled=False)
    page = other.new_page()
    page.goto(invitation)
    page.get_by_label("Password").fill("bob has a fine sentence")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme production")
    expect(page.get_by_role("link", name="API keys")).to_have_count(0)
    other.close()


def test_the_live_status_leaves_the_page_alone_while_nothing_happens(server: Served, page: Page) -> None:
    set_up(page, server)
    activate(page)
    page.evaluate("document.querySelector('#live > div').dataset.mark = 'untouched'")
    for _ in range(2):
        with page.expect_response("**/segment/live**") as asked:
            pass
        assert asked.value.status == 204
    expect(page.locator("#live [data-mark=untouched]")).to_have_count(1)
