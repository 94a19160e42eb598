"""The workspace that tests of the API call: one of their own, or one for a whole module."""

import pytest
from flask import Flask

from tests.web.api.acme import Acme, filled


@pytest.fixture
def acme(app_on_both: Flask) -> Acme:
    """For tests that change something, or make the store fail."""
    return filled(app_on_both)


@pytest.fixture(scope="module")
def shared(app_of_module: Flask) -> Acme:
    """For tests that only read or are refused: filling a store takes longer than most of them."""
    return filled(app_of_module)
