"""Complete prompts, clips that batches generate as single runs do, and shares that add up."""

import pytest
import torch

from sora_core.measure.classifier import ClassifierResult, right_shares
from sora_core.measure.fidelity import (
    ClipRequest,
    SampleSettings,
    canvas_of_size,
    clip_requests,
    generate_batch,
    generated_clips,
)
from sora_core.pipeline.generate import generate, load
from sora_core.shapes import Size
from sora_core.world import words
from sora_core.world.scene import is_held_out
from tests.support.tiny import write_tiny

TEXT = {
    "colour": (words.COLOUR_WORDS,),
    "shape": (words.SHAPE_WORDS,),
    "camera": (words.CAMERA_SENTENCES,),
    "floor": (words.FLOOR_PHRASES, words.GROUNDS),
    "sky": (words.SKY_PHRASES, words.LIGHTS),
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("model")))


def test_every_prompt_is_of_a_combination_that_training_never_shows():
    asked = [wish.asked for wish in clip_requests(50)]
    assert all(is_held_out(a["shape"], a["colour"], a["motion"]) for a in asked)


@pytest.mark.parametrize("name", TEXT)
def test_every_prompt_states_the_answer(name):
    for wish in clip_requests(50):
        phrases = [variant for table in TEXT[name] for variant in table[wish.asked[name]]]
        text = wish.prompt.lower()
        assert any(variant.lower().removeprefix("across ") in text for variant in phrases), wish


def test_another_seed_asks_for_other_clips():
    assert not {w.prompt for w in clip_requests(20)} & {
        w.prompt for w in clip_requests(20, seed=20)
    }


def test_clips_generated_together_are_those_generated_one_by_one(pipeline):
    canvas = canvas_of_size(Size(32, 32, 5), 8.0)
    wanted = [
        ClipRequest("a red ball", {}, 1),
        ClipRequest("a small blue cube slides to the left on sand", {}, 2),
    ]
    together = generate_batch(pipeline, wanted, canvas, SampleSettings(steps=3, guidance=3.0))
    for latent, wish in zip(together.split(1), wanted, strict=True):
        alone = generate(pipeline, wish.prompt, canvas, wish.seed, steps=3, guidance=3.0)
        torch.testing.assert_close(latent, alone, atol=1e-4, rtol=1e-4)


def test_each_wish_is_generated_once_in_order(pipeline):
    size = Size(32, 32, 5)
    wanted = clip_requests(9)
    observed = list(
        generated_clips(
            pipeline, wanted, canvas_of_size(size, 8.0), SampleSettings(steps=1, guidance=1.0)
        )
    )
    assert [wish for wish, _ in observed] == wanted
    assert {tuple(frames.shape) for _, frames in observed} == {(5, 32, 32, 3)}


def test_all_counts_only_clips_without_a_mistake():
    right, wrong = {"colour": "red", "shape": "ball"}, {"colour": "red", "shape": "cube"}
    readings = [
        ClassifierResult(right, right),
        ClassifierResult(right, wrong),
        ClassifierResult(right, right),
    ]
    found = {figure.name: figure.value for figure in right_shares(readings, "reader_")}
    assert found == {"reader_colour": 1, "reader_shape": 2 / 3, "reader_all": 2 / 3}
