"""On a ring of time no frame is the first."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import ConfigError
from sora_core.sampling.inpaint import hold_known
from sora_core.sampling.loop import loop_denoiser
from sora_core.sampling.samplers import dpmpp_2m, euler, heun
from sora_core.sampling.schedules import linear_sigmas

quick = settings(deadline=None, max_examples=15)


def normal(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 2, frames, 2, 2, generator=generator, dtype=torch.float64)


def close(first, second):
    torch.testing.assert_close(first, second, atol=1e-12, rtol=0)


def line(x, sigma):
    """A model that attends to every frame, and weighs each by its position in time."""
    place = torch.arange(1, x.shape[2] + 1, dtype=x.dtype)[:, None, None]
    return (x * (1 - sigma) / place).cumsum(2).tanh() + 0.1 * place


def local(x, sigma):
    """A model that attends to one frame to each side, and to nothing beyond the ends."""
    clean = 0.5 * x * (1 - sigma)
    clean[:, :, 1:] += x[:, :, :-1].tanh()
    clean[:, :, :-1] += 0.5 * x[:, :, 1:].sin()
    return clean


@quick
@given(some.integers(1, 8), some.integers(-9, 9), some.integers(0, 10), some.floats(0, 1))
def test_rotating_time_rotates_the_prediction_whatever_the_model(period, turn, context, sigma):
    x, looped = normal(period), loop_denoiser(line, period, context=context)
    close(looped(x.roll(turn, 2), sigma), looped(x, sigma).roll(turn, 2))


def test_the_model_alone_is_not_equivariant():
    x = normal(6)
    assert not torch.allclose(line(x.roll(2, 2), 0.5), line(x, 0.5).roll(2, 2))


@quick
@given(some.integers(1, 4), some.integers(1, 3), some.floats(0, 1))
def test_fewer_cuts_are_equivariant_from_cut_to_cut(cuts, apart, sigma):
    x, looped = normal(cuts * apart), loop_denoiser(line, cuts * apart, cuts)
    close(looped(x.roll(apart, 2), sigma), looped(x, sigma).roll(apart, 2))


@quick
@given(some.integers(3, 9), some.data(), some.floats(0, 1))
def test_a_local_model_sees_the_ring_itself_whatever_the_cuts(period, data, sigma):
    x, cuts = normal(period), data.draw(some.integers(1, period))
    wrapped = 0.5 * x * (1 - sigma) + x.roll(1, 2).tanh() + 0.5 * x.roll(-1, 2).sin()
    close(loop_denoiser(local, period, cuts, context=1)(x, sigma), wrapped)


@pytest.mark.parametrize("sampler", [euler, heun, dpmpp_2m])
def test_a_sampled_loop_rotates_with_its_noise(sampler):
    looped, noise = loop_denoiser(line, 5), normal(5)
    first, second = (sampler(looped, x, linear_sigmas(4)) for x in (noise, noise.roll(2, 2)))
    close(second, first.roll(2, 2))


@quick
@given(some.integers(1, 7))
def test_each_frame_keeps_its_own_noise_level(turn):
    x = normal(7)
    levels = torch.linspace(0.1, 1, 7, dtype=torch.float64).reshape(1, 1, 7, 1, 1)
    looped = loop_denoiser(line, 7)
    rolled = looped(x.roll(turn, 2), levels.roll(turn, 2))
    close(rolled, looped(x, levels).roll(turn, 2))


def test_held_footage_comes_back_exactly_on_a_ring():
    known, mask = normal(6, seed=1), torch.ones(1, 1, 6, 1, 1, dtype=torch.float64)
    mask[:, :, 4:] = 0
    sample = euler(hold_known(loop_denoiser(line, 6), known, mask), normal(6), linear_sigmas(4))
    assert torch.equal(sample[:, :, 4:], known[:, :, 4:])


def test_the_cost_is_one_evaluation_for_each_cut():
    calls = []
    loop_denoiser(lambda x, sigma: calls.append(x.shape[2]) or x, 6, cuts=2, context=1)(
        normal(6), 0.5
    )
    assert calls == [8, 8]


@pytest.mark.parametrize("cuts, context", [(0, 1), (7, 1), (2, -1)])
def test_what_no_ring_can_be_is_refused(cuts, context):
    with pytest.raises(ConfigError):
        loop_denoiser(line, 6, cuts, context)


def test_a_latent_of_another_length_is_refused():
    with pytest.raises(ConfigError, match="equal"):
        loop_denoiser(line, 6)(normal(5), 0.5)
