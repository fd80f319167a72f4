"""ComfyUI's own page in a headless Chromium, ready for clicks."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Page, sync_playwright

from tools.client import Client

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


def find_browser() -> str | None:
    """The Chromium of this machine."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def open_page(client: Client) -> Iterator[Page]:
    """A fresh visit; `answered` and `broken` list the addresses that answered and the errors."""
    client.post("/api/settings", FIRST_VISIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(START_MS)
        page.answered, page.broken = [], []
        page.on("requestfinished", lambda request: page.answered.append(request.url))
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.add_init_script(NO_BANNER)
        page.goto(client.url)
        page.wait_for_function(READY)
        yield page
        browser.close()
