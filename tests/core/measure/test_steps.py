"""`measure steps`: how arms are compared, counted and written."""

import pytest
import torch

from sora_core.measure.heldout_clips import empty_canvas
from sora_core.measure.steps import FULL_ARM, Arm, Cost, Quality, arm_figures, of_limit, sampled
from sora_core.measure.world.row import mean_row
from sora_core.pipeline.generate import load
from tests.support.tiny import write_tiny

QUALITIES = {
    FULL_ARM: Quality({"shape": 0.8, "loop": 0.4}, 1.0, 0.5),
    "4": Quality({"shape": 0.7, "loop": 0.44}, 0.9, 0.45),
}
COSTS = {FULL_ARM: Cost(33, 40, 0.8), "4": Cost(4, 4, 0.1)}


def test_an_arm_is_compared_with_the_full_one():
    found = {figure.name: figure.value for figure in arm_figures("4", QUALITIES, COSTS)}
    assert found["4/points_below_full"] == pytest.approx((10 - 4) / 2)
    assert found["4/diversity_of_full"] == pytest.approx(0.9)
    assert found["4/fewer_evaluations"] == 33 / 4
    assert found["4/fewer_evaluations_in_edits"] == 10
    assert found["4/faster"] == pytest.approx(8)


def test_a_ruler_is_a_share_of_its_limit_and_rows_without_one_count_whole():
    half = mean_row("a", [1.0], [0.8], [0.4])
    assert of_limit([half, mean_row("b", [], [], [0.9])]) == pytest.approx((0.5 + 0.9) / 2)
    assert of_limit([half, mean_row("c", [1.0], [0.0], [0.3])]) == pytest.approx(0.5)


@pytest.mark.parametrize("steps", [1, 3])
def test_guidance_costs_a_second_prediction_in_each_step_that_has_it(tmp_path, steps):
    torch.manual_seed(0)
    arm = Arm("n", load(write_tiny(tmp_path)), steps)
    evaluations, seconds = sampled(arm, "a red ball", empty_canvas())
    assert steps <= evaluations <= 2 * steps
    assert seconds > 0
