"""With any VAE a video is decoded in pieces, and their exactness is measured and reported."""

import re
from functools import cache
from itertools import pairwise

import comfy.ldm.wan.vae
import comfy.ldm.wan.vae2_2
import comfy.model_management
import comfy.model_patcher
import pytest
import torch
from sora_nodes.nodes.decode import smooths_joins
from sora_nodes.nodes.host.latents import latent_dict
from sora_nodes.nodes.host.models.vae import compression
from sora_nodes.nodes.host.vae import decode, temporal_tiling
from sora_nodes.nodes.host.vae.decode import VideoDecoding, decode_sampled
from sora_nodes.nodes.host.vae.encode import encode_strategy
from sora_nodes.nodes.host.vae.sampled_latent import sampled_latent
from sora_nodes.nodes.host.vae.wan_streaming import decode_streaming, decodes_streaming
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.canvas.edits import extend_backward, extend_both
from sora_nodes.sora_core.canvas.encode import encode_canvas
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.seams.colour_fade import ColourFade, fade_colours
from sora_nodes.sora_core.shapes import Size
from sora_nodes.sora_core.video.frames import video_from_frames
from torch import nn

from tests.support.memory import peak_memory
from tools.host import ROOT
from tools.pack import load_file

NARROW = {"dim": 8, "temperal_downsample": [False, True, True], "num_res_blocks": 1}


@cache
def tiny_models():
    """The pack of tiny models; imported by its name it writes files, as in a server."""
    return load_file("tiny_models", ROOT / "tests" / "host" / "models" / "pack" / "__init__.py")


def with_network(network, channels, side):
    vae = tiny_models().TinyVAE(channels, 4, side)
    random = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        spread = 1 if weight.ndim < 2 else weight[0].numel() ** -0.5
        weight.copy_(torch.randn(weight.shape, generator=random) * spread)
    vae.first_stage_model = network.eval()
    vae.patcher = comfy.model_patcher.ModelPatcher(network, vae.device, vae.device)
    return vae


def wan_2_1():
    return with_network(comfy.ldm.wan.vae.WanVAE(z_dim=16, **NARROW), 16, 8)


def wan_2_2():
    return with_network(comfy.ldm.wan.vae2_2.WanVAE(z_dim=48, dec_dim=8, **NARROW), 48, 16)


def noise(vae, frames):
    random = torch.Generator().manual_seed(1)
    return torch.randn(1, vae.latent_channels, frames, 3, 2, generator=random)


def at_once(vae, latent):
    return vae.decode(latent).movedim(-1, 1) * 2 - 1


@pytest.mark.parametrize("kind", [wan_2_1, wan_2_2])
def test_vaes_that_remember_decode_frame_by_frame_to_the_same_pixels(kind):
    vae = kind()
    latent = noise(vae, 6)
    decoding = VideoDecoding(vae, latent)
    parts = list(decoding)
    pairs = hasattr(vae.first_stage_model.decoder, "run_up")  # newer versions of Wan 2.1's
    assert [part.shape[2] for part in parts] == ([1, 8, 8, 4] if pairs else [1, 4, 4, 4, 4, 4])
    torch.testing.assert_close(torch.cat(parts, dim=2), at_once(vae, latent), atol=1e-5, rtol=0)
    assert "own memory" in decoding.summary


@pytest.mark.parametrize("kind", [wan_2_1, wan_2_2])
def test_a_latent_frame_takes_half_the_memory_that_it_takes_the_host(kind):
    vae = kind()
    latent = torch.zeros(1, vae.latent_channels, 2, 16, 16)
    whole = peak_memory(lambda: vae.first_stage_model.decode(latent))
    assert peak_memory(lambda: finished(decode_streaming(vae, latent))) < whole / 2


def test_a_vae_that_remembers_otherwise_is_not_driven(monkeypatch):
    vae = wan_2_1()
    decode = vae.first_stage_model.decode
    monkeypatch.setattr(vae.first_stage_model, "decode", lambda latent: decode(latent) * 1.01)
    assert not decodes_streaming(vae)
    assert "all at once" in finished(VideoDecoding(vae, noise(vae, 3))).summary


def test_out_of_memory_midway_continues_by_the_hosts_own_means(monkeypatch):
    vae = wan_2_1()
    latent = noise(vae, 4)

    def short(vae, latent):
        yield at_once(vae, latent)[:, :, :5]
        raise comfy.model_management.OOM_EXCEPTION

    monkeypatch.setattr(decode, "decode_streaming", short)
    video = torch.cat(list(VideoDecoding(vae, latent)), dim=2)
    torch.testing.assert_close(video, at_once(vae, latent))


class Reaching(nn.Module):
    """Frames that are the mean of those of `reach` latent frames around."""

    def __init__(self, reach):
        super().__init__()
        self.reach, self.weight = reach, nn.Parameter(torch.zeros(1))

    def decode(self, latent):
        means = []
        for i in range(latent.shape[2]):
            near = slice(None) if self.reach is None else slice(max(i - self.reach, 0), None)
            far = None if self.reach is None else i + self.reach + 1
            means.append(
                latent[:, :3, near][:, :, : far and far - near.start].mean(2, keepdim=True)
            )
        frames = torch.cat(means, dim=2).repeat_interleave(4, dim=2)[:, :, 3:]
        return frames.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4).tanh()


@pytest.mark.parametrize("frames", [21, 35, 49])
def test_tiles_that_see_far_enough_are_exact_and_say_so(frames):
    vae = with_network(Reaching(1), 16, 8)
    latent = noise(vae, frames)
    decoding = VideoDecoding(vae, latent)
    torch.testing.assert_close(torch.cat(list(decoding), dim=2), at_once(vae, latent))
    assert "at most 0.0 of 255" in decoding.summary


def test_tiles_that_do_not_say_how_far_they_are_apart():
    vae = with_network(Reaching(8), 16, 8)
    latent = noise(vae, 41)
    decoding = VideoDecoding(vae, latent)
    video = torch.cat(list(decoding), dim=2)
    text = float(re.search(r"at most (.*) of 255", decoding.summary)[1])
    assert text > 5
    steps = [(b - a).abs().max().item() * 127.5 for a, b in pairwise(video[0].unbind(1))]
    assert max(steps) < text / 2  # faded: no single step is the whole difference
    assert video.shape == at_once(vae, latent).shape


def test_a_tile_is_never_longer_than_stated():
    vae, observed = with_network(Reaching(1), 16, 8), []
    decode = vae.decode
    vae.decode = lambda latent: observed.append(latent.shape[2]) or decode(latent)
    finished(VideoDecoding(vae, noise(vae, 50)))
    assert max(observed) == temporal_tiling.TILE


@pytest.mark.parametrize("frames", [3, 30])
def test_a_loop_begins_and_ends_alike_in_every_way(frames):
    vae = with_network(Reaching(1), 16, 8)
    latent = noise(vae, frames)
    whole, turned = (
        torch.cat(list(VideoDecoding(vae, x, ring=True)), dim=2)
        for x in (latent, latent.roll(1, 2))
    )
    assert whole.shape[2] == 4 * frames
    torch.testing.assert_close(turned, whole.roll(4, 2))


@pytest.mark.parametrize("kind", [wan_2_1, wan_2_2])
def test_footage_after_what_was_generated_comes_out_as_it_was_encoded(kind):
    vae = kind()
    pressed = compression(vae)
    side = 2 * pressed.rows
    clip = torch.randint(0, 256, (4, side, side, 3), dtype=torch.uint8)
    canvas = extend_backward(Canvas(width=side, height=side, seconds=13 / 8), clip, 4 / 8)
    encode = encode_strategy(vae, Size(side, side, 13)).encode
    encoded = encode_canvas(canvas, encode, vae.latent_channels, pressed)
    latent = torch.where(encoded.mask > 0, noise(vae, 4)[..., :2, :2], encoded.known)
    plain = torch.cat(list(VideoDecoding(vae, latent)), dim=2)
    decoding = VideoDecoding(vae, latent, joins=encoded.joins)
    result = torch.cat(list(decoding), dim=2)
    (first,) = encode([video_from_frames(clip[:1])[None]])
    alone = at_once(vae, torch.cat([first, latent[:, :, 3:]], dim=2))
    torch.testing.assert_close(result[:, :, 9:], alone[:, :, 1:], atol=1e-5, rtol=0)
    assert torch.equal(result[:, :, :1], plain[:, :, :1])
    assert not torch.isclose(result[:, :, 1:9], plain[:, :, 1:9]).all()
    assert "morph into it" in decoding.summary


@pytest.mark.parametrize("kind", [wan_2_1, lambda: with_network(Reaching(1), 16, 8)])
def test_what_leaves_footage_begins_in_its_colours_whatever_the_vae(kind):
    vae, left = kind(), [ColourFade(5, 8)]
    latent = noise(vae, 24)
    plain = torch.cat(list(VideoDecoding(vae, latent)), dim=2)
    decoding = VideoDecoding(vae, latent, fades=left)
    result = torch.cat(list(decoding), dim=2)
    torch.testing.assert_close(result, torch.cat(list(fade_colours([plain], left)), dim=2))
    assert not torch.equal(result[:, :, 5:12], plain[:, :, 5:12])
    assert "start in its colours" in decoding.summary


def test_a_mask_that_is_not_the_canvas_one_says_nothing_of_footage():
    vae, canvas = wan_2_1(), Canvas(width=16, height=16, seconds=13 / 8)
    clip = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    canvas = extend_backward(canvas, clip, 4 / 8)
    encoded = encode_canvas(canvas, encode_strategy(vae, Size(16, 16, 13)).encode, 16)
    latent = latent_dict(encoded, noise_mask=True)
    decoding = decode_sampled(vae, sampled_latent(latent, vae), True)
    assert decoding.joins and decoding.mask is encoded.mask
    for mask in (None, torch.zeros(1, 1, 24, 16), 1 - encoded.mask):
        decoding = decode_sampled(vae, sampled_latent(latent | {"noise_mask": mask}, vae), True)
        assert (decoding.joins, decoding.fades, decoding.mask) == ((), (), None)


def test_frames_of_a_host_vae_at_joins_change_only_where_asked():
    vae = wan_2_1()
    canvas = extend_both(
        Canvas(width=16, height=16, seconds=29 / 8), torch.zeros(9, 16, 16, 3, dtype=torch.uint8), 1
    )
    encoded = encode_canvas(canvas, encode_strategy(vae, Size(16, 16, 29)).encode, 16)
    samples = torch.where(encoded.mask > 0, noise(vae, 8)[..., :2, :2], encoded.known)
    sampled = sampled_latent(latent_dict(encoded, noise_mask=True) | {"samples": samples}, vae)
    plain = torch.cat(list(VideoDecoding(vae, samples)), dim=2)

    def decoded(choice="auto"):
        return torch.cat(list(decode_sampled(vae, sampled, smooths_joins(choice, vae))), dim=2)

    assert torch.equal(decoded(), plain)
    assert torch.equal(decoded("auto"), plain) and torch.equal(decoded("off"), plain)
    assert not torch.equal(decoded("on"), plain)
    with pytest.raises(ConfigError, match="smooth_joins"):
        decoded("sometimes")


def finished(decoding):
    for _ in decoding:
        pass
    return decoding
