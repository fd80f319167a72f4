"""Wrong, missing, tiny and huge inputs as a user meets them: one sentence on the node."""

import json

import pytest

from tests.browser.visit import LISTEN, keep_picture
from tools.host import ROOT

pytestmark = pytest.mark.browser

LONGEST = 300  # letters of a sentence, with the host's own words around ours

CASES = {  # the graph, the node, an input, its value (none cuts the link), and a word of the answer
    "tiny": ("text_to_video", "SoraCanvas", "width", 1, "min"),
    "huge": ("text_to_video", "SoraCanvas", "height", 10**6, "max"),
    "endless": ("text_to_video", "SoraCanvas", "seconds", 1e9, "max"),
    "not a choice": ("text_to_video", "SoraCanvas", "aspect", "7:5", "choose one of"),
    "no such model": ("text_to_video", "SoraLoadModel", "model", "x.safetensors", "choose one of"),
    "no steps": ("text_to_video", "SoraSchedule", "steps", 0, "min"),
    "no clip": ("text_to_video", "SoraEncodePrompt", "clip", None, "missing"),
    "no guider": ("text_to_video", "SoraSample", "guider", None, "missing"),
    "no footage": ("loop_video", "SoraLoopVideo", "canvas", None, "connect one"),
    "too short a change": ("morph_videos", "SoraMorphVideos", "seconds", 0.05, "choose"),
    "too late": ("edit_video", "SoraEditVideo", "start", 100.0, "start earlier"),
    "no shots": ("storyboard", "SoraStoryboard", "text", "", "write one line"),
    "a gap": ("storyboard", "SoraStoryboard", "text", "0-1s: a ball\n2-4s: a cube", "start it at"),
}

SPOIL = """async ([graph, type, name, value]) => {
    await app.loadApiJson(graph, 'spoiled')
    const node = app.graph.nodes.find(node => node.type === type)
    if (value === null) node.disconnectInput(node.inputs.findIndex(input => input.name === name))
    else node.widgets.find(widget => widget.name === name).value = value
    return String(node.id)
}"""

SAID = """() => {
    if (window.outcome) {
        const [kind, detail] = window.outcome
        return [kind, String(detail.node_id), detail.exception_message]
    }
    for (const [node, {errors}] of Object.entries(app.lastNodeErrors ?? {}))
        return ['refused', node, `${errors[0].message}: ${errors[0].details}`]
}"""


@pytest.mark.parametrize("case", CASES)
def test_a_bad_input_is_told_in_one_sentence_on_its_node(page, case):
    name, kind, field, value, word = CASES[case]
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text("utf-8"))
    node = page.evaluate(SPOIL, [graph, kind, field, value])
    page.evaluate(LISTEN)
    page.get_by_test_id("queue-button").locator("button").first.click()
    ended, blamed, said = page.wait_for_function(SAID).json_value()
    page.locator(".p-dialog").first.wait_for()
    keep_picture(page, f"error {case}")
    page.keyboard.press("Escape")
    assert (ended in ("refused", "execution_error"), blamed) == (True, node)
    assert word in said and len(said) <= LONGEST and "Traceback" not in said, said
