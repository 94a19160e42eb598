"""A sandbox for all tests of a module: its processes stay warm."""

from collections.abc import Iterator

import pytest

from productfruits.functions.runtime import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(processes=2, wait_s=20.0, ahead=False)
    yield sandbox
    sandbox.close()
