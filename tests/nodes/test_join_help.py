"""Better joins on models that accept no footage: visible inputs that are off by default."""

from itertools import pairwise

import comfy.sd
import comfy_extras.nodes_custom_sampler as stock
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.latents import canvas_latent_of, with_matched
from sora_nodes.nodes.host.vae.sampled_latent import sampled_latent
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

STEPS = 4


def extension(pack, footage, frames, levels=256):
    """The LATENT of a canvas of `frames` frames that begins with `footage` frames of a clip.

    The clip has one colour for each latent cell, so that its latent has texture; it is black with
    one of `levels`.
    """
    random = torch.Generator().manual_seed(0)
    cells = torch.randint(0, levels, (footage, 4, 4, 3), generator=random)
    clip = cells.repeat_interleave(4, 0)[3:].repeat_interleave(8, 1).repeat_interleave(8, 2)
    clip = clip[:footage]  # a latent frame of one frame, then of four each
    canvas = Canvas(width=32, height=32, seconds=frames / 8)
    canvas = edits.extend_forward(canvas, clip.to(torch.uint8))
    return SoraEncodeCanvas.execute(canvas, pack.TinyVAE(16, 4, 8)).args[0]


@pytest.fixture
def sampled(pack, folder):
    """Samples an extension of a clip on a tiny model.

    Returns its LATENT or with `result` that of the result, the samples, and the noise level of each
    call of the network.
    """
    words = [pack.conditioning(4096, 0, False, i) for i in (1, 2)]

    def run(name="wan21_t2v", guider=None, scale=1.0, latent=None, result=False):
        latent = latent or extension(pack, 9, 25)
        model = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        guided = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0, latent, **(guider or {}))
        sigmas = SoraSchedule.execute(latent, STEPS, 3.0, 1.0, model).args[0]
        levels = []
        hook = model.model.diffusion_model.register_forward_pre_hook(
            lambda module, args: levels.append(args[1].max().item())
        )
        noise = SoraNoise.execute(3).args[0]
        done = SoraSample.execute(noise, guided.args[0], sigmas, latent, "euler").args[0]
        hook.remove()
        return done if result else latent, done["samples"], levels

    return run


def test_the_defaults_change_no_bit(sampled):
    _, plain, levels = sampled()
    _, same, again = sampled(guider={"hand_over": 0.0})
    assert torch.equal(plain, same) and levels == again and len(again) == STEPS


@pytest.mark.parametrize("name", ["wan21_t2v", "wan21_i2v"])
def test_help_changes_what_is_generated_and_no_bit_of_footage(sampled, name):
    latent, plain, _ = sampled(name)
    _, helped, _ = sampled(name, guider={"hand_over": 0.7})
    known = latent["noise_mask"].expand_as(plain) == 0
    assert torch.equal(helped[known], latent["samples"][known])
    assert not torch.allclose(helped[~known], plain[~known], atol=1e-3)


def test_values_out_of_range_are_refused(sampled):
    with pytest.raises(ConfigError, match="hand_over 2"):
        sampled(guider={"hand_over": 2.0})


@pytest.mark.parametrize("name", ["wan21_t2v", "wan21_i2v"])
def test_eased_guidance_changes_what_is_generated_and_no_bit_of_footage(sampled, name):
    latent, plain, _ = sampled(name, guider={"ease_guidance": 0}, scale=3.0)
    _, eased, _ = sampled(name, guider={"ease_guidance": 2}, scale=3.0)
    known = latent["noise_mask"].expand_as(plain) == 0
    assert torch.equal(eased[known], latent["samples"][known])
    assert not torch.allclose(eased[~known], plain[~known], atol=1e-3)


def test_easing_out_of_range_is_refused(sampled):
    with pytest.raises(ConfigError, match="ease_guidance 65"):
        sampled(guider={"ease_guidance": 65})


def test_a_long_video_is_sampled_in_segments_with_a_hand_over_and_in_windows_without(sampled):
    latent, windows, joint_levels = sampled(guider={"window": 17 / 8})
    _, segments, levels = sampled(guider={"window": 17 / 8, "hand_over": 1.0})
    known = latent["noise_mask"].expand_as(windows) == 0
    assert torch.equal(segments[known], latent["samples"][known])
    assert not torch.allclose(segments[~known], windows[~known], atol=1e-3)
    assert segments.isfinite().all()
    assert joint_levels == sorted(joint_levels, reverse=True) and len(joint_levels) > STEPS
    rises = [after > before for before, after in pairwise(levels)]
    assert sum(rises) == 1  # the second segment begins after the first is finished


@pytest.mark.parametrize(
    ("footage", "hand_over", "matched"),
    [(17, 1.0, True), (9, 1.0, True), (17, 0.0, False), (5, 1.0, False)],
)
def test_segments_after_one_of_footage_by_half_are_marked_as_matched_to_it(
    sampled, pack, footage, hand_over, matched
):
    before = with_matched(extension(pack, footage, 41), not matched)  # of an earlier sampling
    settings = {"window": 17 / 8, "hand_over": hand_over}
    latent, _, _ = sampled(guider=settings, latent=before, result=True)
    assert canvas_latent_of(latent).is_matched(latent["samples"]) == matched


def test_segments_after_a_black_clip_are_not_matched_to_it(sampled, pack):
    settings = {"window": 17 / 8, "hand_over": 1.0}
    latent, _, _ = sampled(guider=settings, latent=extension(pack, 17, 41, 1), result=True)
    assert not canvas_latent_of(latent).is_matched(latent["samples"])


def resampled_by_the_host(model, words, latent):
    """`latent`, changed by a sampler of the host."""
    guider = stock.Guider_Basic(model)
    guider.set_conds(words)
    noise, euler = stock.Noise_RandomNoise(5), stock.KSamplerSelect.execute("euler").args[0]
    sigmas = torch.tensor([0.5, 0.0])
    return stock.SamplerCustomAdvanced.execute(noise, guider, euler, sigmas, latent).args[0]


@pytest.mark.parametrize("change", ["resampled", "scaled", "in place", "shortened", "unchanged"])
def test_a_matched_latent_that_another_node_has_changed_is_matched_no_more(
    sampled, pack, folder, change
):
    settings = {"window": 17 / 8, "hand_over": 1.0}
    latent, _, _ = sampled(guider=settings, latent=extension(pack, 17, 41), result=True)
    if change == "resampled":
        model = comfy.sd.load_diffusion_model(str(folder / "wan21_t2v_tiny.safetensors"))
        latent = resampled_by_the_host(model, pack.conditioning(4096, 0, False, 1), latent)
    elif change == "scaled":
        latent = latent | {"samples": 0.9 * latent["samples"]}
    elif change == "in place":
        latent["samples"].mul_(0.9)
    elif change == "shortened":
        latent = latent | {"samples": latent["samples"][:, :, :5]}
    matched = sampled_latent(latent, pack.TinyVAE(16, 4, 8)).matched
    assert matched == (change == "unchanged")


def test_one_latent_of_a_matched_batch_is_matched_too(sampled, pack):
    latent = extension(pack, 17, 41)
    two = latent | {"samples": latent["samples"].expand(2, -1, -1, -1, -1).clone()}
    settings = {"window": 17 / 8, "hand_over": 1.0}
    batch, samples, _ = sampled(guider=settings, latent=two, result=True)
    assert not torch.equal(samples[0], samples[1])
    second = batch | {"samples": samples[1:]}
    for part in (batch, second):
        assert sampled_latent(part, pack.TinyVAE(16, 4, 8)).matched
