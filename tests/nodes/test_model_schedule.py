"""Sora Schedule with a MODEL gives the noise levels that the model's authors sample with."""

import comfy.model_sampling
import comfy.sd
import comfy_extras.nodes_lt
import comfy_extras.nodes_model_advanced
import pytest
import torch
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.errors import ConfigError

STEPS = 20


@pytest.fixture
def model(folder):
    return lambda name: comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))


def empty(channels, frames=21, rows=60, columns=104):
    return {"samples": torch.zeros(1, channels, frames, rows, columns)}


def scheduled(latent, model=None, steps=STEPS, shift=0.0, strength=1.0):
    return SoraSchedule.execute(latent, steps, shift, strength, model).args[0]


@pytest.mark.parametrize(
    ("name", "channels", "shift"),
    [("wan21_t2v", 16, 8.0), ("wan22_5b", 48, 8.0), ("hunyuan", 16, 7.0)],
)
def test_a_flow_model_has_its_own_shift(model, name, channels, shift):
    loaded = model(name)
    sigmas = scheduled(empty(channels), loaded)
    t = torch.linspace(1, 0, STEPS + 1)
    torch.testing.assert_close(sigmas, shift * t / (1 + (shift - 1) * t))


def test_a_patched_shift_is_the_models_own(model):
    patched = comfy_extras.nodes_model_advanced.ModelSamplingSD3().patch(model("wan21_t2v"), 5.0)[0]
    expected = torch.tensor([1, 0.9375, 0.8333, 0.625, 0])  # Lightning, four steps
    sigmas = scheduled(empty(16), patched, steps=4)
    torch.testing.assert_close(sigmas, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("frames", [1, 13, 33])
def test_ltx_has_the_schedule_of_its_own_node(model, frames):
    latent = empty(128, frames, 16, 24)
    expected = comfy_extras.nodes_lt.LTXVScheduler.execute(STEPS, 2.05, 0.95, True, 0.1, latent)
    torch.testing.assert_close(scheduled(latent, model("ltxv")), expected.args[0])


def test_cosmos_starts_at_its_own_noise(model):
    loaded = model("cosmos_predict2")
    sigmas = scheduled(empty(16), loaded)
    most = float(loaded.model.model_sampling.sigma_max)
    assert float(sigmas[0]) == pytest.approx(most, rel=1e-4) and most == 80
    assert len(sigmas) == STEPS + 1 and float(sigmas[-1]) == 0
    assert (sigmas.diff() < 0).all()
    half = scheduled(empty(16), loaded, strength=0.5)
    assert float(half[0]) == 1
    with pytest.raises(ConfigError, match="set it to 0"):
        scheduled(empty(16), loaded, shift=3.0)


@pytest.mark.parametrize(
    ("name", "channels", "words", "sentence"),
    [
        ("wan21_t2v", 16, (4096, 0, False), "uses 8.0: connect its MODEL"),
        ("cosmos_predict2", 16, (1024, 0, False), "start at 1, the noise of CosmosPredict2"),
    ],
)
def test_levels_for_another_model_end_in_a_sentence_and_its_own_do_not(
    model, pack, name, channels, words, sentence
):
    loaded, latent = model(name), empty(channels, 2, 4, 4)
    words = [pack.conditioning(*words, i) for i in (1, 2)]
    for placed in (latent, None):
        guider = SoraGuider.execute(loaded, *words, 1.0, 0.0, 1.0, 0.0, placed).args[0]
        noise = SoraNoise.execute(1).args[0]
        for own, expected in ((None, True), (loaded, False)):
            sigmas = scheduled(latent, own, steps=2)
            result = SoraSample.execute(noise, guider, sigmas, latent, "euler")
            text = (result.ui or {"text": ("",)})["text"][0]
            assert (sentence in text) is expected
