"""ComfyUI's own page, one browser for each file of tests.

`page` is the pinned front end with the classic canvas; `any_page` is each of four: the pinned and
the newest front end, with the classic canvas and with Nodes 2.0.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tools.frontend import newest_frontend
from tools.host import Server
from tools.page import find_browser, open_browser, visit

PINNED, NEWEST = "pinned", "newest"
CLASSIC, NODES_2 = "classic", "nodes2"


@pytest.fixture(scope="session")
def newest() -> Path:
    """The newest front end of the package index."""
    place = newest_frontend()
    print(f"the newest front end is {place.name}")
    return place


@pytest.fixture(scope="module")  # not longer: it occupies this thread's event loop
def browser() -> Iterator[Browser]:
    if find_browser() is None:
        pytest.fail("no Chromium: install one, or run the fast tests")
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = visit(browser, server.client)
    yield page
    page.close()


@pytest.fixture(
    scope="module",
    params=[(frontend, nodes) for frontend in (PINNED, NEWEST) for nodes in (CLASSIC, NODES_2)],
    ids="-".join,
)
def any_page(
    browser: Browser, server: Server, newest: Path, request: pytest.FixtureRequest
) -> Iterator[Page]:
    frontend, nodes = request.param
    displayed = newest if frontend == NEWEST else None
    page = visit(browser, server.client, frontend=displayed, nodes_2=nodes == NODES_2)
    page.name = f"{frontend}_{nodes}"
    yield page
    page.close()
