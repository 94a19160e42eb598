"""The browser of the browser tests, for the SDK that runs in one."""

from tests.browser.conftest import browser, page

__all__ = ["browser", "page"]
