"""Conditioning that the host's nodes make beside a canvas reaches the network as from its guider.

Subjects, references, poses, sound and tracks are no footage: a canvas does not replace them.
"""

import comfy.samplers
import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_families import FPS, PRESENT, STEPS, check, clip, family, last_level
from tests.nodes.test_host_node_inputs import (
    TOLERANCE,
    apart,
    as_the_network_has_it,
    images,
    inputs_of,
)

SIDE, LENGTH = 64, 17  # the motion of WanSoundImageToVideo needs 8 latent cells
SIZE = (SIDE, SIDE, LENGTH, 1)


def speech():
    layers = torch.randn(25, 1, 60, 1024, generator=torch.Generator().manual_seed(5))
    return {"encoded_audio_all_layers": list(layers)}


def wan_sound(words, vae):
    node = comfy_extras.nodes_wan.WanSoundImageToVideo
    return node.execute(
        *words,
        vae,
        *SIZE,
        ref_image=images(clip(1, SIDE, 5)),
        audio_encoder_output=speech(),
        control_video=images(clip(LENGTH, SIDE, 3)),
        ref_motion=images(clip(9, SIDE, 4)),
    ).args


def wan_sound_extended(words, vae):
    node = comfy_extras.nodes_wan.WanSoundImageToVideoExtend
    before = {"samples": vae.encode(images(clip(9, SIDE, 4)))}
    return node.execute(*words, vae, LENGTH, before, ref_image=images(clip(1, SIDE, 5))).args


def wan_phantom(words, vae):
    node = comfy_extras.nodes_wan.WanPhantomSubjectToVideo
    positive, _, negative, latent = node.execute(
        *words, vae, *SIZE, images=images(clip(2, SIDE, 5))
    ).args
    return positive, negative, latent


def bernini(words, vae):
    import comfy_extras.nodes_bernini

    return comfy_extras.nodes_bernini.BerniniConditioning.execute(
        *words,
        vae,
        *SIZE,
        source_video=images(clip(LENGTH, SIDE, 3)),
        reference_images={"reference_image_0": images(clip(1, 48, 5))},
    ).args


def wan_track(words, vae):
    points = [{"x": 4 + i, "y": 8} for i in range(LENGTH)]
    node = comfy_extras.nodes_wan.WanTrackToVideo
    tracks = str([points])
    start = images(clip(1, SIDE, 5))
    return node.execute(*words, vae, tracks, *SIZE, 220.0, 2, start_image=start).args


def wan_move(words, vae):
    import comfy_extras.nodes_wanmove

    path = torch.linspace(4, 24, LENGTH)[:, None, None].expand(-1, 2, 2)
    node = comfy_extras.nodes_wanmove.WanMoveTrackToVideo
    start = images(clip(1, SIDE, 5))
    return node.execute(
        *words, vae, *SIZE, 1.0, tracks={"track_path": path}, start_image=start
    ).args


BESIDE = {  # the node, and the family that it is for
    "WanSoundImageToVideo": (wan_sound, "wan22_s2v"),
    "WanSoundImageToVideoExtend": (wan_sound_extended, "wan22_s2v"),
    "WanPhantomSubjectToVideo": (wan_phantom, "wan21_t2v"),
    "BerniniConditioning": (bernini, "wan21_t2v"),
}
START_IMAGES = {
    "WanTrackToVideo": (wan_track, "wan21_i2v"),
    "WanMoveTrackToVideo": (wan_move, "wan21_i2v"),
}
MODULES = {"BerniniConditioning": "bernini", "WanMoveTrackToVideo": "wanmove"}


def conditioning(node, pack):
    """The model, the VAE and what `node` makes for it."""
    module = MODULES.get(node, "wan")
    found = pytest.importorskip(f"comfy_extras.nodes_{module}")
    make, name = (BESIDE | START_IMAGES)[node]
    if not hasattr(found, node) or name not in PRESENT:
        pytest.skip(f"this ComfyUI has no {node}")
    model, words, vae = family(name, pack)
    return model, vae, make(words, vae)


def sampled(model, guider, latent):
    """The result, and all inputs of the network."""
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    with inputs_of(model) as calls:
        noise = SoraNoise.execute(3).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
    level = {"last level": last_level(model, sigmas)}
    return result | level, [as_the_network_has_it(call) for call in calls]


def ours_and_theirs(model, positive, negative, latent, empty):
    ours = SoraGuider.execute(model, positive, negative, 4.0, 0.0, 1.0, 0.0, latent).args[0]
    theirs = comfy.samplers.CFGGuider(model)
    theirs.set_conds(positive, negative)
    theirs.set_cfg(4.0)
    return sampled(model, ours, latent), sampled(model, theirs, empty)


@pytest.mark.parametrize("node", BESIDE | START_IMAGES)
def test_on_an_empty_canvas_the_network_gets_what_the_hosts_guider_gives_it(pack, node):
    model, vae, (positive, negative, empty) = conditioning(node, pack)
    canvas = Canvas(width=SIDE, height=SIDE, seconds=LENGTH / FPS, fps=FPS)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    (result, ours), (expected, theirs) = ours_and_theirs(model, positive, negative, latent, empty)
    most = apart(ours, theirs)
    print(f"{node}: inputs differ by {most:.2g}")
    assert len(ours) == len(theirs) and most < TOLERANCE
    assert apart(result["samples"], expected["samples"]) < TOLERANCE


@pytest.mark.parametrize("node", BESIDE)
def test_footage_on_the_canvas_leaves_it_as_it_is(pack, node):
    model, vae, (positive, negative, empty) = conditioning(node, pack)
    canvas = Canvas(width=SIDE, height=SIDE, seconds=LENGTH / FPS, fps=FPS)
    latent = SoraEncodeCanvas.execute(edits.extend_forward(canvas, clip(5, SIDE)), vae).args[0]
    (result, ours), (_, theirs) = ours_and_theirs(model, positive, negative, latent, empty)
    assert len(ours) == len(theirs)
    for (_, times, *mine), (_, expected, *hosts) in zip(ours, theirs, strict=True):
        assert apart(times, expected) < TOLERANCE and apart(mine, hosts) == 0
    check(result, latent, vae)


@pytest.mark.parametrize("node", START_IMAGES)
def test_a_start_image_in_the_conditioning_and_footage_on_the_canvas_are_refused(pack, node):
    model, vae, (positive, negative, _) = conditioning(node, pack)
    canvas = Canvas(width=SIDE, height=SIDE, seconds=LENGTH / FPS, fps=FPS)
    latent = SoraEncodeCanvas.execute(edits.extend_forward(canvas, clip(5, SIDE)), vae).args[0]
    with pytest.raises(ConfigError, match="place it on the canvas"):
        SoraGuider.execute(model, positive, negative, 4.0, 0.0, 1.0, 0.0, latent)
