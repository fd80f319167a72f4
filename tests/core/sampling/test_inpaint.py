import pytest
import torch

from sora_core.sampling.inpaint import hold_known
from sora_core.sampling.samplers import dpmpp_2m, euler, heun, sde
from sora_core.sampling.schedules import linear_sigmas, truncate_sigmas

SHAPE = (2, 3, 5, 4, 6)
TOKENS = (2, 1, 5, 4, 6)


def normal(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def denoise(x, sigma):  # mixes neighbours in time, as a model does
    return 0.4 * x * (1 - sigma) + 0.3 * x.roll(1, 2) + 0.1


def stochastic(denoise, x, sigmas):
    return sde(denoise, x, sigmas, noise=lambda step: normal(100 + step))


SAMPLERS = {"euler": euler, "heun": heun, "dpmpp_2m": dpmpp_2m, "sde": stochastic}
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


@every_sampler
def test_holding_everything_returns_the_footage_exactly(sampler):
    known = normal(1)
    held = hold_known(denoise, known, torch.zeros(TOKENS, dtype=torch.float64))
    assert torch.equal(sampler(held, normal(0), linear_sigmas(7)), known)


@every_sampler
def test_holding_nothing_changes_nothing(sampler):
    held = hold_known(denoise, normal(1), torch.ones(TOKENS, dtype=torch.float64))
    assert torch.equal(
        sampler(held, normal(0), linear_sigmas(7)), sampler(denoise, normal(0), linear_sigmas(7))
    )


@every_sampler
def test_held_tokens_come_back_exactly_and_the_rest_is_generated(sampler):
    known, mask = normal(1), torch.ones(TOKENS, dtype=torch.float64)
    mask[:, :, :2] = 0
    sample = sampler(hold_known(denoise, known, mask), normal(0), linear_sigmas(7))
    assert torch.equal(sample[:, :, :2], known[:, :, :2])
    assert not torch.isclose(sample[:, :, 2:], known[:, :, 2:]).any()


def test_the_model_sees_held_tokens_clean_at_level_zero():
    known, mask = normal(1), torch.ones(TOKENS, dtype=torch.float64)
    mask[:, :, 0] = 0
    observed = []
    held = hold_known(
        lambda x, sigma: observed.append((x, sigma)) or denoise(x, sigma), known, mask
    )
    euler(held, normal(0), linear_sigmas(4))
    for (x, level), sigma in zip(observed, linear_sigmas(4), strict=False):
        assert torch.equal(x[:, :, 0], known[:, :, 0])
        assert torch.equal(level, sigma * mask)


def from_noised_footage(sampler, steps, strength=0.6):  # once by the mask, once by hand
    known, noise = normal(1), normal(0)
    started = (1 - strength) * known + strength * noise
    mask = torch.full(TOKENS, strength, dtype=torch.float64)
    by_mask = sampler(hold_known(denoise, known, mask), noise, linear_sigmas(steps))
    by_hand = sampler(denoise, started, truncate_sigmas(linear_sigmas(steps), strength))
    return (by_mask - by_hand).abs().max().item()


def test_a_mask_between_is_the_footage_noised_that_far_and_generated_over():
    assert from_noised_footage(euler, 10) < 1e-12


@pytest.mark.parametrize("sampler", [heun, dpmpp_2m])
def test_second_order_blurs_the_moment_of_release_by_less_than_a_step(sampler):
    coarse, fine = from_noised_footage(sampler, 20), from_noised_footage(sampler, 320)
    assert fine < coarse / 8 < 0.1


def test_the_model_sees_each_token_as_noisy_as_its_level_says():
    known, noise = normal(1), normal(0)
    mask = torch.rand(TOKENS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def answer(x, level):  # the model predicts the clean latent: then x shows every level
        assert torch.allclose(x, (1 - level) * known + level * noise, rtol=0, atol=1e-12)
        assert torch.equal(level, mask.clamp(max=sigmas.pop(0)))
        return known

    sigmas = linear_sigmas(8)
    euler(hold_known(answer, known, mask), noise, linear_sigmas(8))
    assert sigmas == [0]


def test_holds_compose():
    first, second = normal(1), normal(2)
    keep_first, keep_last = (torch.ones(TOKENS, dtype=torch.float64) for _ in range(2))
    keep_first[:, :, :1] = 0
    keep_last[:, :, -1:] = 0
    both = hold_known(hold_known(denoise, first, keep_first), second, keep_last)
    footage = torch.where(keep_last == 0, second, first)
    at_once = hold_known(denoise, footage, keep_first * keep_last)
    sampled = (euler(held, normal(0), linear_sigmas(5)) for held in (both, at_once))
    assert torch.allclose(*sampled, rtol=0, atol=1e-12)
