"""Prompts that say everything, clips painted side by side as one by one, and shares that add up."""

import pytest
import torch

from sora_core.measure.fidelity import Settings, Wish, canvas_for, paint, painted, wishes
from sora_core.measure.reader import Reading, shares
from sora_core.pipeline import generate, load
from sora_core.shapes import Size
from sora_core.world import words
from sora_core.world.scene import is_held_out
from tests.tiny import write_tiny

SAID = {
    "colour": (words.COLOURS,),
    "shape": (words.SHAPES,),
    "camera": (words.CAMERAS,),
    "floor": (words.FLOORS, words.GROUNDS),
    "sky": (words.SKIES, words.LIGHTS),
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("model")))


def test_every_prompt_is_of_a_combination_that_training_never_shows():
    asked = [wish.asked for wish in wishes(50)]
    assert all(is_held_out(a["shape"], a["colour"], a["motion"]) for a in asked)


@pytest.mark.parametrize("name", SAID)
def test_every_prompt_states_the_answer(name):
    for wish in wishes(50):
        ways = [way for table in SAID[name] for way in table[wish.asked[name]]]
        said = wish.prompt.lower()
        assert any(way.lower().removeprefix("across ") in said for way in ways), wish


def test_another_seed_asks_for_other_clips():
    assert not {w.prompt for w in wishes(20)} & {w.prompt for w in wishes(20, seed=20)}


def test_clips_painted_together_are_those_painted_one_by_one(pipeline):
    canvas = canvas_for(Size(32, 32, 5), 8.0)
    wanted = [
        Wish("a red ball", {}, 1),
        Wish("a small blue cube slides to the left on sand", {}, 2),
    ]
    together = paint(pipeline, wanted, canvas, Settings(steps=3, guidance=3.0))
    for latent, wish in zip(together.split(1), wanted, strict=True):
        alone = generate(pipeline, wish.prompt, canvas, wish.seed, steps=3, guidance=3.0)
        torch.testing.assert_close(latent, alone, atol=1e-4, rtol=1e-4)


def test_each_wish_is_painted_once_in_order(pipeline):
    size = Size(32, 32, 5)
    wanted = wishes(9)
    seen = list(painted(pipeline, wanted, canvas_for(size, 8.0), Settings(steps=1, guidance=1.0)))
    assert [wish for wish, _ in seen] == wanted
    assert {tuple(frames.shape) for _, frames in seen} == {(5, 32, 32, 3)}


def test_all_counts_only_clips_without_a_mistake():
    right, wrong = {"colour": "red", "shape": "ball"}, {"colour": "red", "shape": "cube"}
    readings = [Reading(right, right), Reading(right, wrong), Reading(right, right)]
    found = {figure.name: figure.value for figure in shares(readings, "reader_")}
    assert found == {"reader_colour": 1, "reader_shape": 2 / 3, "reader_all": 2 / 3}
