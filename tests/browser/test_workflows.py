"""Every workflow opens from the template browser and runs at the press of a button."""

import pytest

from tests.browser.visit import keep_picture, open_template, run
from tools.host import ROOT

pytestmark = pytest.mark.browser

WORKFLOWS = sorted(path.stem for path in ROOT.glob("workflows/api/*.json"))
OTHERS = [name for name in WORKFLOWS if name.startswith("host_")]  # need models to download
OURS = [name for name in WORKFLOWS if name not in OTHERS]

PLAYS = """() => {
    const saved = app.graph.nodes.filter(node => node.type === 'SaveVideo')
    const videos = saved.map(node => node.videoContainer?.querySelector('video'))
    return videos.every(video => video && !video.paused && video.currentTime > 0)
}"""

SCROLL = """() => {  // a wide graph ends outside of the window, where the browser pauses videos
    const saved = app.graph.nodes.findLast(node => node.type === 'SaveVideo')
    if (saved) app.canvas.centerOnNode(saved)
}"""


def complaints(page):
    page.wait_for_timeout(1000)
    return "".join(page.locator(".p-toast, .p-dialog").all_inner_texts())


@pytest.mark.parametrize("name", OURS)
def test_a_workflow_opens_from_the_templates_and_runs(page, name):
    open_template(page, name)
    assert complaints(page) == ""
    kind, detail = run(page)
    assert kind == "execution_success", detail
    page.evaluate(SCROLL)
    page.wait_for_function(PLAYS, timeout=10_000)
    keep_picture(page, name)


@pytest.mark.parametrize("name", OTHERS)
def test_a_workflow_for_other_models_opens_without_a_complaint(page, name):
    open_template(page, name)
    assert complaints(page) == ""


def test_the_page_asks_nobody_else_and_breaks_nowhere(page, server):
    elsewhere = [
        url for url in page.answered if not url.startswith((server.client.url, "data:", "blob:"))
    ]
    assert elsewhere == []
    assert page.broken == []
