"""Graphs in other styles than our workflows: batches, areas of a prompt, stages of a schedule."""

import comfy_extras.nodes_custom_sampler
import comfy_extras.nodes_video_model
import pytest
import torch
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.errors import ConfigError

import nodes
from tests.nodes.test_host_families import (
    PRESENT,
    check,
    family,
    last_level,
    latent_of,
    words_for,
)

BATCHED = ["wan21_t2v", "wan21_i2v", "wan21_vace", "wan22_5b", "wan22_animate", "ltxv"]
STAGED = ["wan21_i2v", "wan21_vace", "wan22_animate", "wan_animate2"]
ROUNDING = 1e-3


def present(names):
    return [name for name in names if name in PRESENT]


def guided(name, latent, pack, words=None, **settings):
    words = words or words_for(name, latent, pack)
    model = family(name, pack)[0]
    return SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0, latent, **settings).args[0]


def sigmas_of(name, latent, pack, steps=2):
    return SoraSchedule.execute(latent, steps, 0.0, 1.0, family(name, pack)[0]).args[0]


@pytest.mark.parametrize("operation", ["forward", "first and last"])
@pytest.mark.parametrize("name", present(BATCHED))
def test_a_batch_of_two_latents_holds_its_footage_and_makes_two_videos(pack, name, operation):
    latent = latent_of(name, operation, pack)
    two = latent | {"samples": latent["samples"].repeat(2, 1, 1, 1, 1)}
    sigmas = sigmas_of(name, two, pack)
    guider = guided(name, two, pack)
    sample = SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, two, "euler")
    first, second = sample.args[0]["samples"].split(1)
    level = {"last level": last_level(family(name, pack)[0], sigmas)}
    for video in (first, second):
        one = sample.args[0] | {"samples": video} | level
        check(one, latent, family(name, pack)[2])
    assert not torch.equal(first, second)


def over_picture(prompt):
    return nodes.ConditioningSetAreaPercentage().append(prompt, 0.5, 0.5, 0, 0, 1.0)[0]


def over_pixels(prompt):
    return nodes.ConditioningSetArea().append(prompt, 16, 16, 0, 0, 1.0)[0]


def over_video(prompt):
    node = comfy_extras.nodes_video_model.ConditioningSetAreaPercentageVideo()
    return node.append(prompt, 0.5, 0.5, 1.0, 0, 0, 0, 1.0)[0]


def within_bounds(prompt):
    mask = torch.zeros(1, 32, 32)
    mask[:, :16] = 1
    return nodes.ConditioningSetMask().append(prompt, mask, "mask bounds", 1.0)[0]


def within_mask(prompt):
    mask = torch.zeros(1, 32, 32)
    mask[:, :16] = 1
    return nodes.ConditioningSetMask().append(prompt, mask, "default", 1.0)[0]


def sampled_with(area, name, pack, **settings):
    latent = latent_of(name, "forward", pack)
    first, second = words_for(name, latent, pack)
    guider = guided(name, latent, pack, [area(first) + second, second], **settings)
    sigmas = sigmas_of(name, latent, pack)
    sample = SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
    level = {"last level": last_level(family(name, pack)[0], sigmas)}
    check(sample.args[0] | level, latent, family(name, pack)[2])


REFUSED_AREAS = [  # what the host itself cannot cut, or what lies beside footage inputs
    ("wan21_t2v", over_picture),
    ("wan21_t2v", over_pixels),
    ("wan21_t2v", within_bounds),
    *((name, over_video) for name in present(["wan21_i2v", "wan21_vace", "wan22_animate"])),
]


@pytest.mark.parametrize(("name", "area"), REFUSED_AREAS)
def test_an_area_that_cannot_be_cut_out_is_refused_with_what_works(pack, name, area):
    with pytest.raises(ConfigError, match="Set Mask"):
        sampled_with(area, name, pack)


def test_an_area_and_windows_are_refused(pack):
    with pytest.raises(ConfigError, match="Set Mask"):
        sampled_with(over_video, "wan21_t2v", pack, window=9 / 8, resume=False)


@pytest.mark.parametrize(
    ("name", "area"),
    [("wan21_t2v", over_video), *((name, within_mask) for name in present(STAGED))],
)
def test_areas_and_masks_of_prompts_work_where_they_can(pack, name, area):
    sampled_with(area, name, pack)


@pytest.mark.parametrize("name", present(STAGED))
def test_two_stages_of_a_schedule_equal_one(pack, name):
    latent, staged = latent_of(name, "forward", pack), comfy_extras.nodes_custom_sampler
    sigmas, guider = sigmas_of(name, latent, pack, 4), guided(name, latent, pack)
    sampler = staged.KSamplerSelect.execute("euler").args[0]
    noise, none = staged.RandomNoise.execute(5).args[0], staged.DisableNoise.execute().args[0]
    run = staged.SamplerCustomAdvanced.execute
    whole = run(noise, guider, sampler, sigmas, latent).args[0]["samples"]
    half = run(noise, guider, sampler, sigmas[:3], latent).args[0]
    rest = run(none, guider, sampler, sigmas[2:], half).args[0]["samples"]
    assert (rest - whole).abs().max() < ROUNDING * whole.std()
