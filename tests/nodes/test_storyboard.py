"""A storyboard becomes prompts over time, for the canvas, for the sampler and for its reader."""

import pytest
import torch
from sora_nodes.nodes.host.models.clip import load_clip
from sora_nodes.nodes.prompt import SHOTS, SoraEncodePrompt, SoraStoryboard
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import PromptError
from sora_nodes.sora_core.sampling.prompt_spans import SPAN_KEY

CANVAS = Canvas(width=64, height=64, seconds=2)


@pytest.fixture(scope="module")
def clip():
    return load_clip()


def texts(clip, text, canvas=CANVAS, style="general", level="off", seed=0):
    return SoraStoryboard.execute(canvas, clip, text, style, level, seed).result


def test_what_the_node_begins_with_works(clip):
    canvas, prompts, script = texts(clip, SHOTS)
    assert [span.prompt for span in canvas.prompts] == [
        "a red ball rolls to the left on grass",
        "The red ball bounces",
    ]
    assert [options[SPAN_KEY] for _, options in prompts] == [(0, 1), (1, 2)]
    assert script.splitlines()[1] == "1-2s: The red ball bounces"


def test_each_shot_is_encoded_as_a_prompt_is(clip):
    _, prompts, _ = texts(clip, "a red ball; a blue cube")
    for (states, _), text in zip(prompts, ("a red ball", "a blue cube"), strict=True):
        ((alone, _),) = SoraEncodePrompt.execute(clip, text).result[0]
        assert torch.equal(states, alone)


def test_the_script_is_a_storyboard_of_the_same_shots(clip):
    canvas, _, script = texts(clip, "a fox runs\nit jumps\nit eats\nit sleeps", level="full")
    again, _, same = texts(clip, script)
    assert same == script
    assert again.prompts == canvas.prompts


def test_what_lay_on_the_canvas_still_lies_there(clip):
    placed = Canvas(width=32, height=32, seconds=2, ring=True)
    canvas, _, _ = texts(clip, "a fox; a cat", placed)
    assert (canvas.width, canvas.ring, len(canvas.prompts)) == (32, True, 2)


@pytest.mark.parametrize("text", ["", "0-1s: a fox", "0-1s: a fox\na cat"])
def test_a_storyboard_that_does_not_fill_the_canvas_is_refused(clip, text):
    with pytest.raises(PromptError):
        texts(clip, text)
