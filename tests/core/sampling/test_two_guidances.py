"""Text and footage guide by their own scales, at the cost of no evaluation too many."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import ConfigError
from sora_core.sampling.guidance import guide, guide_both
from sora_core.sampling.inpaint import hold_known, keep_known, show_known
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import linear_sigmas

SHAPE = (2, 3, 5, 4, 6)
SCALES = some.floats(-2, 10)
quick = settings(deadline=None, max_examples=20)


def normal(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator, dtype=torch.float64)


class Model:
    """Predicts noise of its seed, mixed with its input, and counts calls."""

    def __init__(self, seed):
        self.answer, self.calls = normal(seed), 0

    def __call__(self, x, sigma):
        self.calls += 1
        return self.answer + 0.3 * x.roll(1, 2)


def models():
    return Model(1), Model(2), Model(3)


def close(first, second):
    torch.testing.assert_close(first, second, atol=1e-10, rtol=0)


@quick
@given(SCALES, SCALES)
def test_text_leads_from_footage_and_footage_from_nothing(text, footage):
    three = models()
    full, only, nothing = (model(normal(0), 0.5) for model in three)
    led = nothing + footage * (only - nothing) + text * (full - only)
    close(guide_both(*three, text, footage)(normal(0), 0.5), led)


@quick
@given(SCALES)
def test_equal_scales_are_plain_guidance_away_from_nothing(scale):
    full, only, nothing = models()
    both = guide_both(full, only, nothing, scale, scale)
    assert torch.equal(both(normal(0), 0.5), guide(full, nothing, scale)(normal(0), 0.5))
    assert only.calls == 0


@quick
@given(SCALES)
def test_at_footage_one_text_guides_as_ever(scale):
    full, only, nothing = models()
    both = guide_both(full, only, nothing, scale, 1.0)
    assert torch.equal(both(normal(0), 0.5), guide(full, only, scale)(normal(0), 0.5))
    assert nothing.calls == 0


@pytest.mark.parametrize(
    "text, footage, calls",
    [(1, 1, (1, 0, 0)), (4, 4, (1, 0, 1)), (4, 1, (1, 1, 0)), (4, 2, (1, 1, 1)), (1, 2, (1, 1, 1))],
)
def test_only_what_the_scales_need_is_evaluated(text, footage, calls):
    three = models()
    guide_both(*three, text, footage)(normal(0), 0.5)
    assert tuple(model.calls for model in three) == calls


def test_outside_the_interval_everything_given_is_all_that_is_evaluated():
    full, only, nothing = three = models()
    guided = guide_both(*three, 4.0, 2.0, interval=(0.0, 0.4))
    assert torch.equal(guided(normal(0), 0.5), Model(1)(normal(0), 0.5))
    assert (full.calls, only.calls, nothing.calls) == (1, 0, 0)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_footage_scale_that_is_no_number_is_refused(scale):
    with pytest.raises(ConfigError, match="footage guidance scale"):
        guide_both(*models(), 4.0, scale)


def test_kept_footage_is_exact_whatever_the_scales():
    known, mask = normal(4), torch.ones(1, 1, 5, 1, 1, dtype=torch.float64)
    mask[:, :, :2] = 0
    text, empty = Model(1), Model(2)
    views = show_known(text, known, mask), show_known(empty, known, mask), empty
    led = keep_known(guide_both(*views, 4.0, 2.0), known, mask)
    result = euler(led, normal(0), linear_sigmas(5))
    assert torch.equal(result[:, :, :2], known[:, :, :2])
    plain = euler(hold_known(guide(text, empty, 4.0), known, mask), normal(0), linear_sigmas(5))
    assert not torch.isclose(result[:, :, 2], plain[:, :, 2]).all()  # footage did lead


def test_without_footage_the_model_sees_what_the_sampler_has():
    known, mask = normal(4), torch.zeros(1, 1, 5, 1, 1, dtype=torch.float64)
    observed = []
    nothing = lambda x, sigma: observed.append((x, sigma)) or x  # noqa: E731
    show_known(nothing, known, mask)(normal(0), 0.5)
    nothing(normal(0), 0.5)
    (displayed, level), (bare, sigma) = observed
    assert torch.equal(displayed, known)
    assert not level.any()
    assert torch.equal(bare, normal(0))
    assert sigma == 0.5
