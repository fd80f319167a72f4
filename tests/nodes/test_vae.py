"""The VAE of the loader preserves every length and every pixel."""

import pytest
import torch
from sora_nodes.nodes.host.models.vae import HostVAE, load_vae
from sora_nodes.sora_core.checkpoints.checkpoint import read_config

import nodes as stock
from sora_core.checkpoints.checkpoint import load_autoencoder
from sora_core.checkpoints.checkpoint import read_config as read_plain
from tests.support.memory import peak_memory
from tests.support.tiny import write_tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def vae(path):
    return load_vae(path, read_config(path))


@pytest.fixture(scope="module")
def autoencoder(path):
    return load_autoencoder(path, read_plain(path))


@pytest.fixture
def latent():
    return torch.randn(1, 16, 5, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def images():
    return torch.rand(17, 32, 48, 3, generator=torch.Generator().manual_seed(0))


def test_decoding_is_the_autoencoders_own(vae, autoencoder, latent):
    result = stock.VAEDecode().decode(vae, {"samples": latent})[0]
    expected = autoencoder.decode(latent)[0].permute(1, 2, 3, 0).add(1).div(2).clamp(0, 1)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_encoding_is_the_autoencoders_own(vae, autoencoder, images):
    result = stock.VAEEncode().encode(vae, images)[0]["samples"]
    expected = autoencoder.encode(images.permute(3, 0, 1, 2)[None] * 2 - 1)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("frames", range(1, 11))
def test_the_length_the_host_expects_is_the_length_it_gets(vae, frames):
    latent = vae.encode(torch.rand(frames, 16, 16, 3))
    assert latent.shape[2] == vae.downscale_ratio[0](frames)
    assert len(vae.decode(latent)[0]) == vae.upscale_ratio[0](latent.shape[2]) >= frames


def test_tiles_decode_to_the_whole_where_they_do_not_meet(vae, latent):
    whole = vae.decode(latent)
    tiled = vae.decode_tiled(latent, tile_x=32, tile_y=32, overlap=8, tile_t=64, overlap_t=8)
    torch.testing.assert_close(tiled.flatten(0, 1), whole.flatten(0, 1), atol=1e-5, rtol=0)


def test_tiles_in_time_keep_the_length(vae, latent):
    tiled = vae.decode_tiled(latent, tile_x=32, tile_y=32, overlap=8, tile_t=3, overlap_t=1)
    assert tiled.shape == vae.decode(latent).shape


@pytest.mark.parametrize("shape", [(1, 16, 1, 16, 16), (1, 16, 5, 16, 16)])
def test_the_memory_it_asks_for_is_about_what_it_takes(vae, shape):
    latent = torch.zeros(shape)
    video = vae.first_stage_model.decode(latent)
    decoding = peak_memory(lambda: vae.first_stage_model.decode(latent))
    encoding = peak_memory(lambda: vae.first_stage_model.encode(video))
    assert 0.8 < vae.memory_used_decode(shape, torch.float32) / decoding < 3
    assert 0.8 < vae.memory_used_encode(video.shape, torch.float32) / encoding < 3


def test_the_host_gets_the_true_size_of_the_weights(path, caplog):
    assert isinstance(load_vae(path, read_config(path)), HostVAE)
    assert "No VAE weights" not in caplog.text
