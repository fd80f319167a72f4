"""What a user does on ComfyUI's page: opens a template, presses the button, drags, drops a file."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from playwright.sync_api import Locator, Page, Route, TimeoutError

from tools.graph import Graph
from tools.host import ROOT

PICTURES = ROOT / "runs" / "browser"
RUN_MS = 600_000
PRESSES, ENTRY_MS, TEMPLATE_MS, LIST_MS = 5, 3_000, 15_000, 10_000
POLL_MS = 50  # a page that is asked at each of its frames draws them all

WAIT_S = 30  # for what a gesture sets off: a page under load is slow
STEADY_POLLS, STEADY_MS = 3, 100  # the timelines of a page are redrawn every 100 ms
TRACK = 32  # pixels of a timeline, from its top to the footage

SignState = Literal["visible", "hidden"]
Found = TypeVar("Found")

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

TIMELINE = """type => {
    const of = node => node.widgets?.find(widget => widget.name === 'timeline')
    return of(app.graph.nodes.findLast(node => of(node) && (!type || node.type === type)) ?? {})
}"""
"""The last timeline of the graph, or that of a node of a type."""

PLACE = f"""async ([type, seconds, y]) => {{
    const {{xOf}} = await import(app.api.fileURL('/extensions/sora_nodes/view.js'))
    const {{element, view}} = ({TIMELINE})(type)
    const {{left, top, width}} = element.getBoundingClientRect()
    const scale = width / element.clientWidth
    return [left + xOf(view(), seconds) * scale, top + y * scale]
}}"""

STEADY = f"""([type, polls]) => {{
    const {{element}} = ({TIMELINE})(type) ?? {{}}
    if (!element?.isConnected || element.clientWidth < 100) return false
    const {{x, y, width, height}} = element.getBoundingClientRect()
    if (!element.contains(document.elementFromPoint(x + width / 2, y + height / 2))) return false
    const state = JSON.stringify([x, y, width, height, element.firstChild.toDataURL()])
    const before = window.timelineBefore
    window.timelineBefore = {{state, polls: before?.state === state ? before.polls + 1 : 0}}
    return window.timelineBefore.polls >= polls
}}"""

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


def read_until(page: Page, read: Callable[[], Found], holds: Callable[[Found], bool]) -> Found:
    """What `read` returns once it `holds`, or after `WAIT_S` seconds whatever it is then."""
    end = time.monotonic() + WAIT_S
    while not holds(found := read()) and time.monotonic() < end:
        page.wait_for_timeout(POLL_MS)
    return found


def wait_steady(page: Page, kind: str | None = None) -> None:
    """Waits until the timeline of a node of `kind`, or the last one, no longer moves or changes.

    A node is laid out some frames after it is added, and its footage is read one frame at a time.
    """
    page.evaluate("window.timelineBefore = null")
    page.wait_for_function(STEADY, arg=[kind, STEADY_POLLS], polling=STEADY_MS)


def press_and_move(
    page: Page, start: float, end: float, *, kind: str | None = None, row: int = TRACK
) -> None:
    """Presses at one second of a timeline, and moves to another without letting go."""
    page.mouse.move(*page.evaluate(PLACE, [kind, start, row]))
    page.mouse.down()
    page.mouse.move(*page.evaluate(PLACE, [kind, end, row]), steps=8)


def drag(
    page: Page, start: float, end: float, *, kind: str | None = None, row: int = TRACK
) -> None:
    """Takes what lies at second `start` of a timeline and leaves it at `end`."""
    press_and_move(page, start, end, kind=kind, row=row)
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
