"""What a user does on ComfyUI's page: opens a template, presses the button, drags, drops a file."""

from playwright.sync_api import Page

from tools.host import ROOT

PICTURES = ROOT / "runs" / "browser"
RUN_MS = 600_000

LISTEN = """() => {
    window.outcome = null
    for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
        app.api.addEventListener(kind, event => { window.outcome = [kind, event.detail] })
}"""

DROP = """async ([file, name, type]) => {
    const found = await fetch(app.api.apiURL('/view?' + new URLSearchParams(file)))
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([await found.blob()], name, {type}))
    const place = document.getElementById('graph-canvas')
    for (const kind of ['dragover', 'drop'])
        place.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}))
}"""

PLACE = """async ([type, seconds]) => {
    const {scaleOf, viewOf} = await import(app.api.fileURL('/extensions/sora_nodes/timeline.js'))
    const node = app.graph.nodes.find(node => node.type === type)
    const widget = node.widgets.find(widget => widget.name === 'timeline')
    const x = scaleOf(node.size[0], viewOf(widget.plan())).x(seconds)
    return app.canvasPosToClientPos([node.pos[0] + x, node.pos[1] + widget.y + 20])
}"""


def open_template(page: Page, name: str) -> None:
    page.locator(".templates-tab-button").click()
    page.get_by_test_id(f"template-workflow-{name}").click()
    page.get_by_test_id("template-workflows-content").wait_for(state="hidden")


def run(page: Page) -> list:
    """How it ended, and the details that the page is told."""
    page.evaluate(LISTEN)
    page.get_by_test_id("queue-button").locator("button").first.click()
    page.wait_for_function("window.outcome", timeout=RUN_MS)
    return page.evaluate("window.outcome")


def keep_picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def drag(page: Page, kind: str, start: float, end: float) -> None:
    """Takes what lies at second `start` of the timeline of a node and leaves it at `end`."""
    source, target = (page.evaluate(PLACE, [kind, seconds]) for seconds in (start, end))
    page.mouse.move(*source)
    page.mouse.down()
    page.mouse.move(*target, steps=5)
    page.mouse.up()


def drop(page: Page, file: dict[str, str], media_type: str) -> None:
    """Drops an output of the server on the canvas of the page."""
    page.evaluate(DROP, [file, file["filename"], media_type])


def widgets(page: Page, kind: str) -> dict:
    """The values of the first node of a kind."""
    read = """kind => Object.fromEntries(
        app.graph.nodes.find(node => node.type === kind).widgets.map(({name, value}) =>
            [name, value]))"""
    return page.evaluate(read, kind)
