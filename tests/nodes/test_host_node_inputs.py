"""Each network gets the footage of a canvas exactly as from the host's own node for that model.

Everything that reaches the network at each step is compared: the noisy latent with its channels,
the timesteps and the named inputs. Wan's first and last frames, VACE, LTX's guides and sound have
files of their own: test_pixel_footage, test_vace, test_guide_frames, test_sound_latent.
"""

import comfy.samplers
import comfy_extras.nodes_cosmos
import comfy_extras.nodes_hunyuan
import comfy_extras.nodes_lt
import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas, Placement

from tests.nodes.test_host_families import (
    FPS,
    PRESENT,
    STEPS,
    check,
    clip,
    family,
    last_level,
)
from tests.support.families import FAMILIES

TOLERANCE = 1e-4  # Cosmos begins at 80 times the noise, in single precision


def images(frames):
    return frames.float() / 255


def wan22_5b(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.Wan22ImageToVideoLatent
    return *words, node.execute(vae, side, side, frames, 1, images(picture)).args[0]


def wan_camera(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.WanCameraImageToVideo
    inputs = (*words, vae, side, side, frames, 1)
    return node.execute(*inputs, start_image=images(picture)).args


def cosmos(words, vae, side, frames, picture):
    node = comfy_extras.nodes_cosmos.CosmosImageToVideoLatent
    return *words, node.execute(vae, side, side, frames, 1, images(picture)).args[0]


def predict2(words, vae, side, frames, picture):
    node = comfy_extras.nodes_cosmos.CosmosPredict2ImageToVideoLatent
    return *words, node.execute(vae, side, side, frames, 1, images(picture)).args[0]


def kandinsky5(words, vae, side, frames, picture):
    import comfy_extras.nodes_kandinsky5

    node = comfy_extras.nodes_kandinsky5.Kandinsky5ImageToVideo
    return node.execute(*words, vae, side, side, frames, 1, images(picture)).args[:3]


def ltxv(words, vae, side, frames, picture):
    node = comfy_extras.nodes_lt.LTXVImgToVideo
    return node.execute(*words, images(picture), vae, side, side, frames, 1, 1.0).args


def hunyuan_replace(words, vae, side, frames, picture):
    node = comfy_extras.nodes_hunyuan.HunyuanImageToVideo
    inputs = (words[0], vae, side, side, frames, 1, "v2 (replace)", images(picture))
    positive, latent = node.execute(*inputs).args
    return positive, words[1], latent


def hunyuan_concat(words, vae, side, frames, picture):
    node = comfy_extras.nodes_hunyuan.HunyuanImageToVideo
    inputs = (vae, side, side, frames, 1, "v1 (concat)", images(picture))
    (positive, latent), (negative, _) = (node.execute(each, *inputs).args for each in words)
    return positive, negative, latent


def hunyuan15(words, vae, side, frames, picture):
    node = comfy_extras.nodes_hunyuan.HunyuanVideo15ImageToVideo
    inputs = (*words, vae, side, side, frames, 1)
    return node.execute(*inputs, start_image=images(picture)).args


def wan_fun_inpaint(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.WanFunInpaintToVideo
    return node.execute(*words, vae, side, side, frames, 1, start_image=images(picture)).args


def wan_image_to_video(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.WanImageToVideo
    inputs = (*words, vae, side, side, frames, 1)
    return node.execute(*inputs, start_image=images(picture)).args


NODES = {
    "wan21_i2v": wan_image_to_video,
    "wan22_i2v_a14b": wan_fun_inpaint,
    "wan21_camera": wan_camera,
    "wan22_camera": wan_camera,
    "wan22_5b": wan22_5b,
    "cosmos1_v2w": cosmos,
    "cosmos_predict2_v2w": predict2,
    "kandinsky5": kandinsky5,
    "ltxv": ltxv,
    "hunyuan": hunyuan_replace,
    "hunyuan_i2v_concat": hunyuan_concat,
    "hunyuan_skyreels": hunyuan_concat,
    "hunyuan15": hunyuan15,
}
ONE_PICTURE = (
    "hunyuan",  # its guiding frame
    "cosmos_predict2_v2w",  # the node counts 8 frames to a latent frame, where this VAE has 4
)
CASES = [
    (name, frames)
    for name in NODES
    for frames in ("one", "some")
    if name in PRESENT and (frames == "one" or name not in ONE_PICTURE)
]


def inputs_of(model):
    """The inputs of each call of the network from now on, and the hook that records them."""
    calls, network = [], model.model.diffusion_model

    def note(module, args, named):
        named = {
            name: value
            for name, value in named.items()
            if name not in ("transformer_options", "denoise_mask") and value is not None
        }
        calls.append(([part.clone() for part in args if isinstance(part, torch.Tensor)], named))

    return calls, network.register_forward_pre_hook(note, with_kwargs=True)


def as_the_network_has_it(call):
    """The latent, the time of each of its frames, and the named inputs of a call.

    Kandinsky puts the frames of `time_dim_replace` into its latent itself.
    """
    (x, times, *others), named = call
    replaced = named.pop("time_dim_replace", None)
    if replaced is not None:
        x = x.clone()
        x[:, : replaced.shape[1], : replaced.shape[2]] = replaced
    times = times.reshape(len(x), -1)
    if times.shape[1] not in (1, x.shape[2]):
        times = times.reshape(len(x), x.shape[2], -1).amax(2)  # of tokens; frames here are whole
    return x, times.expand(-1, x.shape[2]), others, named


def without_latent(call, channels):
    """`call` without the noisy latent: nodes that only fill channels let it drift off the footage,
    where a canvas keeps it."""
    x, *others = call
    return [x[:, channels:], *others]


def apart(ours, theirs):
    """The largest difference between two calls; infinite where their inputs have other sizes."""
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        if ours.shape != theirs.shape:
            return float("inf")
        return float((ours - theirs).abs().max()) if ours.numel() else 0.0
    if isinstance(ours, list | tuple):
        return max([0.0, *(apart(*pair) for pair in zip(ours, theirs, strict=True))])
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        return max([0.0, *(apart(ours[name], theirs[name]) for name in ours)])
    return 0.0 if ours == theirs else float("inf")


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize(("name", "frames"), CASES)
def test_the_network_gets_what_the_hosts_own_node_gives_it(pack, name, scale, frames):
    model, words, vae = family(name, pack)
    _, time, cell = FAMILIES[name].grid
    side, length = 4 * cell, 1 + 4 * time
    picture = clip(1 if frames == "one" else 1 + time, side)
    canvas = Canvas(width=side, height=side, seconds=length / FPS, fps=FPS)
    canvas = canvas.place(Placement(source=picture, start=0.0, fps=FPS))
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    positive, negative, theirs = NODES[name](words, vae, side, length, picture)
    users = [[[states, guiding(options)]] for [[states, options]] in (positive, negative)]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    noise = SoraNoise.execute(3).args[0]
    frame_rate = [[[states, {"frame_rate": FPS, **options}]] for [[states, options]] in
                  (positive, negative)]  # fmt: skip

    calls, hook = inputs_of(model)
    try:
        guider = SoraGuider.execute(model, *users, scale, 0.0, 1.0, 0.0, latent).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
        ours = [as_the_network_has_it(call) for call in calls]
        calls.clear()
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*frame_rate)
        guider.set_cfg(scale)
        expected = SoraSample.execute(noise, guider, sigmas, theirs, "euler").args[0]["samples"]
        hosts = [as_the_network_has_it(call) for call in calls]
    finally:
        hook.remove()
    assert len(ours) == len(hosts) >= STEPS
    if "noise_mask" not in theirs:
        for calls in (ours, hosts):
            calls[1:] = [without_latent(call, latent["samples"].shape[1]) for call in calls[1:]]
    most = max(apart(mine, host) for mine, host in zip(ours, hosts, strict=True))
    results = apart(result["samples"], expected)
    print(f"{name}: inputs differ by {most:.2g}, results by {results:.2g}")
    assert most < TOLERANCE
    check(result | {"last level": last_level(model, sigmas)}, latent, vae)


def guiding(options):
    """What a user connects besides the canvas: the text, the camera and the guiding frame."""
    images = ("concat_latent_image", "concat_mask", "time_dim_replace")
    return {name: value for name, value in options.items() if name not in images}
