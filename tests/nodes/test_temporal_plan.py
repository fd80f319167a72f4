"""Length, memory and the model's support of footage decide how a long video is sampled."""

from types import SimpleNamespace

import comfy.model_management
import comfy.sd
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance import temporal_plan
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.sampling.prompt_spans import SPAN_KEY

FRAMES = 13  # latent frames of the canvas
OBSERVED = 5
SECONDS = 17 / 8  # of a window of 5 latent frames


@pytest.fixture
def host(pack, folder):
    """A model of the host by name, a latent that fits it, and its conditionings."""

    def result(name, channels, scale, clip=None):
        model = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        vae = pack.TinyVAE(channels, 4, scale)
        side = 4 * scale
        canvas = Canvas(width=side, height=side, seconds=(1 + 4 * (FRAMES - 1)) / 8, fps=8.0)
        if clip is not None:
            canvas = edits.extend_forward(canvas, clip)
        latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
        return model, latent, [pack.conditioning(4096, 0, False, i) for i in (1, 2)]

    return result


def guided(model, latent, words, **settings):
    return SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0, latent, **settings)


def observed_by(model, latent, words, **settings):
    """The sampled latent, and how many frames the network received at each call."""
    guider = guided(model, latent, words, **settings).args[0]
    sigmas = SoraSchedule.execute(latent, 2, 0.0, 1.0).args[0]
    observed = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: observed.append(args[0].shape[2])
    )
    noise = SoraNoise.execute(3).args[0]
    result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]
    hook.remove()
    return result, observed


def test_what_fits_into_memory_is_generated_in_one_pass(host):
    model, latent, words = host("wan22_5b", 48, 16)
    _, observed = observed_by(model, latent, words)
    assert set(observed) == {FRAMES}


def test_what_memory_cannot_hold_is_generated_in_as_large_parts_as_it_can(host, monkeypatch):
    model, latent, words = host("wan22_5b", 48, 16)
    needed = model.model.memory_required([2, *latent["samples"].shape[1:]])
    share = temporal_plan.MEMORY_SHARE * temporal_plan.OFFLOADING
    memory = needed * (OBSERVED + 0.5) / FRAMES / share
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: memory)
    text = guided(model, latent, words).ui["text"][0]
    assert f"{OBSERVED} of {FRAMES} latent frames" in text
    assert "fewer than the 31 latent frames" in text
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: 1)
    assert "3 of 13" in guided(model, latent, words).ui["text"][0]  # history, and one frame more


def like(kind, **network):
    """A model of the host of another class, with as much as the plan asks of it."""
    model = type(kind, (), {"diffusion_model": SimpleNamespace(**network)})()
    model.memory_required = lambda shape: 1e9
    return SimpleNamespace(model=model, load_device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("kind", "frames", "step"),
    [
        ("WAN21", 81, 4),
        ("WAN22", 121, 4),
        ("HunyuanVideo", 129, 4),
        ("HunyuanVideo15", 121, 4),
        ("LTXV", 257, 8),
        ("GenmoMochi", 163, 6),
        ("CosmosVideo", 121, 8),
        ("CogVideoX", 49, 4),
    ],
)
@pytest.mark.parametrize("gigabytes", [8, 24, 80])
def test_window_0_is_the_trained_length_on_every_card(monkeypatch, kind, frames, step, gigabytes):
    memory = gigabytes * 1e9
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: memory)
    latent = {"samples": torch.zeros(1, 1, 100, 1, 1)}
    patcher = like(kind, patch_size_t=None)
    patcher.model.memory_required = lambda shape: 80e9 * shape[2] / 100
    length, remark = temporal_plan.frames_at_once(patcher, latent, 0.0)
    assert (length, remark) == (1 + (frames - 1) // step, "")


def test_the_frame_rate_of_the_canvas_reaches_ltx(pack, folder):
    model = comfy.sd.load_diffusion_model(str(folder / "ltxv_tiny.safetensors"))
    canvas = Canvas(width=64, height=64, seconds=17 / 12, fps=12.0)
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(128, 8, 32)).args[0]
    words = [pack.conditioning(64, 0, True, i) for i in (1, 2)]
    rates = []
    model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: rates.append(named["frame_rate"]), with_kwargs=True
    )
    sigmas = SoraSchedule.execute(latent, 2, 1.0, 1.0).args[0]
    for expected, options in ((12.0, {}), (30.0, {"frame_rate": 30.0})):
        rates.clear()
        conds = [[[cond[0][0], cond[0][1] | options]] for cond in words]
        guider = guided(model, latent, conds).args[0]
        SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
        assert set(rates) == {expected}


def test_a_model_that_takes_footage_continues_from_what_it_has_generated(host):
    model, latent, words = host("wan22_5b", 48, 16)
    result, observed = observed_by(model, latent, words, window=SECONDS)
    assert set(observed) == {OBSERVED}
    first, _ = observed_by(model, latent, words, window=SECONDS)
    assert torch.equal(result, first)
    assert (
        "each continuing the one before"
        in guided(model, latent, words, window=SECONDS).ui["text"][0]
    )


def test_any_other_model_sees_windows_that_overlap(host):
    model, latent, words = host("wan21_t2v", 16, 8)
    _, observed = observed_by(model, latent, words, window=SECONDS)
    assert set(observed) == {OBSERVED}
    assert "windows" in guided(model, latent, words, window=SECONDS).ui["text"][0]


@pytest.mark.parametrize("name, sizes", [("wan22_5b", (48, 16)), ("wan21_t2v", (16, 8))])
def test_footage_stays_bit_for_bit_in_links_and_in_windows(host, name, sizes):
    side = 4 * sizes[1]
    clip = torch.randint(0, 256, (9, side, side, 3), dtype=torch.uint8)
    model, latent, words = host(name, *sizes, clip)
    result, _ = observed_by(model, latent, words, window=SECONDS)
    assert torch.equal(result[:, :, :3], latent["samples"][:, :, :3])
    assert not (result[:, :, 3:] == latent["samples"][:, :, 3:]).any()


def test_each_window_gets_its_own_prompt(host):
    model, latent, (words, other) = host("wan21_t2v", 16, 8)
    texts = [
        [words[0][0], words[0][1] | {SPAN_KEY: (0.0, 3.0)}],
        [other[0][0], other[0][1] | {SPAN_KEY: (3.0, 49 / 8)}],
    ]
    settings = {"window": SECONDS}
    first, second, both = (
        observed_by(model, latent, [positive, other], **settings)[0]
        for positive in (words, other, texts)
    )
    torch.testing.assert_close(both[:, :, 0], first[:, :, 0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(both[:, :, -1], second[:, :, -1], atol=1e-4, rtol=1e-3)
