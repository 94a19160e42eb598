"""Every page in Chromium: for everybody (axe), for small screens, for the keyboard, and against hostile data."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.furnished import EMAIL, PASSWORD, Furnished, furnished, log_in

Scheme = Literal["light", "dark"]
each_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(tmp_path_factory.mktemp("furnished") / "served") as filled:
        yield filled


def open_all(page: Page) -> None:
    """Open what is folded, so that it is checked, too; all but the menus, which cover the page."""
    page.evaluate("document.querySelectorAll('main details').forEach(details => details.open = true)")


def test_every_page_is_accessible_and_fits_a_phone(
    acme: Furnished, browser: Browser, axe: Callable[..., list[str]]
) -> None:
    context = acme.context(browser, color_scheme="light", viewport={"width": 390, "height": 800})
    page = context.new_page()
    for path in acme.page_paths():
        page.goto(acme.served.url + path)
        open_all(page)
        assert axe(page) == [], path
        assert too_wide(page) <= 0, path
    context.close()


def test_every_page_holds_still_is_readable_in_the_dark_and_runs_nothing_hostile(
    acme: Furnished, browser: Browser, axe: Callable[..., list[str]]
) -> None:
    # Without the Content-Security-Policy, so that what is put into a page is harmless by itself.
    context = acme.context(
        browser, color_scheme="dark", viewport={"width": 1280, "height": 800}, bypass_csp=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(
        "window.shifts = 0; new PerformanceObserver(list => { for (const entry of list.getEntries())"
        " if (!entry.hadRecentInput) window.shifts += entry.value; }).observe({type: 'layout-shift', buffered: true})"
    )
    dialogs: list[str] = []

    def dialog(shown: Dialog) -> None:
        dialogs.append(shown.message)
        shown.dismiss()

    page.on("dialog", dialog)
    for path in [*acme.page_paths(), f"{acme.workspace}users?q=%22%3E%3Cimg%20src=x%20onerror=window.__adv=1%3E"]:
        page.goto(acme.served.url + path)
        page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
        # A slow machine paints a page before it has read all of it; what grows then is little.
        assert page.evaluate("window.shifts") < 0.01, path
        open_all(page)
        assert axe(page, "color-contrast") == [], path
        assert too_wide(page) <= 0, path
        assert page.evaluate("window.__adv") is None, path
        assert page.locator("img").count() == 0, path
    assert dialogs == []
    context.close()


def too_wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@each_scheme
def test_the_pages_before_the_login_are_accessible(
    acme: Furnished, browser: Browser, axe: Callable[..., list[str]], scheme: Scheme
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    page = context.new_page()
    reset = acme.served.cli_json("admin", "reset", EMAIL)["link"]
    for address in (
        f"{acme.served.url}/login",
        f"{acme.served.url}/setup",
        f"{acme.served.url}/password?token=x",
        reset,
    ):
        page.goto(address)
        assert axe(page) == [], address
    page.goto(f"{acme.served.url}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not fit")
    assert axe(page) == []
    context.close()


def test_the_chosen_theme_stays_and_is_there_before_the_first_paint(acme: Furnished, page: Page) -> None:
    log_in(page, acme.served.url)
    assert page.evaluate("document.documentElement.dataset.theme") is None
    page.get_by_role("radio", name="Dark").check(force=True)
    # Read when the body begins to exist, which is before anything of it can be painted.
    page.add_init_script(
        "new MutationObserver((_, watching) => { if (document.body) {"
        " window.themeAtFirst ??= document.documentElement.dataset.theme; watching.disconnect(); } })"
        ".observe(document, {childList: true, subtree: true})"
    )
    page.reload()
    assert page.evaluate("window.themeAtFirst") == "dark"
    assert page.get_by_role("radio", name="Dark").is_checked()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("radio", name="Light").check(force=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.get_by_role("radio", name="Like the system").check(force=True)
    assert page.evaluate("document.documentElement.dataset.theme") is None


class TestKeyboard:
    def test_the_first_tab_leads_past_the_navigation(self, acme: Furnished, page: Page) -> None:
        log_in(page, acme.served.url)
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"

    def test_everything_that_takes_the_focus_shows_it(self, acme: Furnished, page: Page) -> None:
        log_in(page, acme.served.url)
        page.goto(f"{acme.served.url}{acme.workspace}settings/segment")
        seen = 0
        for _ in range(80):
            page.keyboard.press("Tab")
            shown = page.evaluate(
                """() => {
                  const at = document.activeElement;
                  if (!at || at === document.body) return null;
                  const looks = element => { const style = getComputedStyle(element);
                    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1.5; };
                  return [at.outerHTML.slice(0, 120), looks(at) || looks(at.closest('label') ?? at)];
                }"""
            )
            if shown is None:
                break
            seen += 1
            assert shown[1], shown[0]
        assert seen > 20

    def test_a_workspace_is_switched_and_a_user_found_without_a_mouse(self, acme: Furnished, page: Page) -> None:
        page.goto(f"{acme.served.url}/login")
        page.keyboard.type(EMAIL)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/w/**")
        page.get_by_role("link", name="Users", exact=True).first.focus()
        page.keyboard.press("Enter")
        page.get_by_role("searchbox", name="Search users").focus()
        page.keyboard.type("grace")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=grace")
        page.get_by_role("main").get_by_role("link").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Grace Hopper")
        raw = page.get_by_text("Raw event").first
        raw.focus()
        page.keyboard.press("Enter")
        expect(page.locator("pre").first).to_contain_text('"userId": "b-1"')

    def test_the_menu_of_a_phone_opens_by_keyboard(self, acme: Furnished, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        log_in(page, acme.served.url)
        expect(page.get_by_role("link", name="API keys")).to_be_hidden()
        page.locator("header summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="API keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="API keys")).to_be_hidden()
        expect(page.locator("header summary").first).to_be_focused()

    def test_a_menu_closes_by_a_click_elsewhere(self, acme: Furnished, page: Page) -> None:
        log_in(page, acme.served.url)
        menu = page.locator("aside details")
        menu.locator("summary").click()
        expect(page.get_by_role("link", name="New workspace").first).to_be_visible()
        page.get_by_role("heading", level=1).click()
        expect(page.get_by_role("link", name="New workspace").first).to_be_hidden()
