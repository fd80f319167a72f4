"""Latents turned towards those of an autoencoder before, at no cost for the reconstruction."""

import copy

import pytest
import torch

from sora_core.training.autoencoder import cells_of
from sora_core.training.dataset import ClipShard
from sora_core.training.latent_alignment import align
from tests.support.tiny import tiny_autoencoder


@pytest.fixture
def before():
    return tiny_autoencoder().requires_grad_(False)


def clips(count=4):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, 5, 32, 32, 3), generator=generator).to(torch.uint8)
    nothing = [[] for _ in range(count)]
    return [ClipShard(frames, frames[..., 0], [{}] * count, nothing, nothing)]


def turned(model):
    """`model` with other channels that hold the same, and other statistics."""
    other = copy.deepcopy(model)
    other.encoder.proj_out.weight.copy_(other.encoder.proj_out.weight.flip(0) * 1.7)
    other.encoder.proj_out.bias.add_(0.3)
    other.mean.fill_(0.2)
    other.deviation.fill_(0.6)
    return other


def through(model, video):
    latent = model.encode(video)
    return model.decode(latent, torch.zeros(1, 1, 1, 1, 1))


def test_what_an_affine_map_changed_is_undone(before):
    other = turned(before)
    assert align(other, before, clips()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(
        cells_of(other, clips()), cells_of(before, clips()), atol=1e-3, rtol=1e-3
    )


def test_the_reconstruction_stays_what_it_is(before):
    other, video = turned(before), torch.rand(1, 3, 5, 32, 32) * 2 - 1
    expected = through(other, video)
    align(other, before, clips())
    torch.testing.assert_close(through(other, video), expected, atol=1e-3, rtol=1e-3)
