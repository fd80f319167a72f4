"""A workflow, of today or as it was released, opens with each value in its own place."""

import pytest

from tools.draw_workflows import PREFIX
from tools.host import ROOT
from tools.host_models import NEEDS_NEWER
from tools.released import RELEASED, WORKFLOWS, read

pytestmark = pytest.mark.browser

PLACES = [WORKFLOWS, *sorted(RELEASED.glob("*"))]
DRAWN = [
    path
    for place in PLACES
    for path in sorted(place.glob("*.json"))
    if path.stem.removeprefix(PREFIX) not in NEEDS_NEWER
]

OPEN = """async drawn => {
    await app.loadGraphData(drawn)
    return (await app.graphToPrompt()).output
}"""


LACKING = """() => {
    const {inputs, outputs} = app.graph.extra.linearData
    const nodes = new Map(app.graph.nodes.map(node => [node.id, node]))
    const absent = inputs.filter(([id, name]) =>
        !nodes.get(id)?.widgets?.some(widget => widget.name === name))
    return [...absent, ...outputs.filter(id => !nodes.has(id))]
}"""


@pytest.mark.parametrize("path", DRAWN, ids=[str(path.relative_to(ROOT)) for path in DRAWN])
def test_a_drawn_workflow_queues_the_graph_it_stands_for(page, path):
    queued, preserved = (
        page.evaluate(OPEN, read(path)),
        read(path.parent / "api" / path.name.removeprefix(PREFIX)),
    )
    for key, node in preserved.items():
        assert queued[key]["class_type"] == node["class_type"]
        assert {name: queued[key]["inputs"].get(name) for name in node["inputs"]} == node["inputs"]
    if path.parent == WORKFLOWS:
        assert page.evaluate(LACKING) == []  # as an app it shows widgets and results that it has
