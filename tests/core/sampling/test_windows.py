"""Windows give the same result as the whole video for a model that attends locally."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import ConfigError
from sora_core.sampling.inpaint import hold_known
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import linear_sigmas
from sora_core.sampling.windows import window_starts, window_weights, windowed_denoiser

quick = settings(deadline=None, max_examples=20)
LENGTHS = some.integers(1, 9).flatmap(
    lambda length: some.tuples(some.just(length), some.integers(0, length - 1))
)


def normal(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 2, frames, 2, 2, generator=generator, dtype=torch.float64)


def close(first, second):
    torch.testing.assert_close(first, second, atol=1e-12, rtol=0)


def local(reach):
    """A model that attends to `reach` frames to each side, and gets its position in the video."""

    def denoise_at(start):
        def denoise(x, sigma):
            frames = x.shape[2]
            clean = 0.3 * x * (1 - sigma)
            for i in range(frames):
                near = x[:, :, max(0, i - reach) : i + reach + 1]
                clean[:, :, i] += near.tanh().sum(2) + 0.1 * (start + i)
            return clean

        return denoise

    return denoise_at


@quick
@given(LENGTHS, some.integers(1, 30), some.floats(0.01, 1))
def test_windows_equal_the_whole_when_the_model_is_local(window, frames, sigma):
    length, overlap = window
    model = local(reach=overlap // 4)
    x = normal(frames)
    close(windowed_denoiser(model, length, overlap)(x, sigma), model(0)(x, sigma))


def test_a_model_that_looks_further_than_the_windows_is_not_the_whole():
    x, model = normal(12), local(reach=3)
    assert not torch.allclose(windowed_denoiser(model, 4, 1)(x, 0.5), model(0)(x, 0.5))


@quick
@given(LENGTHS, some.integers(1, 60))
def test_windows_cover_every_frame_and_overlap_far_enough(window, frames):
    length, overlap = window
    frames = max(frames, length)
    starts = window_starts(frames, length, overlap)
    assert starts[0] == 0
    assert starts[-1] == frames - length
    assert all(a < b <= a + length - overlap for a, b in pairwise(starts))


@quick
@given(LENGTHS, some.integers(1, 60))
def test_every_frame_counts_in_some_window(window, frames):
    length, overlap = window
    total = torch.zeros(max(frames, length))
    for start in window_starts(len(total), length, overlap):
        weight = window_weights(len(total), start, length, overlap).flatten()
        assert (weight >= 0).all()
        assert (weight <= 1).all()
        total[start : start + length] += weight
    assert (total > 0.99).all()


def test_where_two_windows_overlap_as_asked_their_weights_add_up_to_one():
    total = torch.zeros(14)
    for start in (0, 6):
        total[start : start + 8] += window_weights(14, start, 8, 2).flatten()
    torch.testing.assert_close(total, torch.ones(14))


def test_each_window_gets_its_own_noise_levels():
    levels = torch.linspace(0.1, 1, 11, dtype=torch.float64).reshape(1, 1, 11, 1, 1)
    model = local(reach=0)
    x = normal(11)
    close(windowed_denoiser(model, 4, 2)(x, levels), model(0)(x, levels))


def test_held_footage_comes_back_exactly_through_windows():
    known, mask = normal(11, seed=1), torch.ones(1, 1, 11, 1, 1, dtype=torch.float64)
    mask[:, :, 3:6] = 0
    sample = euler(
        hold_known(windowed_denoiser(local(reach=1), 4, 2), known, mask),
        normal(11),
        linear_sigmas(4),
    )
    assert torch.equal(sample[:, :, 3:6], known[:, :, 3:6])


@pytest.mark.parametrize("length, overlap", [(4, 4), (4, -1), (0, 0)])
def test_windows_that_never_advance_are_refused(length, overlap):
    with pytest.raises(ConfigError):
        windowed_denoiser(local(reach=0), length, overlap)


@quick
@given(LENGTHS, some.integers(1, 30), some.floats(0.01, 1))
def test_what_a_model_predicts_for_lead_frames_counts_nowhere(window, frames, sigma):
    length, overlap = window
    model, lengths = local(reach=overlap // 4), []

    def wrong_at_its_first_frame(start):
        def denoise(x, sigma):
            lengths.append(x.shape[2])
            clean = model(start)(x, sigma)
            clean[:, :, 0] += 100 * (start > 0)
            return clean

        return denoise

    x = normal(frames)
    windowed = windowed_denoiser(wrong_at_its_first_frame, length + 1, overlap, lead=1)
    close(windowed(x, sigma), model(0)(x, sigma))
    assert max(lengths) <= length + 1


@pytest.mark.parametrize(("length", "overlap", "lead"), [(4, 3, 1), (2, 0, 2), (4, 1, -1)])
def test_a_lead_leaves_frames_to_advance_by(length, overlap, lead):
    with pytest.raises(ConfigError, match="lead"):
        windowed_denoiser(local(reach=0), length, overlap, lead)
