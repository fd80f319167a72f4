"""ComfyUI's own page, one visit for each file of tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tools.host import Server
from tools.page import find_browser, open_page


@pytest.fixture(scope="module")  # not longer: it occupies this thread's event loop
def page(server: Server) -> Iterator[Page]:
    if find_browser() is None:
        pytest.fail("no Chromium: install one, or run the fast tests")
    with open_page(server.client) as page:
        yield page
