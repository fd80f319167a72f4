from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.errors import ConfigError
from sora_core.sampling.schedules import (
    linear_sigmas,
    shift_for_tokens,
    shift_sigma,
    shifted_sigmas,
    truncate_sigmas,
)

steps = st.integers(1, 1000)
factors = st.floats(0.001, 1000)
levels = st.floats(0, 1)
quick = settings(deadline=None)


@quick
@given(steps, factors)
def test_a_schedule_falls_from_exactly_one_to_exactly_zero(steps, factor):
    sigmas = shifted_sigmas(steps, factor)
    assert (len(sigmas), sigmas[0], sigmas[-1]) == (steps + 1, 1, 0)
    assert all(sigma > sigma_next for sigma, sigma_next in pairwise(sigmas))


@quick
@given(levels, st.floats(0.1, 10), st.floats(0.1, 10))
def test_shifting_twice_shifts_by_the_product(sigma, a, b):
    assert shift_sigma(shift_sigma(sigma, a), b) == pytest.approx(
        shift_sigma(sigma, a * b), rel=1e-9
    )


@quick
@given(st.floats(0.01, 0.99), factors)
def test_a_shift_divides_the_signal_to_noise_ratio(sigma, factor):
    moved = shift_sigma(sigma, factor)
    assert moved / (1 - moved) == pytest.approx(factor * sigma / (1 - sigma), rel=1e-6)


def test_a_shift_of_a_tensor_is_the_shift_of_its_elements():
    sigmas = linear_sigmas(7)
    moved = shift_sigma(torch.tensor(sigmas, dtype=torch.float64), 3.0)
    assert moved.tolist() == pytest.approx(shifted_sigmas(7, 3.0))


def test_four_times_the_tokens_double_the_shift():
    assert shift_for_tokens(80) == 1.5
    assert shift_for_tokens(4 * 80) == 3.0


@quick
@given(steps, st.floats(1e-6, 1))
def test_a_truncated_schedule_starts_at_the_strength_and_then_follows_the_whole(steps, strength):
    sigmas = truncate_sigmas(linear_sigmas(steps), strength)
    assert sigmas[0] == strength
    assert sigmas[1:] == linear_sigmas(steps)[1 - len(sigmas) :]
    assert all(sigma > sigma_next for sigma, sigma_next in pairwise(sigmas))


def test_full_strength_is_the_whole_schedule():
    assert truncate_sigmas(linear_sigmas(9), 1) == linear_sigmas(9)


@pytest.mark.parametrize(
    ("make", "summary"),
    [
        (lambda: linear_sigmas(0), "steps 0: choose from 1 to 1000"),
        (lambda: linear_sigmas(1001), "steps 1001: choose from 1 to 1000"),
        (lambda: shifted_sigmas(4, 0), "shift 0: choose"),
        (lambda: shifted_sigmas(4, float("nan")), "shift nan: choose"),
        (lambda: shift_for_tokens(0), "0 tokens"),
        (lambda: truncate_sigmas([1, 0], 0), "strength 0: choose"),
        (lambda: truncate_sigmas([1, 0], 1.1), "strength 1.1: choose"),
    ],
)
def test_what_no_schedule_can_be_is_refused_with_its_limit(make, summary):
    with pytest.raises(ConfigError, match=summary):
        make()
