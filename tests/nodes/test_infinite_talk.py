"""InfiniteTalk: a Wan image to video whose start frame is clean, and whose mouth follows sound.

Its node patches the model. The pinned ComfyUI has none; run this file with a newer one.
"""

import comfy.model_patcher
import comfy.ops
import comfy.samplers
import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_conditioning_of_the_host import sampled
from tests.nodes.test_host_families import FPS, check, clip
from tests.nodes.test_host_node_inputs import TOLERANCE, apart, images
from tests.support.families import Family, host_model, text, wan

pytestmark = pytest.mark.skipif(
    not hasattr(comfy_extras.nodes_wan, "WanInfiniteTalkToVideo"),
    reason="this ComfyUI has no InfiniteTalk",
)
WIDTH = 160  # the attention to sound has 40 heads, whatever the network has
LAYERS, SOUND_WIDTH, TOKENS = 12, 768, 4  # of the encoder of sound; tokens for each frame
SIDE, LENGTH = 64, 17
SCALE = 1.0  # its attention to sound stops inside the host on two prompts in one call
SPEAKERS = ["single_speaker", "two_speakers"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def talking(pack):
    """The model, the patch of InfiniteTalk for it, its text and VAE."""
    from comfy_extras.nodes_model_patch import MultiTalkModelPatch

    entry = Family("WAN21_I2V", wan(16, 20, "i2v", dim=WIDTH, num_heads=2), (16, 4, 8))
    sizes = {"intermediate_dim": 16, "in_dim": WIDTH, "out_dim": 32, "context_tokens": TOKENS}
    patch = MultiTalkModelPatch(**sizes, num_layers=2, operations=comfy.ops.disable_weight_init)
    generator = seeded(1)
    for weight in patch.parameters():
        spread = 0.2 if weight.ndim < 2 else weight[0].numel() ** -0.5
        weight.data = spread * torch.randn(weight.shape, generator=generator)
    patch.requires_grad_(False)
    cpu = torch.device("cpu")
    patcher = comfy.model_patcher.ModelPatcher(patch, load_device=cpu, offload_device=cpu)
    return host_model(entry), patcher, [text(entry, i) for i in (1, 2)], pack.TinyVAE(*entry.grid)


def speech(seed):
    layers = torch.randn(1 + LAYERS, 1, 2 * LENGTH, SOUND_WIDTH, generator=seeded(seed))
    return {"encoded_audio_all_layers": list(layers)}


def halves():
    left = torch.zeros(1, SIDE, SIDE)
    left[..., : SIDE // 2] = 1
    return left, 1 - left


def mode(speakers):
    if speakers == "single_speaker":
        return {"mode": speakers}
    left, right = halves()
    second = {"audio_encoder_output_2": speech(6), "mask_1": left, "mask_2": right}
    return {"mode": speakers} | second


def node(talking, speakers, **inputs):
    """The patched model, positive, negative, and the latent of the host's node."""
    model, patch, words, vae = talking
    picture = {"start_image": images(clip(1, SIDE, 5))}
    arguments = (mode(speakers), model, patch, *words, vae, SIDE, SIDE, LENGTH, speech(5), 9)
    settings = picture | inputs | {"audio_scale": 1.0}
    return comfy_extras.nodes_wan.WanInfiniteTalkToVideo.execute(*arguments, **settings).args[:4]


def encoded(canvas, vae):
    return SoraEncodeCanvas.execute(canvas, vae).args[0]


def empty_canvas():
    return Canvas(width=SIDE, height=SIDE, seconds=LENGTH / FPS, fps=FPS)


def guided(model, words, latent, **settings):
    return SoraGuider.execute(model, *words, SCALE, 0.0, 1.0, 0.0, latent, **settings).args[0]


def by_host(model, words):
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*words)
    guider.set_cfg(SCALE)
    return guider


@pytest.mark.parametrize("speakers", SPEAKERS)
def test_a_start_frame_on_the_canvas_is_the_start_image_of_the_node(talking, speakers):
    _, _, words, vae = talking
    model, positive, negative, theirs = node(talking, speakers)
    latent = encoded(edits.image_to_video(empty_canvas(), clip(1, SIDE, 5)), vae)
    result, ours = sampled(model, guided(model, words, latent), latent)
    expected, hosts = sampled(model, by_host(model, (positive, negative)), theirs)
    most = apart(ours, hosts)
    print(f"{speakers}: inputs differ by {most:.2g}")
    assert len(ours) == len(hosts) and most < TOLERANCE
    later = (each["samples"][:, :, 1:] for each in (result, expected))
    assert apart(*later) < TOLERANCE  # the host lets the first frame drift off the start image
    check(result, latent, vae)


@pytest.mark.parametrize("speakers", SPEAKERS)
@pytest.mark.parametrize("extended", [False, True])
def test_the_nodes_own_conditioning_on_an_empty_canvas_samples_as_in_the_hosts_guider(
    talking, speakers, extended
):
    before = {"previous_frames": images(clip(9, SIDE, 7))} if extended else {}
    model, positive, negative, theirs = node(talking, speakers, **before)
    latent = encoded(empty_canvas(), talking[3])
    words = (positive, negative)
    result, ours = sampled(model, guided(model, words, latent), latent)
    expected, hosts = sampled(model, by_host(model, words), theirs)
    assert len(ours) == len(hosts) and apart(ours, hosts) < TOLERANCE
    assert apart(result["samples"], expected["samples"]) < TOLERANCE


def test_the_sound_reaches_the_result(talking):
    latent = encoded(edits.image_to_video(empty_canvas(), clip(1, SIDE, 5)), talking[3])
    words = talking[2]
    spoken, silent = (
        sampled(model, guided(model, words, latent), latent)[0]["samples"]
        for model in (node(talking, SPEAKERS[0])[0], talking[0])
    )
    assert apart(spoken[:, :, 1:], silent[:, :, 1:]) > 0.01


def with_render_video(model):
    from comfy_extras.nodes_model_patch import WanUni3CCnetPatch

    patched = model.clone()
    video = images(clip(LENGTH, SIDE))
    patched.set_model_double_block_patch(WanUni3CCnetPatch(None, video, None, None, 1.0, 1.0, 0.0))
    return patched


@pytest.mark.parametrize("timed", ["the sound of InfiniteTalk", "the render video of Uni3C"])
def test_a_patch_for_the_whole_video_is_refused_where_it_is_sampled_in_parts(talking, timed):
    speaks = timed == "the sound of InfiniteTalk"
    model = node(talking, SPEAKERS[0])[0] if speaks else with_render_video(talking[0])
    looped = edits.loop(Canvas(width=SIDE, height=SIDE, seconds=16 / FPS, fps=FPS))
    for canvas, window in ((empty_canvas(), 9 / FPS), (looped, 0.0)):
        latent = encoded(canvas, talking[3])
        with pytest.raises(ConfigError, match=timed):
            guided(model, talking[2], latent, window=window)


def test_a_patch_of_the_model_for_low_noise_is_refused_too(talking):
    latent, plain = encoded(empty_canvas(), talking[3]), talking[0]
    settings = {"model_low": with_render_video(plain), "window": 9 / FPS}
    with pytest.raises(ConfigError, match="the render video of Uni3C"):
        guided(plain, talking[2], latent, **settings)
