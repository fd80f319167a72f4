"""The host's models receive the inputs that their own nodes make, or are refused."""

import inspect

import comfy.latent_formats
import comfy.model_base
import comfy.model_sampling
import comfy.samplers
import comfy.sd
import comfy_extras.nodes_context_windows
import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.conditioning_support import conditioning_support
from sora_nodes.nodes.host.guidance.open_space import empty_footage
from sora_nodes.nodes.host.latents import latent_dict
from sora_nodes.nodes.host.sampling import sampler
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.canvas.canvas_latent import CanvasLatent
from sora_nodes.sora_core.errors import ConfigError
from sora_nodes.sora_core.shapes import COMPRESSION

from tests.support.clips import random_frames
from tests.support.tiny import NAME, write_tiny

SIGMAS = torch.tensor([1.0, 0.6, 0.3, 0.0])
SIZE = {"width": 64, "height": 64, "seconds": 13 / 8}
WORDS = {"wan": (4096, 0, False), "hun": (64, 768, False), "cos": (1024, 0, False)}


@pytest.fixture
def host(pack, folder):
    def result(name):
        model = comfy.sd.load_diffusion_model(str(folder / f"{name}_tiny.safetensors"))
        return model, [pack.conditioning(*WORDS[name[:3]], i) for i in (1, 2)]

    return result


def clip(frames, seed=0):
    return random_frames(frames, seed, 64, 64)


def sampled(guider, latent, sigmas=SIGMAS, name="euler"):
    noise = SoraNoise.execute(3).args[0]
    return SoraSample.execute(noise, guider, sigmas, latent, name).args[0]["samples"]


def calls_of(model):
    """Input, and named inputs, of each call of the network from now on."""
    calls = []
    model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: calls.append((args[0].clone(), named)), with_kwargs=True
    )
    return calls


@pytest.mark.parametrize("placed", [True, False])
def test_the_guiding_frame_of_hunyuan_is_clean_and_is_named_only_where_it_is_there(
    host, pack, placed
):
    model, words = host("hunyuan")
    words = [[[cond[0][0], cond[0][1] | {"guiding_frame_index": 0}]] for cond in words]
    canvas = edits.image_to_video(Canvas(**SIZE), clip(1)) if placed else Canvas(**SIZE)
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(16, 4, 8)).args[0]
    known = model.model.process_latent_in(latent["samples"])
    calls = calls_of(model)
    # Scale 1: with a guiding frame the host's network takes one row at a time.
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
    sampled(guider, latent)
    assert len(calls) == len(SIGMAS) - 1
    for x, named in calls:
        assert (named.get("guiding_frame_index") is not None) is placed
        if placed:
            torch.testing.assert_close(x[:1, :, :1], known[:, :, :1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_the_guiding_frame_of_hunyuan_is_clean_at_every_scale(host, pack, scale):
    model, words = host("hunyuan")
    words[0][0][1]["guiding_frame_index"] = 0  # of the positive alone, as the host's node sets it
    canvas = edits.image_to_video(Canvas(**SIZE), clip(1))
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(16, 4, 8)).args[0]
    known = model.model.process_latent_in(latent["samples"])
    calls = calls_of(model)
    guider = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0, latent).args[0]
    sampled(guider, latent)
    named = [each.get("guiding_frame_index") is not None for _, each in calls]
    assert sum(named) == len(SIGMAS) - 1 and (scale == 1 or not all(named))
    for x, _ in calls:
        torch.testing.assert_close(x[:, :, :1], known[:, :, :1], atol=1e-5, rtol=1e-5)


def latent_with(filler):
    canvas = Canvas(width=16, height=16, seconds=17 / 8)
    known, mask = torch.zeros(1, 4, 5, 2, 2), torch.ones(1, 1, 5, 2, 2)
    encoded = CanvasLatent(
        canvas=canvas, compression=COMPRESSION, known=known, mask=mask, filler=filler
    )
    return latent_dict(encoded, noise_mask=True)


@pytest.mark.parametrize(
    ("kind", "grey"),
    [
        ("WAN21", True),
        ("WAN22", True),
        ("HunyuanVideoI2V", False),
        ("HunyuanVideo15", False),
        ("HunyuanVideoSkyreelsI2V", False),
    ],
)
def test_open_space_is_grey_for_wan_and_zero_for_the_others(kind, grey):
    model = getattr(comfy.model_base, kind).__new__(getattr(comfy.model_base, kind))
    filler = torch.full((1, 4, 3, 2, 2), 0.5)
    empty = empty_footage(model, latent_with(filler), torch.zeros(1, 4, 5, 2, 2))
    assert bool((empty == 0.5).all()) is grey
    assert bool((empty == 0).all()) is not grey


@pytest.mark.parametrize("name", ["cosmos_predict2", "wan21_t2v"])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_guidance_without_a_canvas_is_that_of_the_host(host, name, scale):
    model, words = host(name)
    latent = {"samples": torch.zeros(1, 16, 2, 4, 4)}
    sigmas = SoraSchedule.execute(latent, 4, 0.0, 1.0, model).args[0]
    theirs = comfy.samplers.CFGGuider(model)
    theirs.set_conds(*words)
    theirs.set_cfg(scale)
    ours = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0).args[0]
    expected = sampled(theirs, latent, sigmas)
    torch.testing.assert_close(sampled(ours, latent, sigmas), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["sde", "dpmpp_2m"])
def test_samplers_reach_clean_latents_from_any_noise_range(host, name):
    model, words = host("cosmos_predict2")
    latent = {"samples": torch.zeros(1, 16, 2, 4, 4)}
    sigmas = SoraSchedule.execute(latent, 4, 0.0, 1.0, model).args[0]
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0).args[0]
    assert sampled(guider, latent, sigmas, name).isfinite().all()


def gaussian_error(name, steps):
    """How far a sampler of the host ends from the exact solution for data of deviation 1/2.

    The denoiser of that data is x / (1 + 4 sigma^2), and the exact flow keeps
    x / sqrt(1/4 + sigma^2).
    """
    sigmas = torch.logspace(1, -2, steps + 1, dtype=torch.float64)
    x = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)

    class Denoise:
        class inner_model:  # noqa: N801
            class model_patcher:  # noqa: N801
                get_model_object = staticmethod(
                    lambda name: comfy.model_sampling.ModelSamplingContinuousEDM()
                )

        def __call__(self, x, sigma, **_):
            return x / (1 + 4 * sigma.view(-1, 1, 1, 1, 1) ** 2)

    result = sampler(name).sampler_function(Denoise(), x, sigmas)
    exact = ((0.25 + sigmas[-1] ** 2) / (0.25 + sigmas[0] ** 2)).sqrt()
    return abs(float(result) - float(exact))


def test_dpmpp_2m_is_of_second_order_where_sigma_has_no_end():
    assert gaussian_error("dpmpp_2m", 64) / gaussian_error("dpmpp_2m", 128) > 3.5
    assert gaussian_error("euler", 64) / gaussian_error("euler", 128) < 2.5


def test_patches_that_call_the_network_again_see_the_same_footage(host, pack):
    model, words = host("wan21_i2v")
    latent = SoraEncodeCanvas.execute(
        edits.image_to_video(Canvas(**SIZE), clip(1)), pack.TinyVAE(16, 4, 8)
    ).args[0]

    def again(args):
        options = args["model_options"]
        comfy.samplers.calc_cond_batch(
            args["model"], [args["cond"]], args["input"], args["sigma"], options
        )
        return args["denoised"]

    model.set_model_sampler_post_cfg_function(again)
    calls = calls_of(model)
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
    sampled(guider, latent)
    assert len(calls) == 2 * (len(SIGMAS) - 1)
    for (first, _), (second, _) in zip(calls[::2], calls[1::2], strict=True):
        torch.testing.assert_close(first[:1], second[:1])


def test_a_patch_that_needs_both_predictions_gets_them_at_scale_1(host, pack):
    model, words = host("wan21_i2v")
    latent = SoraEncodeCanvas.execute(
        edits.image_to_video(Canvas(**SIZE), clip(1)), pack.TinyVAE(16, 4, 8)
    ).args[0]
    calls, counts = calls_of(model), []
    for patched in (False, True):
        if patched:
            model.model_options["disable_cfg1_optimization"] = True
        calls.clear()
        guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
        result = sampled(guider, latent)
        counts.append((sum(len(x) for x, _ in calls), result))
    (once, first), (both, second) = counts
    assert both == 2 * once
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["Anima", "Krea2", "JoyImage", "Kandinsky5Image"])
def test_image_models_whose_latents_have_a_time_axis_are_refused(kind):
    model = type(kind, (), {"latent_format": comfy.latent_formats.Wan21()})()
    with pytest.raises(ConfigError, match="does not generate videos"):
        conditioning_support(model)


def test_a_model_of_another_grid_is_refused():
    model = type("MiniMaxH3", (), {"latent_format": comfy.latent_formats.Wan21()})()
    with pytest.raises(ConfigError, match="another grid than a canvas"):
        conditioning_support(model)


@pytest.mark.parametrize("kind", ["SVD_img2vid", "SD15", "Lumina2"])
def test_latents_without_a_time_axis_are_refused_as_what_they_are(kind):
    model = type(kind, (), {"latent_format": comfy.latent_formats.SD15()})()
    with pytest.raises(ConfigError, match=f"the latents of {kind} have no time axis"):
        conditioning_support(model)


def test_a_model_that_restores_videos_is_refused():
    model = type("SeedVR2", (), {"latent_format": comfy.latent_formats.Wan21()})()
    with pytest.raises(ConfigError, match="restores a video"):
        conditioning_support(model)


def test_our_model_says_how_it_is_loaded_anew_and_our_text_encoder_that_it_writes_nothing(
    tmp_path, monkeypatch
):
    path = write_tiny(tmp_path)
    monkeypatch.setitem(
        folder_paths.folder_names_and_paths,
        "diffusion_models",
        ([str(path.parent)], {".safetensors"}),
    )
    model, text, _ = SoraLoadModel.execute(NAME).args
    load, arguments, *_ = model.cached_patcher_init
    again = load(*arguments, disable_dynamic=True)
    first, second = (one.model.diffusion_model.state_dict() for one in (model, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(ConfigError, match="writes no text"):
        text.cond_stage_model.generate(text.tokenize("a ball"), max_length=8)


@pytest.mark.parametrize("name", ["wan21_i2v", "wan22_5b"])
def test_each_frame_of_the_hosts_own_windows_sees_its_footage(host, pack, name):
    model, words = host(name)
    channels, side = (16, 8) if name == "wan21_i2v" else (48, 16)
    canvas = edits.extend_forward(Canvas(**SIZE | {"seconds": 25 / 8}), clip(5))
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(channels, 4, side)).args[0]
    node = comfy_extras.nodes_context_windows.ContextWindowsManualNode
    newer = inspect.signature(node.execute).parameters.keys() & {"freenoise"}
    windowed = node.execute(
        model, 4, 2, "standard_static", 1, False, "pyramid", 2, **dict.fromkeys(newer, False)
    ).args[0]
    calls = calls_of(windowed)
    guider = SoraGuider.execute(windowed, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]
    result = sampled(guider, latent)
    held = (latent["noise_mask"] == 0).expand_as(result)
    assert len(calls) > len(SIGMAS) - 1
    assert torch.equal(result[held], latent["samples"][held])


def test_a_control_of_a_video_in_several_calls_is_refused(host, pack):
    model, words = host("wan21_i2v")
    words = [[[cond[0][0], cond[0][1] | {"control": pack.Control()}]] for cond in words]
    latent = SoraEncodeCanvas.execute(Canvas(**SIZE), pack.TinyVAE(16, 4, 8)).args[0]
    SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent)
    with pytest.raises(ConfigError, match=r"^positive and negative: .* ControlNet"):
        SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, window=0.6)
