"""Prompts count within their seconds, and their weights always add up to one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import ConfigError
from sora_core.sampling.loop import loop_denoiser_at
from sora_core.sampling.prompt_spans import (
    SPAN_KEY,
    blend_predictions,
    counting_prompts,
    span_weights,
    spans_of,
    weights_at,
)
from sora_core.sampling.windows import windowed_denoiser

FRAMES = [(0.0, 0.125), *((0.125 + i / 2, 0.625 + i / 2) for i in range(8))]  # 4.125 s
SECOND = some.floats(0, 5, allow_subnormal=False)
SPANS = some.lists(
    some.tuples(SECOND, some.floats(0.05, 3)).map(lambda pair: (pair[0], sum(pair))), max_size=4
)
quick = settings(deadline=None, max_examples=40)


def normal(frames=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 2, frames, 2, 2, generator=generator, dtype=torch.float64)


@quick
@given(SPANS, some.floats(0, 2), some.booleans())
def test_the_weights_of_every_frame_add_up_to_one(spans, soft, ring):
    weights = span_weights(spans, FRAMES, soft=soft, ring=ring)
    assert weights.shape == (len(spans) + 1, len(FRAMES))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(0), torch.ones(len(FRAMES)))


@quick
@given(SPANS.filter(len), some.floats(0, 2))
def test_without_a_main_prompt_they_still_do(spans, soft):
    weights = span_weights(spans, FRAMES, soft=soft, main=False)
    torch.testing.assert_close(weights.sum(0), torch.ones(len(FRAMES)))


def test_without_spans_the_main_prompt_is_all_there_is():
    assert torch.equal(span_weights([], FRAMES), torch.ones(1, len(FRAMES)))


def test_a_hard_span_counts_for_the_share_of_a_frame_that_it_covers():
    weights = span_weights([(0.625, 1.375)], FRAMES, soft=0)
    assert weights[1].tolist() == pytest.approx([0, 0, 1, 0.5, 0, 0, 0, 0, 0])


def test_the_main_prompt_counts_where_no_span_does():
    main, first, second = span_weights([(0.0, 1.125), (2.125, 9.0)], FRAMES, soft=0)
    assert main.tolist() == pytest.approx([0, 0, 0, 1, 1, 0, 0, 0, 0])
    assert first.tolist() == pytest.approx([1, 1, 1, 0, 0, 0, 0, 0, 0])
    assert second.tolist() == pytest.approx([0, 0, 0, 0, 0, 1, 1, 1, 1])


def test_spans_that_meet_cross_over_softly_and_leave_the_main_prompt_out():
    main, first, second = span_weights([(0.0, 2.125), (2.125, 9.0)], FRAMES, soft=1.0)
    assert main.abs().max() == 0
    assert (first.diff() <= 1e-6).all()
    assert second.tolist() == pytest.approx([0, 0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1], abs=1e-6)


def test_overlapping_spans_share_evenly():
    _, first, second = span_weights([(0.0, 9.0), (2.125, 9.0)], FRAMES, soft=0)
    assert first[5:].tolist() == second[5:].tolist() == pytest.approx([0.5] * 4)


def test_without_a_main_prompt_a_gap_belongs_to_the_span_before_it():
    first, second = span_weights([(0.625, 1.125), (3.125, 9.0)], FRAMES, soft=0, main=False)
    assert first.tolist() == pytest.approx([1] * 7 + [0, 0])
    assert second.tolist() == pytest.approx([0] * 7 + [1, 1])


def test_on_a_ring_the_end_borders_on_the_start():
    frames = [(i / 2, i / 2 + 0.5) for i in range(8)]
    here = span_weights([(0.0, 2.0)], frames, soft=1.0, ring=True)[1]
    later = span_weights([(1.0, 3.0)], frames, soft=1.0, ring=True)[1]
    torch.testing.assert_close(here.roll(2), later)
    assert here[-1] > 0


@pytest.mark.parametrize("arguments", [{"soft": -1.0}, {"main": False}])
def test_weights_that_mean_nothing_are_refused(arguments):
    with pytest.raises(ConfigError):
        span_weights([], FRAMES, **arguments)


def test_conditionings_are_sorted_by_the_seconds_they_name():
    options = [{SPAN_KEY: (0, 1)}, {}, {SPAN_KEY: (1, 2)}, {SPAN_KEY: (0, 1)}]
    assert spans_of(options) == ([None, (0, 1), (1, 2)], [1, 0, 2, 1])
    assert spans_of([{SPAN_KEY: (0, 1)}]) == ([(0, 1)], [0])


WEIGHTS = span_weights([(0.0, 1.125), (2.125, 9.0)], FRAMES).double()


def test_equal_predictions_blend_to_one():
    clean = normal(seed=1)
    torch.testing.assert_close(blend_predictions([clean] * 3, WEIGHTS), clean, atol=1e-6, rtol=0)


def test_each_frame_is_the_weighted_mean_of_its_prompts():
    predictions = [normal(seed=seed) for seed in range(3)]
    expected = sum(
        weight[:, None, None] * clean for weight, clean in zip(WEIGHTS, predictions, strict=True)
    )
    torch.testing.assert_close(blend_predictions(predictions, WEIGHTS), expected)


def test_only_prompts_that_count_in_the_part_are_named():
    assert counting_prompts(weights_at(WEIGHTS, 7, 2)) == [2]
    assert counting_prompts(WEIGHTS) == [0, 1, 2]


def test_one_prompt_is_its_own_prediction_bit_for_bit():
    clean = normal(2)
    assert blend_predictions([clean], weights_at(WEIGHTS, 7, 2)[2:]) is clean


def blended_at(start):
    """A denoiser of prompts over time, as guidance of windows and loops asks it."""

    def denoise(x, sigma):
        here = weights_at(WEIGHTS, start, x.shape[2])
        counting = counting_prompts(here)
        return blend_predictions([normal(1, i) + 0.3 * x.tanh() for i in counting], here[counting])

    return denoise


def test_windows_and_loops_blend_the_prompts_of_their_own_frames():
    whole = blended_at(0)(normal(), 0.5)
    for cut in (windowed_denoiser(blended_at, 4, 2), loop_denoiser_at(blended_at, 9)):
        torch.testing.assert_close(cut(normal(), 0.5), whole)


def test_weights_for_other_prompts_are_refused():
    with pytest.raises(ConfigError, match="2 prompts"):
        blend_predictions([normal(), normal()], WEIGHTS)
