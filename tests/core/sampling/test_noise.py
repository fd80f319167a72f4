import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d

from sora_core.errors import ConfigError, SizeError
from sora_core.sampling.noise import MAX_SEED, seeded_noise

seeds = st.integers(0, MAX_SEED)
side = st.integers(1, 20)
few = st.integers(1, 3)


def halved(noise):  # the area average, renormalised: four unit Gaussians average to deviation 1/2
    return 2 * avg_pool2d(noise.flatten(0, 1), 2).unflatten(0, noise.shape[:2])


def agree(a, b):
    return torch.allclose(a, b, rtol=0, atol=1e-5)


def correlation(a, b):
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs().item()


@given(seeds, few, few, few, side, side)
@settings(deadline=None)
def test_half_the_size_is_the_area_average_of_the_whole(seed, b, c, t, y, x):
    whole = seeded_noise(seed, (b, c, t, 2 * y, 2 * x))
    assert agree(halved(whole), seeded_noise(seed, (b, c, t, y, x)))


def test_repeated_halving_agrees_down_to_the_coarsest_level():
    noise = seeded_noise(5, (1, 4, 3, 48, 80))
    for scale in (2, 4, 8, 16):
        noise = halved(noise)
        assert agree(noise, seeded_noise(5, (1, 4, 3, 48 // scale, 80 // scale)))


@given(seeds, few, few, st.integers(1, 9), st.integers(1, 9), side, side)
@settings(deadline=None)
def test_a_longer_clip_begins_with_the_noise_of_the_shorter(seed, b, c, t, more, y, x):
    longer = seeded_noise(seed, (b, c, t + more, y, x))
    assert torch.equal(longer[:, :, :t], seeded_noise(seed, (b, c, t, y, x)))


def test_a_larger_batch_begins_with_the_noise_of_the_smaller():
    assert torch.equal(seeded_noise(9, (4, 2, 3, 6, 10))[:2], seeded_noise(9, (2, 2, 3, 6, 10)))


@given(seeds, st.tuples(few, few, few, side, side))
@settings(deadline=None)
def test_any_size_can_be_drawn_and_drawn_again(seed, shape):
    noise = seeded_noise(seed, shape)
    assert noise.shape == shape
    assert noise.isfinite().all()
    assert torch.equal(noise, seeded_noise(seed, shape))


# 200,000 values and more: by chance a mean is off by 0.0022 and a deviation by 0.0016
@pytest.mark.parametrize("shape", [(1, 16, 13, 32, 32), (2, 16, 11, 23, 31), (1, 8, 9, 44, 80)])
def test_values_are_white_unit_gaussians(shape):
    noise = seeded_noise(11, shape).double()
    count = noise.numel()
    assert abs(noise.mean().item()) < 5 / math.sqrt(count)
    assert noise.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / count))
    assert (noise**4).mean().item() == pytest.approx(3, abs=5 * math.sqrt(96 / count))
    for axis in range(1, 5):
        for apart in (1, 2, 3):
            a = noise.narrow(axis, apart, noise.shape[axis] - apart)
            b = noise.narrow(axis, 0, noise.shape[axis] - apart)
            assert correlation(a, b) < 5 / math.sqrt(a.numel())


@pytest.mark.parametrize("side", [2, 4, 8])
def test_all_places_of_a_block_are_independent(side):
    noise = torch.cat([seeded_noise(seed, (1, 64, 1, side, side)) for seed in range(320)]).double()
    samples = noise.reshape(-1, side * side)  # 20,480 drawings of every place
    covariance = samples.T @ samples / len(samples)
    off = (covariance - torch.eye(side * side)).abs().max().item()
    assert off < 6 * math.sqrt(2 / len(samples))


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_seeds_steps_and_batch_items_are_independent(size):
    shape = (1, 16, 20, *size)
    noise = [
        seeded_noise(0, shape),
        seeded_noise(1, shape),
        seeded_noise(2**32, shape),  # a generator that kept 32 bits of the seed would repeat seed 0
        seeded_noise(MAX_SEED, shape),
        seeded_noise(0, shape, step=1),
        seeded_noise(0, (2, *shape[1:]))[1:],
    ]
    for i, a in enumerate(noise):
        for b in noise[:i]:
            assert correlation(a, b) < 5 / math.sqrt(a.numel())


def test_a_lower_precision_is_the_same_noise_rounded():
    shape = (1, 4, 3, 6, 10)
    assert torch.equal(
        seeded_noise(3, shape, dtype=torch.bfloat16), seeded_noise(3, shape).bfloat16()
    )


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_outside_64_bits_is_refused(seed):
    with pytest.raises(ConfigError, match=f"seed {seed}: choose from 0"):
        seeded_noise(seed, (1, 1, 1, 2, 2))


@pytest.mark.parametrize("shape", [(0, 1, 1, 2, 2), (1, 1, 1, 0, 0), (1, 1, 1, 2, -2)])
def test_an_empty_shape_is_refused(shape):
    with pytest.raises(SizeError, match="every side must be at least 1"):
        seeded_noise(0, shape)
