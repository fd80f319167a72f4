"""Every workflow opens from the template browser and runs at the press of a button."""

import json
import re

import pytest

from tests.browser.visit import close_dialog, keep_picture, open_template, run
from tools.host import ROOT
from tools.host_models import ADDRESSES, NEEDS_NEWER, files_of_models

pytestmark = pytest.mark.browser

WORKFLOWS = sorted(path.stem for path in ROOT.glob("workflows/api/*.json"))
OURS = [name for name in WORKFLOWS if not name.startswith("host_")]
OTHERS = [  # need models to download
    name for name in WORKFLOWS if name not in OURS and name not in NEEDS_NEWER
]

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


def test_the_page_asks_nobody_else_and_breaks_nowhere(page, server):
    elsewhere = [
        url for url in page.answered if not url.startswith((server.client.url, "data:", "blob:"))
    ]
    assert elsewhere == []
    assert page.broken == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_workflow_for_other_models_opens_and_offers_the_files_it_needs(page, name):
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text("utf-8"))
    wanted = {file for files in files_of_models(graph).values() for file in files}
    open_template(page, name)
    offered = re.findall(r"(\w+) / (\S+\.safetensors)", complaints(page))
    assert set(offered) == {(ADDRESSES[file][0], file) for file in wanted}
    close_dialog(page)
    assert page.broken == []
