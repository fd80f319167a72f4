"""Networks whose sampler has unbounded sigma get each cell in the scale of its own noise level."""

from types import SimpleNamespace

import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from sora_nodes.nodes.host.guidance.noise_scale import check_sampler, host_latent
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_families import PRESENT, STEPS, family, latent_of
from tests.support.families import FAMILIES

SAMPLINGS = {
    "edm": (comfy.model_sampling.EDM, comfy.model_sampling.ModelSamplingContinuousEDM),
    "cosmos": (comfy.model_sampling.COSMOS_RFLOW, comfy.model_sampling.ModelSamplingCosmosRFlow),
}


def model_of(name):
    kinds = SAMPLINGS[name]
    return SimpleNamespace(model_sampling=type("Sampling", kinds[::-1], {})())


@pytest.mark.parametrize("name", SAMPLINGS)
def test_a_cell_at_a_level_of_its_own_is_scaled_as_a_clip_at_that_level(name):
    model, sigma = model_of(name), 20.0
    sampling = model.model_sampling
    x = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([0.0, 0.5]).reshape(1, 1, 2, 1, 1)
    scaled = sampling.calculate_input(torch.tensor([sigma]), host_latent(model, x, levels, sigma))
    for i, level in enumerate((0.0, 0.5)):
        own = level / (1 - level)
        alone = sampling.calculate_input(torch.tensor([own]), host_latent(model, x, None, own))
        torch.testing.assert_close(scaled[:, :, i], alone[:, :, i])


def test_rectified_flow_has_one_scale():
    model = SimpleNamespace(model_sampling=comfy.model_sampling.CONST())
    x = torch.ones(1, 1, 1, 1, 1)
    assert host_latent(model, x, torch.zeros(1, 1, 1, 1, 1), 0.5) is x


@pytest.mark.parametrize("name", ["cogvideox_t2v", "cogvideox_i2v"])
def test_cogvideox_gets_noise_of_variance_1(pack, name):
    if name not in PRESENT:
        pytest.skip("this ComfyUI has no such model")
    model, words, _ = family(name, pack)
    latent, calls = latent_of(name, "forward", pack), []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append(args[0])
    )
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    noise = SoraNoise.execute(3).args[0]
    SoraSample.execute(noise, guider, sigmas, latent, "euler")
    hook.remove()
    drawn = noise.generate_noise(latent)
    channels = FAMILIES[name].grid[0]
    torch.testing.assert_close(calls[0][:, :channels], drawn, atol=1e-2, rtol=1e-2)


def test_a_sampler_that_scales_latents_itself_is_refused_for_cogvideox(pack):
    if "cogvideox_t2v" not in PRESENT:
        pytest.skip("this ComfyUI has no CogVideoX")
    model = family("cogvideox_t2v", pack)[0].model
    check_sampler(model, comfy.samplers.ksampler("euler"))
    with pytest.raises(ConfigError, match="in its own way"):
        check_sampler(model, comfy.samplers.Sampler())


def test_odd_latents_of_cogvideox_15_begin_with_a_frame_more(pack):
    if "cogvideox15_i2v" not in PRESENT:
        pytest.skip("this ComfyUI has no CogVideoX")
    model, words, _ = family("cogvideox15_i2v", pack)
    latent, calls = latent_of("cogvideox15_i2v", "first frame", pack), []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append(args[0])
    )
    guider = SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0, latent).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
    hook.remove()
    frames = latent["samples"].shape[2]
    known = model.model.process_latent_in(latent["samples"])[:, :, 0]
    assert frames % 2 == 1
    for x in calls:
        assert x.shape[2] == frames + 1
        assert torch.equal(x[:, :, 0], x[:, :, 1])
        for row in x[:, 16:, :2].unbind(2):
            torch.testing.assert_close(row, known.expand_as(row))
        assert not x[:, 16:, 2:].any()
