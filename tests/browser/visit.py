"""What a user does on ComfyUI's page: opens a template, presses the button, drags, drops a file."""

import contextlib
from collections.abc import Callable
from typing import Any, Literal

from playwright.sync_api import Locator, Page, Route, TimeoutError

from tools.graph import Graph
from tools.host import ROOT

PICTURES = ROOT / "runs" / "browser"
RUN_MS = 600_000
PRESSES, ENTRY_MS, TEMPLATE_MS, LIST_MS = 5, 3_000, 15_000, 10_000
POLL_MS = 50  # a page that is asked at each of its frames draws them all

SignState = Literal["visible", "hidden"]

LISTEN = """() => {
    if (window.outcome !== undefined) {
        window.outcome = null
        return
    }
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
    const {xOf} = await import(app.api.fileURL('/extensions/sora_nodes/view.js'))
    const node = app.graph.nodes.find(node => node.type === type)
    const {element, view} = node.widgets.find(widget => widget.name === 'timeline')
    const {left, top, width} = element.getBoundingClientRect()
    const scale = width / element.clientWidth
    return [left + xOf(view(), seconds) * scale, top + 32 * scale]
}"""


SHOW = """async graph => {
    const tabs = app.extensionManager.workflow
    for (const tab of [...tabs.openWorkflows])
        if (tab.path !== tabs.activeWorkflow?.path) await tabs.closeWorkflow(tab)
    await app.loadApiJson(graph, 'shown')
}"""

WIDGET = """async ([id, name]) => {
    const node = app.graph.getNodeById(id)
    app.canvas.ds.scale = 1
    app.canvas.centerOnNode(node)
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame)  // laid out as it is drawn
    const widget = node.widgets.find(widget => widget.name === name)
    const place = [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.y + 10]
    return app.canvasPosToClientPos(place)
}"""

VALUE = "([id, name]) => app.graph.getNodeById(id).widgets.find(one => one.name === name).value"


def press_until(press: Callable[[], None], sign: Locator, state: SignState, wait_ms: int) -> None:
    """Presses again if nothing happened: a page under load moves or redraws its elements, and an
    element that is pressed meanwhile gets no event."""
    for _ in range(PRESSES):
        with contextlib.suppress(TimeoutError):
            press()
            sign.wait_for(state=state, timeout=wait_ms)
            return
    sign.wait_for(state=state)


def opened_as_graph(route: Route) -> None:
    """Answers with the template, as one that opens as a graph and not as an app."""
    response = route.fetch()
    drawn = response.json()
    drawn["extra"]["linearMode"] = False
    route.fulfill(response=response, json=drawn)


def open_template(page: Page, name: str, *, as_app: bool = False) -> None:
    if not as_app:
        page.route(f"**/sora_{name}.json*", opened_as_graph)
    page.locator(".templates-tab-button").click()
    card = page.get_by_test_id(f"template-workflow-sora_{name}")
    templates = page.get_by_test_id("template-workflows-content")

    def press() -> None:
        with contextlib.suppress(TimeoutError):
            card.wait_for(state="attached", timeout=LIST_MS)
        if not card.count():  # newer pages add cards as the list is scrolled: search for it
            box = page.locator("input[placeholder^=Search]:visible").last
            box.fill("" if box.input_value() else f"sora_{name}")
        card.click(timeout=TEMPLATE_MS)

    press_until(press, templates, "hidden", TEMPLATE_MS)


def show(page: Page, graph: Graph) -> None:
    """Opens a graph in API form, and closes all but the last that was open."""
    page.evaluate(SHOW, graph)


def type_into(page: Page, node: str, name: str, text: str) -> Any:
    """What a widget holds once `text` is typed into it."""
    entry = page.locator("textarea:focus, .graphdialog input")

    def press() -> None:
        page.mouse.click(*page.evaluate(WIDGET, [node, name]))

    press_until(press, entry, "visible", ENTRY_MS)
    entry.fill(text)
    if page.locator(".graphdialog").count():
        page.keyboard.press("Enter")
    return page.evaluate(VALUE, [node, name])


RUN_BUTTON = "[data-testid=queue-button] button, button[data-testid=queue-button]"
"""Older pages have a group of two by this name, newer ones the button itself."""


def press_run(page: Page) -> None:
    """Presses the button; how it ends will be in `window.outcome`."""
    page.evaluate(LISTEN)
    page.locator(RUN_BUTTON).first.click()


def read_dialog(page: Page) -> str:
    """The text of the dialog in front of the page."""
    return page.locator(".p-dialog").inner_text()


def close_dialog(page: Page) -> None:
    page.keyboard.press("Escape")
    page.locator(".p-dialog").wait_for(state="hidden")


def run(page: Page) -> list:
    """The outcome, and the details that the page receives."""
    press_run(page)
    page.wait_for_function("window.outcome", timeout=RUN_MS, polling=POLL_MS)
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
