"""Every operation on every family of the host: known cells exact, the rest generated, right sizes.

The inputs of networks are compared with the host's own nodes in test_host_node_inputs,
test_pixel_footage, test_vace, test_guide_frames, test_sound_latent and test_model_families.
"""

from functools import cache

import comfy.model_sampling
import comfy.samplers
import comfy.supported_models
import comfy_extras.nodes_hunyuan
import pytest
import torch
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.vae.sampled_latent import opened_frames
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Box, Canvas, Placement
from sora_nodes.sora_core.errors import ConfigError, SoraError
from sora_nodes.sora_core.sampling.prompt_spans import SPAN_KEY

from tests.support.clips import random_frames
from tests.support.families import (
    FAMILIES,
    IMAGE_FAMILIES,
    REFERENCE_FAMILIES,
    REFUSED_FAMILIES,
    host_model,
    text,
    with_reference,
)

FPS, STEPS = 8, 2
PRESENT = [name for name, each in FAMILIES.items() if hasattr(comfy.supported_models, each.config)]
REFUSED = [
    name
    for name, (each, _) in REFUSED_FAMILIES.items()
    if hasattr(comfy.supported_models, each.config)
]


def clip(frames, side, seed=0):
    return random_frames(frames, seed, side, side)


def hole(side):
    mask = torch.zeros(1, side, side)
    mask[:, : side // 2] = 1
    return mask


def still(canvas, picture, frame):
    return canvas.place(Placement(source=picture, start=frame / FPS, fps=FPS))


OPERATIONS = {  # by the canvas, its side in pixels, frames of a latent frame and of the canvas
    "text": lambda c, s, t, n: c,
    "first frame": lambda c, s, t, n: edits.image_to_video(c, clip(1, s)),
    "last frame": lambda c, s, t, n: still(c, clip(1, s), n - 1),
    "middle frame": lambda c, s, t, n: still(c, clip(1, s), n // 2),
    "first and last": lambda c, s, t, n: still(first_frame(c, s), clip(1, s, 1), n - 1),
    "forward": lambda c, s, t, n: edits.extend_forward(c, clip(1 + t, s)),
    "backward": lambda c, s, t, n: edits.extend_backward(c, clip(2 * t, s), 2 * t / FPS),
    "both": lambda c, s, t, n: edits.extend_both(c, clip(2 * t, s), 2 * t / FPS),
    "connect": lambda c, s, t, n: edits.connect(
        c, clip(1 + t, s), clip(t, s, 1), (1 + t) / FPS, t / FPS
    ),
    "morph": lambda c, s, t, n: edits.morph(c, clip(n, s), clip(n, s, 1), 2 * t / FPS),
    "inpaint": lambda c, s, t, n: edits.inpaint(c, clip(n, s), hole(s)),
    "outpaint": lambda c, s, t, n: edits.outpaint(c, clip(n, s), Box(0, 0, s // 2, s)),
    "video to video": lambda c, s, t, n: edits.video_to_video(c, clip(n, s), 0.4),
    "loop": lambda c, s, t, n: edits.loop(ring(c, t), clip(t, s)),
    "empty loop": lambda c, s, t, n: edits.loop(ring(c, t)),
}


def first_frame(canvas, side):
    return edits.image_to_video(canvas, clip(1, side))


def ring(canvas, time):
    return Canvas(width=canvas.width, height=canvas.height, seconds=4 * time / FPS, fps=FPS)


@cache
def family(name, pack):
    entry = FAMILIES[name]
    return host_model(entry), [text(entry, i) for i in (1, 2)], pack.TinyVAE(*entry.grid)


def latent_of(name, operation, pack):
    _, time, side = FAMILIES[name].grid
    frames, edge = 1 + 4 * time, 4 * side
    canvas = Canvas(width=edge, height=edge, seconds=frames / FPS, fps=FPS)
    canvas = OPERATIONS[operation](canvas, edge, time, frames)
    return SoraEncodeCanvas.execute(canvas, family(name, pack)[2]).args[0]


def words_for(name, latent, pack):
    words = family(name, pack)[1]
    return with_reference(words, latent["samples"]) if name in REFERENCE_FAMILIES else words


def sampled(name, latent, pack, scale=1.0, **settings):
    model, words = family(name, pack)[0], words_for(name, latent, pack)
    guider = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0, latent, **settings).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    result = SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
    return result.args[0] | {"last level": last_level(model, sigmas)}


def last_level(model, sigmas):
    """The lowest noise level at which the model is called: what is held there stays."""
    flow = isinstance(model.model.model_sampling, comfy.model_sampling.CONST)
    return float(sigmas[-2]) / (1 if flow else 1 + float(sigmas[-2]))


def check(result, latent, vae):
    """Known cells are exact unless the model receives single frames of them; the rest is new."""
    samples, known, encoded = result["samples"], latent["samples"], latent["sora_canvas_latent"]
    mask = latent.get("noise_mask", torch.ones(1, 1, *known.shape[2:])).clone()
    mask[:, :, opened_frames(result, encoded)] = 1
    held, free = (mask.expand_as(known) == 0), (mask.expand_as(known) > result["last level"])
    assert samples.shape == known.shape and samples.isfinite().all()
    assert torch.equal(samples[held], known[held])
    assert not free.any() or (samples[free] != known[free]).float().mean() > 0.99
    size = encoded.canvas.size
    images = SoraDecodeFrames.execute(result, vae).args[0]
    assert images.shape == (size.frames, size.height, size.width, 3)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", PRESENT)
def test_footage_is_kept_and_the_rest_is_generated(pack, name, operation):
    latent = latent_of(name, operation, pack)
    check(sampled(name, latent, pack), latent, family(name, pack)[2])


@pytest.mark.parametrize("operation", ["forward", "backward", "connect", "first and last"])
@pytest.mark.parametrize("name", PRESENT)
def test_long_videos_in_parts_keep_footage(pack, name, operation):
    latent = latent_of(name, operation, pack)
    seconds = (1 + 3 * FAMILIES[name].grid[1]) / FPS
    result = sampled(name, latent, pack, window=seconds, resume=False)
    check(result, latent, family(name, pack)[2])


@pytest.mark.parametrize("name", PRESENT)
def test_sides_that_fill_no_whole_token_work(pack, name):
    _, time, cell = FAMILIES[name].grid
    height, width, frames = 5 * cell - 3, 7 * cell, 1 + 2 * time
    mask = torch.zeros(1, height, width)
    mask[:, : height // 2] = 1
    canvas = Canvas(width=width, height=height, seconds=frames / FPS, fps=FPS)
    canvas = edits.inpaint(canvas, random_frames(frames, 0, width, height), mask)
    latent = SoraEncodeCanvas.execute(canvas, family(name, pack)[2]).args[0]
    check(sampled(name, latent, pack), latent, family(name, pack)[2])


@cache
def low_noise_expert(name):
    return host_model(FAMILIES[name], seed=1)


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["wan21_t2v", "wan22_i2v_a14b"])
def test_two_experts_share_every_operation(pack, name, operation, parts):
    low, calls = low_noise_expert(name), []
    latent = latent_of(name, operation, pack)
    hooks = [
        one.model.diffusion_model.register_forward_pre_hook(lambda *_, i=i: calls.append(i))
        for i, one in enumerate((family(name, pack)[0], low))
    ]
    settings = {"window": 13 / FPS, "resume": False} if parts else {}
    try:
        result = sampled(name, latent, pack, model_low=low, boundary=0.9, **settings)
    finally:
        for hook in hooks:
            hook.remove()
    check(result, latent, family(name, pack)[2])
    assert set(calls) == {0, 1}


@pytest.mark.parametrize("name", PRESENT)
def test_each_prompt_of_a_storyboard_counts_in_its_own_frames(pack, name):
    model, latent = family(name, pack)[0], latent_of(name, "text", pack)
    first, second = words_for(name, latent, pack)
    seconds = latent["sora_canvas_latent"].canvas.seconds
    spans = (0.0, seconds / 2), (seconds / 2, seconds)
    both = [
        [states, options | {SPAN_KEY: span}]
        for [[states, options]], span in zip((first, second), spans, strict=True)
    ]
    sigmas = SoraSchedule.execute(latent, 1, 0.0, 1.0, model).args[0]
    results = []
    for positive in (first, second, both):
        guider = SoraGuider.execute(model, positive, second, 1.0, 0.0, 1.0, 0.0, latent).args[0]
        noise = SoraNoise.execute(3).args[0]
        sample = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
        results.append(sample["samples"])
    one, other, timed = results
    torch.testing.assert_close(timed[:, :, 0], one[:, :, 0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(timed[:, :, -1], other[:, :, -1], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(one[:, :, -1], other[:, :, -1], atol=1e-3)


@pytest.mark.parametrize("name", ["wan21_i2v", "wan21_vace", "wan22_5b", "ltxv"])
def test_finished_parts_of_a_long_video_are_not_generated_again(pack, name):
    latent = latent_of(name, "first and last", pack)
    seconds = (1 + 3 * FAMILIES[name].grid[1]) / FPS
    first = sampled(name, latent, pack, window=seconds)["samples"]
    again = sampled(name, latent, pack, window=seconds, resume=False)["samples"]
    assert torch.equal(first, again)
    calls = []
    hook = family(name, pack)[0].model.diffusion_model.register_forward_pre_hook(
        lambda *_: calls.append(1)
    )
    resumed = sampled(name, latent, pack, window=seconds)["samples"]
    hook.remove()
    assert torch.equal(first, resumed) and not calls


@pytest.mark.parametrize("operation", ["last frame", "middle frame", "first and last"])
@pytest.mark.parametrize("name", ["wan21_i2v", "wan22_i2v_a14b", "wan21_vace", "ltxv"])
def test_no_latent_frame_is_frozen_around_a_still(pack, name, operation):
    latent = latent_of(name, operation, pack)
    encoded = latent["sora_canvas_latent"]
    assert opened_frames(sampled(name, latent, pack), encoded) == list(encoded.partial) != []


@pytest.mark.parametrize("name", ["wan22_5b", "wan22_5b_inpaint", "ltxv"])
def test_a_hole_in_the_picture_is_noisy_token_by_token(pack, name):
    model, latent = family(name, pack)[0], latent_of(name, "inpaint", pack)
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append((args[0], args[1]))
    )
    sampled(name, latent, pack)
    hook.remove()
    known = model.model.process_latent_in(latent["samples"])
    held = (latent["noise_mask"] == 0).expand_as(known)
    for x, times in calls:
        torch.testing.assert_close(x[:, : known.shape[1]][held], known[held], atol=1e-5, rtol=0)
        by_frame = times.reshape(1, known.shape[2], -1)
        high = by_frame.shape[2] // 2
        assert (by_frame[:, :, :high] > 0).all() and (by_frame[:, :, high:] == 0).all()


def test_channels_of_wan_5b_inpainting_show_the_footage_around_a_hole(pack):
    model, latent = (
        family("wan22_5b_inpaint", pack)[0],
        latent_of("wan22_5b_inpaint", "inpaint", pack),
    )
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append(args[0][:, 48:])
    )
    sampled("wan22_5b_inpaint", latent, pack)
    hook.remove()
    for channels in calls:
        assert (channels[:, :4, :, :2] == 0).all() and (channels[:, :4, :, 2:] == 1).all()


def test_frame_levels_show_wan_text_to_video_clean_footage(pack):
    model, latent = family("wan21_t2v", pack)[0], latent_of("wan21_t2v", "forward", pack)
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append((args[0], args[1]))
    )
    result = sampled("wan21_t2v", latent, pack, frame_levels=True)
    hook.remove()
    known = model.model.process_latent_in(latent["samples"])
    for x, times in calls:
        assert times.shape == (1, 5) and not times[:, :2].any() and (times[:, 2:] > 0).all()
        torch.testing.assert_close(x[:, :, :2], known[:, :, :2], atol=1e-5, rtol=0)
    check(result, latent, family("wan21_t2v", pack)[2])
    with pytest.raises(ConfigError, match="frame_levels"):
        sampled("hunyuan", latent_of("hunyuan", "forward", pack), pack, frame_levels=True)


def hunyuan_node(name, words, vae, side, frames, picture):
    """The positive conditioning that the host's node makes of a still at the start."""
    image = picture.float() / 255
    if name == "hunyuan15":
        node = comfy_extras.nodes_hunyuan.HunyuanVideo15ImageToVideo
        return node.execute(*words, vae, side, side, frames, 1, start_image=image).args[0]
    node = comfy_extras.nodes_hunyuan.HunyuanImageToVideo
    return node.execute(words[0], vae, side, side, frames, 1, "v1 (concat)", image).args[0]


@pytest.mark.parametrize("name", ["hunyuan_i2v_concat", "hunyuan_skyreels", "hunyuan15"])
def test_channels_of_hunyuan_are_those_of_the_hosts_node(pack, name):
    if name not in PRESENT:
        pytest.skip("this ComfyUI has no such model")
    model, words, vae = family(name, pack)
    channels, time, cell = FAMILIES[name].grid
    side, frames, calls = 4 * cell, 1 + 4 * time, []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: calls.append(args[0][:, channels:])
    )
    latent = latent_of(name, "first frame", pack)
    sampled(name, latent, pack)
    ours = list(calls)
    calls.clear()
    positive = hunyuan_node(name, words, vae, side, frames, clip(1, side))
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, words[1])
    guider.set_cfg(1.0)
    empty = {"samples": torch.zeros_like(latent["samples"])}
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, empty, "euler")
    hook.remove()
    assert len(ours) == len(calls) == STEPS
    for mine, host in zip(ours, calls, strict=True):
        torch.testing.assert_close(mine, host, atol=1e-5, rtol=1e-5)


def test_the_model_is_as_it_was_after_a_run_with_levels_of_ours(pack):
    model = family("wan22_5b", pack)[0].model
    sampled("wan22_5b", latent_of("wan22_5b", "inpaint", pack), pack)
    assert "process_timestep" not in vars(model)


@pytest.mark.parametrize("name", IMAGE_FAMILIES)
def test_models_of_images_are_refused_in_a_sentence(pack, name):
    entry = IMAGE_FAMILIES[name]
    canvas = Canvas(width=32, height=32, seconds=1.0, fps=FPS)
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(*entry.grid)).args[0]
    words = [text(entry, i) for i in (1, 2)]
    with pytest.raises(SoraError, match="does not generate videos"):
        SoraGuider.execute(host_model(entry), *words, 1.0, 0.0, 1.0, 0.0, latent)


@pytest.mark.parametrize("name", REFUSED)
def test_models_with_channels_for_more_than_footage_are_refused_in_a_sentence(pack, name):
    entry, sentence = REFUSED_FAMILIES[name]
    canvas = Canvas(width=64, height=64, seconds=1.0, fps=FPS)
    latent = SoraEncodeCanvas.execute(canvas, pack.TinyVAE(*entry.grid)).args[0]
    words = [text(entry, i) for i in (1, 2)]
    with pytest.raises(SoraError, match=sentence):
        SoraGuider.execute(host_model(entry), *words, 1.0, 0.0, 1.0, 0.0, latent)


def test_a_vae_of_another_grid_is_refused_in_a_true_sentence(pack):
    vae = pack.TinyVAE(16, 4, 8)
    vae.downscale_ratio = (lambda frames: 5 * max(1, frames // 17), 8, 8)
    with pytest.raises(ConfigError, match="another grid"):
        SoraEncodeCanvas.execute(Canvas(width=32, height=32, seconds=1.0), vae)
