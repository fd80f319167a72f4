"""Samplers, on data for which the best denoiser is known: Gaussian, mean 0.7, deviation 0.5."""

import math
from functools import partial

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.sampling.samplers import dpmpp_2m, euler, heun, sde
from sora_core.sampling.schedules import linear_sigmas, shifted_sigmas

MEAN, DEVIATION = 0.7, 0.5


def denoise(x, sigma):
    signal = (1 - sigma) * DEVIATION**2
    return MEAN + signal * (x - (1 - sigma) * MEAN) / ((1 - sigma) * signal + sigma**2)


def on_path(sigma, z):  # where the flow has carried noise `z` by the time it is at `sigma`
    return (1 - sigma) * MEAN + z * math.hypot((1 - sigma) * DEVIATION, sigma)


def watch(denoise, observed):
    return lambda x, sigma: observed.append(sigma) or denoise(x, sigma)


def fresh(shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda step: torch.randn(shape, generator=generator, dtype=dtype)


SAMPLERS = {
    "euler": euler,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "sde": lambda denoise, x, sigmas, **more: sde(
        denoise, x, sigmas, noise=fresh(x.shape, x.dtype), **more
    ),
}
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
ORDERS = [(euler, 1), (heun, 2), (dpmpp_2m, 2), (partial(sde, noise=lambda step: 0, eta=0), 1)]


def filled(size=1, value=1.0, dtype=torch.float64):  # a latent of `size` independent values
    return torch.full((size, 1, 1, 1, 1), value, dtype=dtype)


def error(sampler, sigmas):
    x = filled(value=on_path(sigmas[0], 1.3))
    return abs(sampler(denoise, x, sigmas).item() - on_path(sigmas[-1], 1.3))


@pytest.mark.parametrize(("sampler", "order"), ORDERS)
@pytest.mark.parametrize(("start", "end"), [(0.9, 0.1), (1.0, 0.1), (0.9, 0.0), (1.0, 0.0)])
def test_halving_the_step_divides_the_error_by_two_to_the_order(sampler, order, start, end):
    coarse, fine = ([end + (start - end) * s for s in linear_sigmas(n)] for n in (200, 400))
    measured = math.log2(error(sampler, coarse) / error(sampler, fine))
    # dpmpp_2m steps in log-SNR, which is infinite at 0 and 1: there a factor log(steps) remains
    slack = 0.25 if sampler is dpmpp_2m and end == 0 else 0.1
    assert measured == pytest.approx(order, abs=slack)


@pytest.mark.parametrize("sampler", [heun, dpmpp_2m])
def test_second_order_beats_first_order_at_equal_model_calls(sampler):
    calls = 24
    steps = calls // 2 if sampler is heun else calls
    assert error(sampler, shifted_sigmas(steps, 1.5)) < error(euler, shifted_sigmas(calls, 1.5)) / 2


@every_sampler
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_a_known_answer_is_reached_exactly(sampler, steps):
    answer = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sampler(lambda x, sigma: answer, answer * 0, linear_sigmas(steps)), answer)


@every_sampler
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 3, 1, 5, 4), (1, 8, 1, 1, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_type_come_back_as_they_went_in(sampler, shape, dtype):
    sample = sampler(denoise, torch.ones(shape, dtype=dtype), linear_sigmas(4))
    assert (sample.shape, sample.dtype) == (shape, dtype)
    assert sample.isfinite().all()


@every_sampler
def test_each_step_is_reported_once_with_its_prediction(sampler):
    texts = []
    sample = sampler(denoise, filled(6), shifted_sigmas(5, 2.0), on_step=texts.append)
    assert [(step.index, step.total) for step in texts] == [(i, 5) for i in range(5)]
    assert torch.equal(texts[-1].clean, sample)


@every_sampler
def test_on_step_can_stop_a_sampler_early(sampler):
    def stop(step):
        if step.index == 2:
            raise KeyboardInterrupt

    observed = []
    watched = watch(denoise, observed)
    with pytest.raises(KeyboardInterrupt):
        sampler(watched, filled(), linear_sigmas(9), on_step=stop)
    assert min(observed) == linear_sigmas(9)[2]


@every_sampler
def test_the_model_never_sees_sigma_zero(sampler):
    observed = []
    sampler(watch(denoise, observed), filled(), linear_sigmas(6))
    assert min(observed) > 0


@every_sampler
def test_the_input_is_left_as_it_was(sampler):
    x = filled(3)
    sampler(denoise, x, linear_sigmas(3))
    assert torch.equal(x, filled(3))


@pytest.mark.parametrize("eta", [0, 0.3, 1])
@pytest.mark.parametrize("end", [0.8, 0.4, 0.0])
def test_stochastic_marginals_are_those_of_the_data(eta, end):
    count = 40_000
    sigmas = [end + (1 - end) * s for s in linear_sigmas(200)]
    noise = fresh((count, 1, 1, 1, 1), seed=3)
    x = sde(denoise, noise(-1), sigmas, noise=noise, eta=eta)
    deviation = math.hypot((1 - end) * DEVIATION, end)
    assert x.mean().item() == pytest.approx((1 - end) * MEAN, abs=5 * deviation / math.sqrt(count))
    assert x.std().item() == pytest.approx(deviation, rel=0.02)  # 0.0035 by chance, rest by steps


@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_when_the_clean_is_known_stochastic_marginals_are_exact_in_any_steps(eta, steps):
    count, end = 40_000, 0.6
    noise = fresh((count, 1, 1, 1, 1), seed=4)
    sigmas = [end + (1 - end) * s for s in linear_sigmas(steps)]
    x = sde(lambda x, sigma: x * 0 + MEAN, noise(-1), sigmas, noise=noise, eta=eta)
    assert x.mean().item() == pytest.approx((1 - end) * MEAN, abs=5 * end / math.sqrt(count))
    assert x.std().item() == pytest.approx(end, rel=5 / math.sqrt(2 * count))


def test_without_fresh_noise_the_stochastic_sampler_is_euler():
    x = fresh((100, 1, 1, 1, 1))(0)
    steps = linear_sigmas(10)
    still = sde(denoise, x, steps, noise=fresh(x.shape, seed=1), eta=0)
    assert torch.allclose(still, euler(denoise, x, steps), rtol=0, atol=1e-12)


def test_at_full_eta_the_start_is_forgotten_once_the_clean_is_known():
    noise = fresh((20_000, 1, 1, 1, 1), seed=5)
    start = noise(-1)
    end = sde(lambda x, sigma: x * 0, start, [1.0, 0.5, 0.3], noise=noise, eta=1)
    assert abs(torch.corrcoef(torch.stack([start, end]).flatten(1))[0, 1]) < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_an_eta_outside_its_range_is_refused(eta):
    with pytest.raises(ConfigError, match=f"eta {eta}: choose from 0"):
        sde(denoise, filled(), linear_sigmas(2), noise=fresh((1, 1, 1, 1, 1)), eta=eta)
