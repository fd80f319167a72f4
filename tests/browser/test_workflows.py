"""Every workflow opens from the template browser and runs at the press of a button."""

import pytest

from tests.browser.visit import keep_picture, open_template, run
from tools.host import ROOT

pytestmark = pytest.mark.browser

WORKFLOWS = sorted(path.stem for path in ROOT.glob("workflows/*.json"))
OURS = [name for name in WORKFLOWS if not name.startswith("host_")]  # others need downloads

PLAYS = """() => {
    const saved = app.graph.nodes.filter(node => node.type === 'SaveVideo')
    const videos = saved.map(node => node.videoContainer?.querySelector('video'))
    return videos.every(video => video && !video.paused && video.currentTime > 0)
}"""


@pytest.mark.parametrize("name", OURS)
def test_a_workflow_opens_from_the_templates_and_runs(page, name):
    open_template(page, name)
    kind, detail = run(page)
    assert kind == "execution_success", detail
    page.wait_for_function(PLAYS, timeout=10_000)
    keep_picture(page, name)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_opens_without_a_complaint(page, name):
    open_template(page, name)
    page.wait_for_timeout(1000)
    assert "".join(page.locator(".p-toast, .p-dialog").all_inner_texts()) == ""


def test_the_page_asks_nobody_else_and_breaks_nowhere(page, server):
    elsewhere = [
        url for url in page.answered if not url.startswith((server.client.url, "data:", "blob:"))
    ]
    assert elsewhere == []
    assert page.broken == []
