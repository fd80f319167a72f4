"""Each blueprint is found by its name, has the widgets of its job, and generates."""

import pytest

from tests.browser.visit import keep_picture, run
from tools.draw_subgraphs import ALWAYS, JOBS

pytestmark = pytest.mark.browser

BLUEPRINT = "app.graph.nodes.find(node => node.isSubgraphNode?.())"

WIRED = """([file, still]) => {
    const made = app.graph.nodes.find(node => node.isSubgraphNode?.())
    const add = (type, widgets) => {
        const node = LiteGraph.createNode(type)
        app.graph.add(node)
        for (const [name, value] of Object.entries(widgets))
            node.widgets.find(widget => widget.name === name).value = value
        return node
    }
    if (made.inputs[0]?.type === 'IMAGE') add('LoadImage', {image: still}).connect(0, made, 0)
    else if (made.inputs.length) add('LoadVideo', {file}).connect(0, made, 0)
    made.connect(0, add('SaveVideo', {filename_prefix: 'sora/blueprint'}), 0)
    made.widgets.find(widget => widget.name.endsWith('steps')).value = 1
}"""


def add_by_name(page, name):
    """As a user does: opens the search, types the name, chooses it."""
    page.evaluate("app.graph.clear()")
    page.evaluate("app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.get_by_role("combobox").last.fill(name)
    found = page.locator("[role=option], [data-testid=result-item]").filter(has_text=name)
    found.first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function(BLUEPRINT)


def test_the_server_lists_every_blueprint(client):
    listed = client.get("/global_subgraphs").values()
    ours = {one["name"] for one in listed if one["info"]["node_pack"].endswith("sora_nodes")}
    assert ours == set(JOBS)


@pytest.mark.parametrize("name", list(JOBS)[:1])
def test_a_blueprint_is_found_by_its_name_in_every_page(any_page, name):
    add_by_name(any_page, name)
    titles = any_page.evaluate("app.graph.nodes.map(node => node.title)")
    assert name in titles


@pytest.mark.parametrize("name", JOBS)
def test_a_blueprint_is_one_node_that_generates(page, name):
    add_by_name(page, name)
    displayed = page.evaluate(f"{BLUEPRINT}.widgets.map(widget => widget.name)")
    displayed = [
        widget for widget in displayed if not widget.startswith("$$")
    ]  # the page's own previews
    assert [widget.split(": ")[-1] for widget in displayed] == [
        widget for _, widget in (*JOBS[name].displayed, *ALWAYS)
    ]
    page.evaluate(WIRED, ["sora_cube.mp4", "sora_still.png"])
    kind, detail = run(page)
    keep_picture(page, name)
    assert kind == "execution_success", detail
