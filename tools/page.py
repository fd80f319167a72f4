"""ComfyUI's own page in a headless Chromium, ready for clicks."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route, sync_playwright

from tools.client import Client

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # else a page that `answer` serves may not open the socket of its server
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
)
FIRST_VISIT = {"Comfy.TutorialCompleted": True}  # else a dialog lies over everything
NO_BANNER = "localStorage.setItem('vueNodesBannerDismissed', 'true')"
READY = "window.app?.graph && Object.keys(LiteGraph.registered_node_types).length > 100"
START_MS = 120_000


def find_browser() -> str | None:
    """The Chromium of this machine."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET))
        yield browser
        browser.close()


def visit(
    browser: Browser, client: Client, *, frontend: Path | None = None, nodes_2: bool = False
) -> Page:
    """A fresh visit; `answered` and `broken` list the addresses that answered and the errors.

    `frontend` is a folder whose page replaces that of the server;
    `nodes_2` draws nodes as elements of the page (Nodes 2.0), not on LiteGraph's canvas.
    """
    client.post("/api/settings", FIRST_VISIT | {"Comfy.VueNodes.Enabled": nodes_2})
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_default_timeout(START_MS)
    page.answered, page.broken = [], []
    page.on("requestfinished", lambda request: page.answered.append(request.url))
    page.on("pageerror", lambda error: page.broken.append(str(error)))
    page.add_init_script(NO_BANNER)
    if frontend is not None:
        page.route("**/*", lambda route: answer(route, frontend))
    page.goto(client.url)
    page.wait_for_function(READY)
    return page


def answer(route: Route, frontend: Path) -> None:
    """Answers with a file of `frontend` if there is one, else lets the server answer."""
    name = urlsplit(route.request.url).path.strip("/") or "index.html"
    file = (frontend / name).resolve()
    if file.is_file() and file.is_relative_to(frontend.resolve()):
        route.fulfill(path=file)
    else:
        route.continue_()


@contextlib.contextmanager
def open_page(client: Client) -> Iterator[Page]:
    """A visit to the server's own page in a new browser."""
    with open_browser() as browser:
        yield visit(browser, client)
