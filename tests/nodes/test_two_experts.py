"""Two networks of one kind share a schedule: one for high noise, one for low noise."""

import comfy.sd
import comfy_extras.nodes_custom_sampler as stock
import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_families import OPERATIONS, check

BOUNDARY = 0.875
SIGMAS = torch.tensor([1.0, 0.95, 0.9, 0.6, 0.3, 0.0])
SPLIT = 3  # the first sigma below the boundary
FRAMES = 25
SIZE = {"width": 32, "height": 32, "seconds": FRAMES / 8}


@pytest.fixture
def experts(pack, folder):
    """Two models of one kind with other weights, by name."""

    def result(name):
        channels = {"wan21_t2v": 0, "wan21_i2v": 20}[name]
        settings = {"model_type": "i2v"} if channels else {}
        path = folder / f"{name}_low.safetensors"
        if not path.exists():
            save_file(pack.randomised(pack.wan(16, channels, **settings), 99), path)
        high = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        return high, comfy.sd.load_diffusion_model(str(path))

    return result


@pytest.fixture
def words(pack):
    return [pack.conditioning(4096, 0, False, i) for i in (1, 2)]


def encoded(pack, edit):
    canvas = OPERATIONS[edit](Canvas(**SIZE), SIZE["width"], 4, FRAMES)
    return SoraEncodeCanvas.execute(canvas, pack.TinyVAE(16, 4, 8)).args[0]


def guided(model, words, latent=None, **more):
    return SoraGuider.execute(model, *words, 4.0, 0.0, 1.0, 0.0, latent, **more).args[0]


def sampled(guider, latent, sigmas=SIGMAS, noise=None):
    noise = noise or SoraNoise.execute(3).args[0]
    return SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]


def in_two_stages(first, second, latent):
    half = sampled(first, latent, SIGMAS[: SPLIT + 1])
    no_noise = stock.Noise_EmptyNoise()
    no_noise.seed = 0
    return sampled(second, half, SIGMAS[SPLIT:], no_noise)


@pytest.mark.parametrize("name", ["wan21_t2v", "wan21_i2v"])
@pytest.mark.parametrize("edit", OPERATIONS)
def test_two_stages_equal_one_pass_with_two_models(experts, pack, words, name, edit):
    high, low = experts(name)
    latent = encoded(pack, edit)
    pair = guided(high, words, latent, model_low=low, boundary=BOUNDARY)
    whole = sampled(pair, latent)["samples"]
    stages = in_two_stages(guided(high, words, latent), guided(low, words, latent), latent)
    # Between the stages the host divides by 1 - sigma and multiplies again: float32 rounding.
    apart = ((stages["samples"] - whole).abs().max() / whole.std()).item()
    print(f"two_stages {name} {edit} {apart:.1e}")
    assert apart < 1e-5
    for samples in (whole, stages["samples"]):
        result = latent | {"samples": samples, "last level": float(SIGMAS[-2])}
        check(result, latent, pack.TinyVAE(16, 4, 8))


def test_each_call_goes_to_the_network_of_its_noise_level(experts, pack, words):
    observed = []
    models = dict(zip(("high", "low"), experts("wan21_t2v"), strict=True))
    for name, model in models.items():
        model.model.diffusion_model.register_forward_pre_hook(
            lambda module, args, name=name: observed.append((name, args[1].max().item() / 1000))
        )
    latent = encoded(pack, "forward")
    for placed in (latent, None):
        observed.clear()
        pair = guided(
            models["high"], words, placed, model_low=models["low"], boundary=BOUNDARY, resume=False
        )
        sampled(pair, latent)
        assert len(observed) == len(SIGMAS) - 1
        assert all((level >= BOUNDARY) == (name == "high") for name, level in observed)


@pytest.mark.slow
def test_segments_switch_networks_too_and_are_resumed_only_with_the_same_pair(experts, pack, words):
    high, low = experts("wan21_i2v")
    latent = encoded(pack, "forward")
    settings = {"model_low": low, "boundary": BOUNDARY, "window": 17 / 8}
    calls = []
    low.model.diffusion_model.register_forward_pre_hook(lambda module, args: calls.append(1))

    def result(**more):
        calls.clear()
        guider = guided(high, words, latent, **settings | more)
        return sampled(guider, latent)["samples"], len(calls)

    first, count = result()
    again, repeated = result()
    other, recomputed = result(boundary=0.5)
    assert torch.equal(first, again)
    assert count > 0 and repeated == 0 and recomputed > 0
    assert not torch.equal(first, other)


def test_a_stage_of_a_long_video_in_segments_is_refused(experts, pack, words):
    high, low = experts("wan21_i2v")
    latent = encoded(pack, "forward")
    first, second = (guided(one, words, latent, window=17 / 8) for one in (high, low))
    with pytest.raises(ConfigError, match="model_low"):
        in_two_stages(first, second, latent)


def test_models_of_two_kinds_are_refused(experts, pack, words):
    high, _ = experts("wan21_t2v")
    _, low = experts("wan21_i2v")
    with pytest.raises(ConfigError, match="two models of one kind"):
        guided(high, words, encoded(pack, "forward"), model_low=low)
