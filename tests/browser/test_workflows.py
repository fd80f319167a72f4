"""Every workflow opens from the template browser and runs at the press of a button."""

import pytest

from tools.host import ROOT

pytestmark = pytest.mark.browser

WORKFLOWS = sorted(path.stem for path in ROOT.glob("workflows/*.json"))
PICTURES = ROOT / "runs" / "browser"
RUN_MS = 600_000

LISTEN = """() => {
    window.outcome = null
    for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
        app.api.addEventListener(kind, event => { window.outcome = [kind, event.detail] })
}"""


def open_template(page, name):
    page.locator(".templates-tab-button").click()
    page.get_by_test_id(f"template-workflow-{name}").click()
    page.get_by_test_id("template-workflows-content").wait_for(state="hidden")


def run(page):
    page.evaluate(LISTEN)
    page.get_by_test_id("queue-button").locator("button").first.click()
    page.wait_for_function("window.outcome", timeout=RUN_MS)
    return page.evaluate("window.outcome")


OURS = [name for name in WORKFLOWS if not name.startswith("host_")]  # others need downloads


@pytest.mark.parametrize("name", OURS)
def test_a_workflow_opens_from_the_templates_and_runs(page, name):
    open_template(page, name)
    kind, detail = run(page)
    page.wait_for_timeout(1000)  # the page draws what came back
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")
    assert kind == "execution_success", detail


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
