"""LTX-2 samples video and sound together, and both keep what is known.

The pinned ComfyUI has no LTX-2; run this file with a newer one in its place.
"""

import json

import comfy.model_base
import comfy.nested_tensor
import comfy.sd
import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.sound_latent import streams_from
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

needs_ltx2 = pytest.mark.skipif(
    not hasattr(comfy.model_base, "LTXAV"), reason="this ComfyUI has no LTX-2"
)
SIZE = {"width": 64, "height": 64, "seconds": 25 / 8}
SIGMAS = torch.tensor([1.0, 0.6, 0.3, 0.0])
NETWORK = {
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 32,
    "cross_attention_dim": 64,
    "audio_cross_attention_dim": 64,
    "caption_channels": 64,
    "num_layers": 1,
}


def clip(frames):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (frames, 64, 64, 3), generator=generator).to(torch.uint8)


@pytest.fixture
def ltx2(pack, tmp_path):
    from comfy.ldm.lightricks.av_model import LTXAVModel

    network = pack.built(LTXAVModel, NETWORK)
    path = tmp_path / "ltx2.safetensors"
    save_file(pack.randomised(network, 5), path, {"config": json.dumps({"transformer": NETWORK})})
    model = comfy.sd.load_diffusion_model(str(path))
    words = [pack.conditioning(128, 0, False, i) for i in (1, 2)]
    return model, pack.TinyVAE(128, 8, 32), words


def with_sound(latent, sound, mask=None):
    nested = comfy.nested_tensor.NestedTensor
    masks = {}
    if "noise_mask" in latent:
        free = torch.ones_like(sound) if mask is None else mask
        masks["noise_mask"] = nested([latent["noise_mask"], free])
    return latent | {"samples": nested([latent["samples"], sound])} | masks


def encoded(canvas, vae):
    return SoraEncodeCanvas.execute(canvas, vae).args[0]


def sampled(model, words, latent, **settings):
    guider = SoraGuider.execute(model, *words, 3.0, 0.0, 1.0, 0.0, latent, **settings).args[0]
    noise = torch.Generator().manual_seed(1)

    class Noise:
        seed = 1

        @staticmethod
        def generate_noise(latent):
            samples = latent["samples"]
            if not samples.is_nested:
                return torch.randn(samples.shape, generator=noise)
            parts = [torch.randn(part.shape, generator=noise) for part in samples.unbind()]
            return comfy.nested_tensor.NestedTensor(parts)

    return SoraSample.execute(Noise(), guider, SIGMAS, latent, "euler").args[0]["samples"]


def test_sound_is_held_beside_held_frames_and_free_where_it_is_empty():
    video, mask = torch.randn(1, 4, 4, 2, 2), torch.ones(1, 1, 4, 2, 2)
    mask[:, :, :2] = 0
    nested = comfy.nested_tensor.NestedTensor
    for sound, expected in ((torch.ones(1, 8, 12, 16), 6), (torch.zeros(1, 8, 12, 16), 0)):
        streams = streams_from(nested([video, sound]), nested([mask, torch.ones_like(sound)]))
        held = streams.masks[1][0, 0, :, 0] == 0
        assert held.tolist() == [i < expected for i in range(12)]


@needs_ltx2
@pytest.mark.parametrize("known_sound", [True, False])
def test_video_and_sound_keep_what_is_known(ltx2, known_sound):
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    sound = torch.randn(1, 8, 24, 16) if known_sound else torch.zeros(1, 8, 24, 16)
    both = with_sound(latent, sound)
    times = []
    model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: times.append(args[1])
    )
    video, heard = sampled(model, words, both).unbind()
    held = (latent["noise_mask"] == 0).expand_as(video)
    assert held.any() and torch.equal(video[held], latent["samples"][held])
    assert not (video[~held] == latent["samples"][~held]).any()
    assert heard.shape == sound.shape and heard.isfinite().all()
    frames = 12 if known_sound else 0  # two of four latent frames
    assert torch.equal(heard[:, :, :frames], sound[:, :, :frames])
    assert not (heard[:, :, frames:] == sound[:, :, frames:]).any()
    for video_time, sound_time in times:
        assert (video_time == 0).any() and (video_time > 0).any()
        assert bool((sound_time == 0).any()) is known_sound


@needs_ltx2
def test_video_alone_is_sampled_too(ltx2):
    model, vae, words = ltx2
    latent = encoded(edits.extend_forward(Canvas(**SIZE), clip(9)), vae)
    video = sampled(model, words, latent)
    held = (latent["noise_mask"] == 0).expand_as(video)
    assert torch.equal(video[held], latent["samples"][held])


@needs_ltx2
def test_a_loop_with_sound_is_refused(ltx2):
    model, vae, words = ltx2
    loop = encoded(edits.loop(Canvas(**SIZE | {"seconds": 3.0})), vae)
    with pytest.raises(ConfigError, match="in one pass"):
        sampled(model, words, with_sound(loop, torch.zeros(1, 8, 24, 16)))
    assert SoraNoise.execute(1).args[0].seed == 1
