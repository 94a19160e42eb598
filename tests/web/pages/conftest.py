"""Pages of a workspace of one's own, on the app that the tests of a module share."""

import pytest
from flask import Flask

from tests.web.pages.world import Pages
from tests.web.requesting import WsgiHttp


@pytest.fixture
def pages(app_of_module: Flask) -> Pages:
    return Pages(app_of_module, WsgiHttp(app_of_module))
