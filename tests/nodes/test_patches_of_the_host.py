"""The host's own nodes that patch a model work under Sora Guider with the footage of the canvas.

Skip-layer guidance calls the network again, NAG needs both prompts at scale 1, and context windows
cut the latent: each of these calls gets the footage that the plain call gets.
"""

import importlib
import inspect

import comfy_extras.nodes_context_windows
import comfy_extras.nodes_easycache
import comfy_extras.nodes_slg
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_families import FPS, PRESENT, STEPS, clip, family, latent_of
from tests.support.families import FAMILIES

CONDITIONED = [  # families that get footage beside or cleaner than the rest
    name
    for name in (
        "wan21_i2v",
        "wan21_vace",
        "wan22_5b",
        "ltxv",
        "cosmos_predict2_v2w",
        "cosmos1_v2w",
        "kandinsky5",
        "hunyuan15",
        "hunyuan_i2v_concat",
        "cogvideox_i2v",
    )
    if name in PRESENT
]
SKIPPED = {"kandinsky5", "wan21_i2v", "wan21_vace", "wan22_5b", "ltxv", "hunyuan15"}
"""Networks with blocks that patches may replace."""


def long_latent(name, pack):
    _, time, side = FAMILIES[name].grid
    canvas = Canvas(width=4 * side, height=4 * side, seconds=(1 + 7 * time) / FPS, fps=FPS)
    canvas = edits.extend_forward(canvas, clip(1 + 2 * time, 4 * side))
    return SoraEncodeCanvas.execute(canvas, family(name, pack)[2]).args[0]


def calls_of(name, model, latent, pack, scale=1.0):
    """Each call of the network, as its arguments and named inputs, and the samples."""
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: calls.append(([part for part in args], named)),
        with_kwargs=True,
    )
    try:
        words = family(name, pack)[1]
        guider = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0, latent).args[0]
        sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
        noise = SoraNoise.execute(3).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]
    finally:
        hook.remove()
    return calls, result


@pytest.mark.parametrize("name", [name for name in CONDITIONED if name in SKIPPED])
def test_the_second_call_of_skip_layer_guidance_gets_the_same_footage(pack, name):
    model, latent = family(name, pack)[0], latent_of(name, "forward", pack)
    node = comfy_extras.nodes_slg.SkipLayerGuidanceDiT
    patched = node.execute(model, 3.0, 0.0, 1.0, "0", "0", 0.0).args[0]
    calls, result = calls_of(name, patched, latent, pack)
    _, plain = calls_of(name, model, latent, pack)
    assert len(calls) == 2 * STEPS
    for (first, named), (second, again) in zip(calls[::2], calls[1::2], strict=True):
        for one, other in zip(first[:2], second[:2], strict=True):
            assert torch.equal(one, other)
        context = named.get("vace_context")
        assert context is None or torch.equal(context, again["vace_context"])
    held = (latent["noise_mask"] == 0).expand_as(result)
    assert torch.equal(result[held], latent["samples"][held])
    assert not torch.equal(result, plain)


def test_nag_gets_both_prompts_at_scale_1(pack):
    try:
        nag = importlib.import_module("comfy_extras.nodes_nag").NAGuidance
    except ModuleNotFoundError:
        pytest.skip("this ComfyUI has no NAGuidance")
    model, latent = family("wan21_i2v", pack)[0], latent_of("wan21_i2v", "forward", pack)
    patched = nag.execute(model, 5.0, 0.5, 1.5).args[0]
    calls, result = calls_of("wan21_i2v", patched, latent, pack)
    _, plain = calls_of("wan21_i2v", model, latent, pack)
    assert sum(len(args[0]) for args, _ in calls) == 2 * STEPS
    assert not torch.equal(result, plain)


def windowed(model):
    node = comfy_extras.nodes_context_windows.ContextWindowsManualNode
    newer = inspect.signature(node.execute).parameters.keys() & {"freenoise"}
    settings = dict.fromkeys(newer, False)
    return node.execute(model, 4, 2, "standard_static", 1, False, "pyramid", 2, **settings).args[0]


@pytest.mark.parametrize("name", CONDITIONED)
def test_context_windows_of_the_host_show_each_frame_its_own_footage(pack, name):
    model, latent = family(name, pack)[0], long_latent(name, pack)
    channels = latent["samples"].shape[1]
    (whole, *_), _ = calls_of(name, model, latent, pack)
    calls, result = calls_of(name, windowed(model), latent, pack)
    held = (latent["noise_mask"] == 0).expand_as(result)
    assert torch.equal(result[held], latent["samples"][held])
    first_step = calls[: len(calls) // STEPS]
    assert len(first_step) > 1
    for args, named in first_step:
        window = named["transformer_options"]["context_window"]
        anchor = getattr(window, "causal_anchor_index", None)
        frames = [anchor] * (anchor is not None and anchor >= 0) + list(window.index_list)
        assert args[0].shape[2] == len(frames)
        beside = whole[0][0][:1, channels:, frames]
        assert torch.equal(args[0][:1, channels:], beside)
        clean = (latent["noise_mask"][:, :, frames] == 0).expand(-1, channels, -1, -1, -1)
        same = args[0][:1, :channels][clean], whole[0][0][:1, :channels, frames][clean]
        torch.testing.assert_close(*same)
        context = named.get("vace_context")
        if context is not None:
            assert torch.equal(context[..., :, :, :], whole[1]["vace_context"][:, :, :, frames])
        assert named.get("denoise_mask") is None or named["denoise_mask"].shape[2] == len(frames)


def test_single_frames_of_ltx_and_context_windows_are_refused(pack):
    model, words, _ = family("ltxv", pack)
    latent = latent_of("ltxv", "last frame", pack)
    with pytest.raises(ConfigError, match="context windows and single frames"):
        SoraGuider.execute(windowed(model), *words, 1.0, 0.0, 1.0, 0.0, latent)


@pytest.mark.parametrize("operation", ["forward", "empty loop"])
def test_easy_cache_is_refused_where_a_step_is_several_calls(pack, operation):
    model, words, _ = family("wan21_t2v", pack)
    latent = latent_of("wan21_t2v", operation, pack)
    nodes = comfy_extras.nodes_easycache
    easy, lazy = (
        node.execute(model, 0.2, 0.0, 1.0, False).args[0]
        for node in (nodes.EasyCacheNode, nodes.LazyCacheNode)
    )
    settings = {} if operation == "empty loop" else {"window": 13 / FPS}
    SoraGuider.execute(lazy, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings)
    with pytest.raises(ConfigError, match="EasyCache reuses the last call"):
        SoraGuider.execute(easy, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings)
    once = latent_of("wan21_t2v", "forward", pack)
    SoraGuider.execute(easy, *words, 1.0, 0.0, 1.0, 0.0, once)


TIMED = {  # of the host's nodes for cameras, poses, sound and start images
    "audio_embed": (1, 6, 8, 5, 4),
    "face_video_pixels": (1, 3, 17, 8, 8),
    "time_dim_replace": (1, 16, 1, 4, 4),
}


@pytest.mark.parametrize("option", TIMED)
def test_conditioning_along_the_whole_video_is_refused_in_parts(pack, option):
    model, words, _ = family("wan21_i2v", pack)
    latent = latent_of("wan21_i2v", "text", pack)
    timed = torch.zeros(TIMED[option])
    words = [[[cond[0][0], cond[0][1] | {option: timed}]] for cond in words]
    SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent)
    with pytest.raises(ConfigError, match=f"^positive: `{option}` of the conditioning is for"):
        SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, window=1.6)
    looped = latent_of("wan21_i2v", "empty loop", pack)
    with pytest.raises(ConfigError, match=r"whole video|already holds an image"):
        SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, looped)


def test_images_of_another_length_than_the_canvas_are_refused(pack):
    model, words, _ = family("wan21_i2v", pack)
    latent = latent_of("wan21_i2v", "text", pack)
    frames = latent["samples"].shape[2]
    for length in (frames - 1, frames, frames + 1):
        options = {"concat_latent_image": torch.zeros(1, 16, length, 4, 4)}
        conds = [[[cond[0][0], cond[0][1] | options]] for cond in words]
        if length == frames:
            SoraGuider.execute(model, *conds, 1.0, 0.0, 1.0, 0.0, latent)
            continue
        problem = f"^positive: .* has {length} latent frames, the canvas {frames}"
        with pytest.raises(ConfigError, match=problem):
            SoraGuider.execute(model, *conds, 1.0, 0.0, 1.0, 0.0, latent)


def test_a_camera_as_long_as_the_video_is_cut_with_it(pack):
    if "wan21_camera" not in PRESENT:
        pytest.skip("this ComfyUI has no such model")
    model, words, _ = family("wan21_camera", pack)
    latent = latent_of("wan21_camera", "forward", pack)
    frames, side = latent["samples"].shape[2], 32
    camera = torch.randn(1, 24, frames, side, side, generator=torch.Generator().manual_seed(5))
    words = [[[cond[0][0], cond[0][1] | {"camera_conditions": camera}]] for cond in words]
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: calls.append(named["camera_conditions"]), with_kwargs=True
    )
    settings = {"window": 13 / FPS, "resume": False}
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
    hook.remove()
    cuts = [camera[:, :, i : i + n] for n in (3, 4) for i in range(frames + 1 - n)]
    assert len(calls) > STEPS
    assert all(any(torch.equal(part, cut) for cut in cuts) for part in calls)
