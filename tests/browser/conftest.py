"""ComfyUI's own page in a headless Chromium, ready for clicks."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tools.host import Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FIRST_VISIT = {"Comfy.TutorialCompleted": True}  # else a dialog lies over everything
NO_BANNER = "localStorage.setItem('vueNodesBannerDismissed', 'true')"
READY = "window.app?.graph && Object.keys(LiteGraph.registered_node_types).length > 100"
START_MS = 120_000


@pytest.fixture(scope="session")
def page(server: Server) -> Iterator[Page]:
    server.client.post("/api/settings", FIRST_VISIT)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail("no Chromium: install one, or run the fast tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(START_MS)
        page.asked, page.broken = [], []
        page.add_init_script(NO_BANNER)
        page.on("requestfinished", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.goto(server.client.url)
        page.wait_for_function(READY)
        yield page
        browser.close()
