"""Templates as they open, on both front ends and in both renderers: no node lies on another, and
all of them are on a page of 1600x1000 at the zoom that the template opens with."""

import pytest

from tests.browser.visit import keep_picture
from tools.draw_workflows import PINNED_SCALE
from tools.released import WORKFLOWS, read

pytestmark = pytest.mark.browser

NAMES = (
    "storyboard",
    "draft_then_final",
    "image_to_video",
    "caption_and_remake",
    "host_wan22_i2v_lightning",
)
PAGE = {"width": 1600, "height": 1000}
OVERLAP = 6  # pixels of the graph: borders and shadows

OPEN = """async drawn => {
    await app.loadGraphData({...drawn, extra: {...drawn.extra, linearMode: false}})
    await new Promise(done => setTimeout(done, 1200))
}"""
BOXES = """() => app.graph.nodes.map(node => {
    const shown = document.querySelector(`[data-node-id="${node.id}"]`)
    const {scale} = app.canvas.ds
    if (!shown) {
        const [x, y, width, height] = node.boundingRect ?? node.getBounding()
        return [node.type, x, y, x + width, y + height]
    }
    const {left, top, right, bottom} = shown.getBoundingClientRect()
    return [node.type, ...[left, top, right, bottom].map(side => side / scale)]
})"""
SCREEN = """() => app.graph.nodes.map(node => {
    const shown = document.querySelector(`[data-node-id="${node.id}"]`)
    if (shown) {
        const {left, top, right, bottom} = shown.getBoundingClientRect()
        return [node.type, left, top, right, bottom]
    }
    const [x, y, width, height] = node.boundingRect ?? node.getBounding()
    const {scale, offset} = app.canvas.ds
    const {left, top} = app.canvas.canvas.getBoundingClientRect()
    const place = (at, axis) => (at + offset[axis]) * scale + [left, top][axis]
    return [node.type, place(x, 0), place(y, 1), place(x + width, 0), place(y + height, 1)]
})"""
BLANK = """() => app.graph.nodes.filter(node =>
        !LiteGraph.vueNodesMode && node.comfyClass?.startsWith('Sora')).map(node =>
    [node.type, node.size[1] - node.computeSize()[1],
     node.widgets?.some(widget => widget.name === 'text') ?? false])"""


def overlaps(boxes):
    """Pairs of nodes that share more than a border."""
    for i, (one, left, top, right, bottom) in enumerate(boxes):
        for other, *box in boxes[i + 1 :]:
            wide = min(right, box[2]) - max(left, box[0])
            tall = min(bottom, box[3]) - max(top, box[1])
            if wide > OVERLAP and tall > OVERLAP:
                yield one, other, round(wide), round(tall)


@pytest.mark.parametrize("name", NAMES)
def test_no_node_of_a_template_lies_on_another_or_is_half_empty(any_page, name):
    any_page.set_viewport_size(PAGE)
    any_page.evaluate(OPEN, read(WORKFLOWS / f"sora_{name}.json"))
    keep_picture(any_page, f"layout_{any_page.name}_{name}")
    assert list(overlaps(any_page.evaluate(BOXES))) == []
    # the pinned page moves nodes apart in Nodes 2.0, and leaves the zoom as it was
    spread = PINNED_SCALE if any_page.name == "pinned_nodes2" else 1
    for kind, left, top, right, bottom in any_page.evaluate(SCREEN):
        assert left >= 0 and top >= 0, kind
        assert right <= PAGE["width"] * spread and bottom <= PAGE["height"] * spread, kind
    # Nodes 2.0 sizes a node by what it holds, and `computeSize` is not about that
    for kind, spare, text in any_page.evaluate(BLANK):
        assert spare < (160 if text else 60), kind
    assert any_page.broken == []
