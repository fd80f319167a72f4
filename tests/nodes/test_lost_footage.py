"""Footage that a sampler changed is in the text of the decode nodes."""

import comfy.sd
import pytest
import torch
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.vae.sampled_latent import lost_footage
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas

import nodes as stock


@pytest.fixture
def wan(pack, folder):
    model = comfy.sd.load_diffusion_model(str(folder / "wan21_t2v_tiny.safetensors"))
    clip = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)
    canvas = edits.extend_forward(Canvas(width=32, height=32, seconds=13 / 8), clip)
    vae = pack.TinyVAE(16, 4, 8)
    words = [pack.conditioning(4096, 0, False, i) for i in (1, 2)]
    return model, vae, words, SoraEncodeCanvas.execute(canvas, vae).args[0]


def stage(model, words, latent, first, last, noisy, sampler="euler"):
    return stock.KSamplerAdvanced().sample(
        model, "enable" if first == 0 else "disable", 3, 4, 1.0, sampler, "simple", *words, latent,
        first, last, "enable" if noisy else "disable",
    )[0]  # fmt: skip


def test_two_stock_stages_lose_footage_and_decoding_says_so(wan):
    model, vae, words, latent = wan
    half = stage(model, words, latent, 0, 2, noisy=True)
    result = stage(model, words, half, 2, 10000, noisy=False)
    assert "changed the footage" in lost_footage(result)
    assert "model_low" in str(SoraDecodeFrames.execute(result, vae).ui.as_dict())


@pytest.mark.parametrize("sampler", ["euler", "uni_pc"])
def test_one_stock_pass_keeps_it_and_nothing_is_said(wan, sampler):
    model, vae, words, latent = wan
    result = stage(model, words, latent, 0, 10000, noisy=False, sampler=sampler)
    assert lost_footage(result) == ""
    assert SoraDecodeFrames.execute(result, vae).ui is None


def test_a_latent_without_footage_or_of_another_size_has_lost_none(wan):
    *_, latent = wan
    assert lost_footage({"samples": latent["samples"]}) == ""
    assert lost_footage(latent | {"samples": latent["samples"][:, :, :1]}) == ""
