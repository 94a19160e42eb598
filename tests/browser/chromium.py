"""Which Chromium the browser tests use. Run as a program it prints the path, or fails with the remedy.

In this order: CHROMIUM in the environment, a system browser on the PATH, what `playwright install chromium` put down.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Nothing that talks to the world on its own: the tests must see only what our pages do.
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(RuntimeError):
    """There is no Chromium for the browser tests: `apt install chromium` (Debian), or `playwright install chromium`, or name one: CHROMIUM=/path/to/chromium."""  # noqa: E501


def find() -> Path:
    """The program to start; raises NoChromium, which says what to do."""
    if named := os.environ.get("CHROMIUM"):
        if not os.access(named, os.X_OK):
            raise NoChromium(f"CHROMIUM={named} is not a program that can be run.")
        return Path(named)
    for name in ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    with sync_playwright() as playwright:
        installed = Path(playwright.chromium.executable_path)
    if installed.is_file():
        return installed
    raise NoChromium(NoChromium.__doc__)


def arguments() -> list[str]:
    """Command-line switches; the sandbox stays on except for root, for whom Chromium refuses it."""
    return [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


if __name__ == "__main__":
    try:
        print(find())
    except NoChromium as error:
        sys.exit(f"productfruits: {error}")
