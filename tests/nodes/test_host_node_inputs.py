"""Each network gets the footage of a canvas exactly as from the host's own node for that model.

Everything that reaches the network at each step is compared: the noisy latent with its channels,
the timesteps and the named inputs. Wan's first and last frames, VACE, LTX's guides and sound have
files of their own: test_pixel_footage, test_vace, test_guide_frames, test_sound_latent.
"""

from contextlib import contextmanager

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
from tests.support.families import FAMILIES, REFERENCE_FAMILIES

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


def ltxv_in_place(words, vae, side, frames, picture):
    lt = comfy_extras.nodes_lt
    empty = lt.EmptyLTXVLatentVideo.execute(side, side, frames, 1).args[0]
    return *words, lt.LTXVImgToVideoInplace.execute(vae, images(picture), empty, 1.0).args[0]


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


def wan_dancer(words, vae, side, frames, picture):
    import comfy_extras.nodes_wandancer

    music = torch.randn(1, 2 * frames, 35, generator=torch.Generator().manual_seed(5))
    sound = {"audio_feature": music, "fps": 30.0, "audio_inject_scale": 0.8}
    node = comfy_extras.nodes_wandancer.WanDancerVideo
    inputs = (*words, vae, side, side, frames)
    return node.execute(*inputs, start_image=images(picture), audio_encoder_output=sound).args


def scail_2(words, vae, side, frames, picture):
    import comfy_extras.nodes_scail

    node = comfy_extras.nodes_scail.WanSCAILToVideo
    size = {"width": side, "height": side, "length": frames, "batch_size": 1}
    pose = {"pose_strength": 1.0, "pose_start": 0.0, "pose_end": 1.0}
    return node.execute(
        *words,
        vae,
        **size,
        **pose,
        video_frame_offset=0,
        previous_frame_count=5,
        previous_frames=images(picture),
        pose_video=images(clip(frames, side, 3)),
        pose_video_mask=images(clip(frames, side, 4)),
        reference_image=images(clip(1, side, 5)),
        reference_image_mask=images(clip(1, side, 6)),
    ).args[:3]


def wan_animate(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.WanAnimateToVideo
    return animated(node, words, vae, side, frames, picture, continue_motion_max_frames=5)


def wan_animate_2(words, vae, side, frames, picture):
    node = comfy_extras.nodes_wan.WanAnimate2ToVideo
    return animated(node, words, vae, side, frames, picture)


def animated(node, words, vae, side, frames, picture, **settings):
    """What a `node` of Wan Animate makes with a reference and poses, after a `picture` if any."""
    return node.execute(
        *words,
        vae,
        side,
        side,
        frames,
        1,
        video_frame_offset=0,
        reference_image=images(clip(1, side, 5)),
        pose_video=images(clip(frames, side, 3)),
        continue_motion=None if picture is None else images(picture),
        **settings,
    ).args[:3]


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
    "ltxv in place": ltxv_in_place,
    "hunyuan": hunyuan_replace,
    "hunyuan_i2v_concat": hunyuan_concat,
    "hunyuan_skyreels": hunyuan_concat,
    "hunyuan15": hunyuan15,
    "wan22_wandancer": wan_dancer,
    "wan21_scail2": scail_2,
    "wan22_animate": wan_animate,
    "wan_animate2": wan_animate_2,
}
CELLS = {"wan22_wandancer": 8}  # in width and height, where 4 make too few tokens for its music
ONE_PICTURE = (
    "hunyuan",  # its guiding frame
    "wan_animate2",  # continues from one frame
    "cosmos_predict2_v2w",  # the node counts 8 frames to a latent frame, where this VAE has 4
)


def family_of(name):
    """The family of an entry of NODES; it may have several."""
    return name.partition(" ")[0]


def present(name):
    if name == "ltxv in place" and not hasattr(comfy_extras.nodes_lt, "LTXVImgToVideoInplace"):
        return False
    return family_of(name) in PRESENT


CASES = [
    (name, frames)
    for name in NODES
    for frames in ("one", "some")
    if present(name) and (frames == "one" or name not in ONE_PICTURE)
]


@contextmanager
def inputs_of(model):
    """Gives a list, to which the inputs of each call of the network are added."""
    calls, network = [], model.model.diffusion_model

    def note(module, args, named):
        named = {
            name: value
            for name, value in named.items()
            if name not in ("transformer_options", "denoise_mask") and value is not None
        }
        calls.append(([part.clone() for part in args if isinstance(part, torch.Tensor)], named))

    hook = network.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


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
    model, words, vae = family(family_of(name), pack)
    _, time, cell = FAMILIES[family_of(name)].grid
    side, length = CELLS.get(name, 4) * cell, 1 + 4 * time
    picture = clip(1 if frames == "one" else 1 + time, side)
    canvas = Canvas(width=side, height=side, seconds=length / FPS, fps=FPS)
    canvas = canvas.place(Placement(source=picture, start=0.0, fps=FPS))
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    positive, negative, theirs = NODES[name](words, vae, side, length, picture)
    users = [[[states, guiding(options)]] for [[states, options]] in (positive, negative)]
    if name in REFERENCE_FAMILIES:
        users = NODES[name](words, vae, side, length, None)[:2]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    noise = SoraNoise.execute(3).args[0]
    frame_rate = [[[states, {"frame_rate": FPS, **options}]] for [[states, options]] in
                  (positive, negative)]  # fmt: skip

    with inputs_of(model) as calls:
        guider = SoraGuider.execute(model, *users, scale, 0.0, 1.0, 0.0, latent).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
        ours = [as_the_network_has_it(call) for call in calls]
        calls.clear()
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*frame_rate)
        guider.set_cfg(scale)
        expected = SoraSample.execute(noise, guider, sigmas, theirs, "euler").args[0]["samples"]
        hosts = [as_the_network_has_it(call) for call in calls]
    assert len(ours) == len(hosts) >= STEPS
    if "noise_mask" not in theirs:
        drawn = int(name not in REFERENCE_FAMILIES)  # whose noise is of a frame less
        for calls in (ours, hosts):
            calls[drawn:] = [
                without_latent(call, latent["samples"].shape[1]) for call in calls[drawn:]
            ]
    most = max(apart(mine, host) for mine, host in zip(ours, hosts, strict=True))
    results = apart(result["samples"], expected[:, :, -result["samples"].shape[2] :])
    print(f"{name}: inputs differ by {most:.2g}, results by {results:.2g}")
    assert most < TOLERANCE
    check(result | {"last level": last_level(model, sigmas)}, latent, vae)


def guiding(options):
    """What a user connects besides the canvas: the text, the camera and the guiding frame."""
    images = ("concat_latent_image", "concat_mask", "time_dim_replace")
    return {name: value for name, value in options.items() if name not in images}


HUMO = "wan21_humo"


def humo(words, vae, side, frames, sound=None):
    node = comfy_extras.nodes_wan.WanHuMoImageToVideo
    picture = images(clip(1, side, 5))
    inputs = (*words, vae, side, side, frames, 1)
    return node.execute(*inputs, ref_image=picture, audio_encoder_output=sound).args


def speech(frames, seconds):
    """What the host's AudioEncoderEncode makes of `seconds` of speech."""
    layers = torch.randn(
        33, 1, round(50 * seconds), 1280, generator=torch.Generator().manual_seed(5)
    )
    return {"encoded_audio_all_layers": list(layers), "audio_samples": round(16000 * seconds)}


@pytest.mark.parametrize("sound", [False, True])
def test_open_channels_of_humo_are_those_of_the_hosts_class(pack, sound):
    """Its node places no footage: the host fills all channels."""
    model, words, vae = family(HUMO, pack)
    side, length, known = 32, 17, 2
    encoded = speech(length, length / 25) if sound else None
    positive, negative, theirs = humo(words, vae, side, length, encoded)
    canvas = Canvas(width=side, height=side, seconds=length / FPS, fps=FPS)
    empty = SoraEncodeCanvas.execute(canvas, vae).args[0]
    canvas = canvas.place(Placement(source=clip(5, side), start=0.0, fps=FPS))
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    with inputs_of(model) as calls:
        results = []
        for each in (latent, empty):
            guider = SoraGuider.execute(model, positive, negative, 4.0, 0.0, 1.0, 0.0, each)
            noise = SoraNoise.execute(3).args[0]
            sample = SoraSample.execute(noise, guider.args[0], sigmas, each, "euler")
            results.append(sample.args[0])
            calls.append(None)
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*without_last_silence(positive, negative, empty["samples"].shape[2]))
        guider.set_cfg(4.0)
        SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, theirs, "euler")
    footage, unplaced, hosts = divided(calls)
    for ours, host in zip(unplaced, hosts, strict=True):
        assert apart(as_the_network_has_it(ours), as_the_network_has_it(host)) < TOLERANCE
    expected = model.model.process_latent_in(latent["samples"])[:, :, :known]
    for (ours, named), (host, theirs) in zip(footage, hosts, strict=True):
        assert apart(ours[0][:, 16:, known:], host[0][:, 16:, known:]) < TOLERANCE
        assert apart(ours[0][:, 20:, :known], expected.repeat(len(ours[0]), 1, 1, 1, 1)) < TOLERANCE
        assert bool((ours[0][:, 16:20, :known] == 1).all())
        assert apart(named, theirs) == 0
    check(results[0] | {"last level": last_level(model, sigmas)}, latent, vae)


def without_last_silence(positive, negative, frames):
    """The host's node makes a step of silence too many, at which its network stops."""
    return [
        [[states, options | {"audio_embed": options["audio_embed"][:, :frames]}]]
        for [[states, options]] in (positive, negative)
    ]


def divided(calls):
    """`calls` as one list for each run; None stands between two runs."""
    runs = [[]]
    for call in calls:
        if call is None:
            runs.append([])
        else:
            runs[-1].append(call)
    return runs
