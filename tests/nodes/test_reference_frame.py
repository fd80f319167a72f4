"""Wan Animate's reference picture comes before the latent frames of each call, or is asked for."""

import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.guidance.reference_frame import reference_frame
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError

from tests.nodes.test_host_families import FPS, PRESENT, check, clip, family, last_level
from tests.nodes.test_host_node_inputs import NODES as ENCODERS
from tests.nodes.test_host_node_inputs import inputs_of
from tests.nodes.test_patches_of_the_host import windowed
from tests.support.families import REFERENCE_FAMILIES

SIDE, LENGTH = 32, 33
LOOP, SAME_LATENT = 32, 29  # frames of a loop, and of a video with as many latent frames
NODES = dict(zip(REFERENCE_FAMILIES, ("WanAnimateToVideo", "WanAnimate2ToVideo"), strict=True))
pytestmark = pytest.mark.parametrize("name", [each for each in NODES if each in PRESENT])


def animated(name, pack, length=LENGTH, picture=None):
    """The model, the VAE and the conditioning of the host's node, with poses."""
    model, words, vae = family(name, pack)
    return model, vae, ENCODERS[name](words, vae, SIDE, length, picture)[:2]


def forward(vae, length=LENGTH):
    canvas = Canvas(width=SIDE, height=SIDE, seconds=length / FPS, fps=FPS)
    return SoraEncodeCanvas.execute(edits.extend_forward(canvas, clip(5, SIDE)), vae).args[0]


def guided(model, words, latent, **settings):
    return SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings).args[0]


@pytest.mark.parametrize("canvas", ["whole", "in parts", "loop", "empty in parts"])
def test_each_call_begins_with_the_reference_and_the_poses_go_with_the_frames(pack, name, canvas):
    model, vae, words = animated(name, pack, SAME_LATENT if canvas == "loop" else LENGTH)
    latent = forward(vae)
    if canvas == "loop":
        ring = Canvas(width=SIDE, height=SIDE, seconds=LOOP / FPS, fps=FPS)
        latent = SoraEncodeCanvas.execute(edits.loop(ring, clip(4, SIDE)), vae).args[0]
    if canvas == "empty in parts":
        empty = Canvas(width=SIDE, height=SIDE, seconds=LENGTH / FPS, fps=FPS)
        latent = SoraEncodeCanvas.execute(empty, vae).args[0]
    window = 17 / FPS if "parts" in canvas else 0.0
    guider = guided(model, words, latent, window=window, resume=False)
    sigmas = SoraSchedule.execute(latent, 2, 0.0, 1.0, model).args[0]
    with inputs_of(model) as calls:
        noise = SoraNoise.execute(3).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
    conds = {"positive": [words[0][0][1]]}
    reference = reference_frame(model.model, conds, latent["samples"], False)
    poses = model.model.process_latent_in(words[0][0][1]["pose_video_latent"].clone())
    starts = set()
    for (x, *_), named in calls:
        torch.testing.assert_close(x[:, 16:, 0], reference.channels[:, :, 0])
        own = named["pose_latents"]
        assert own.shape[2] == x.shape[2] - 1
        fits = [i for i in range(poses.shape[2]) if torch.equal(own[:, :, 0], poses[:, :, i])]
        starts.update(fits)
    assert starts > {0} if "parts" in canvas else starts
    check(result | {"last level": last_level(model, sigmas)}, latent, vae)


def test_a_run_without_a_reference_is_refused_in_a_sentence(pack, name):
    model, words, vae = family(name, pack)
    with pytest.raises(ConfigError, match=f"through {NODES[name]}, with a reference image"):
        guided(model, words, forward(vae))


def test_a_conditioning_of_another_length_is_refused_with_the_right_one(pack, name):
    model, vae, words = animated(name, pack, LENGTH - 4)
    with pytest.raises(ConfigError, match=f"set length {LENGTH} in {NODES[name]}"):
        guided(model, words, forward(vae))


def test_footage_in_the_conditioning_and_on_the_canvas_is_refused(pack, name):
    model, vae, words = animated(name, pack, picture=clip(5, SIDE))
    with pytest.raises(ConfigError, match="place all of it on the canvas"):
        guided(model, words, forward(vae))


def test_context_windows_are_refused(pack, name):
    model, vae, words = animated(name, pack)
    with pytest.raises(ConfigError, match="set `window` of Sora Guider"):
        guided(windowed(model), words, forward(vae))
