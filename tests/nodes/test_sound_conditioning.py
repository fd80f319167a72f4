"""Sound of HuMo and WanDancer that does not fit the canvas ends in a sentence, silence is cut."""

import comfy_extras.nodes_wan
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import ConfigError, SizeError

from tests.nodes.test_host_families import FPS, PRESENT, family

SIDE, LENGTH = 32, 17


def guided(name, pack, words, width=SIDE, height=SIDE):
    model, _, vae = family(name, pack)
    canvas = Canvas(width=width, height=height, seconds=LENGTH / FPS, fps=FPS)
    latent = SoraEncodeCanvas.execute(canvas, vae).args[0]
    return SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent).args[0]


def with_sound(words, sound):
    return [[[states, options | {"audio_embed": sound}]] for [[states, options]] in words]


def test_silence_past_the_canvas_is_cut_for_humo(pack):
    _, words, vae = family("wan21_humo", pack)
    node = comfy_extras.nodes_wan.WanHuMoImageToVideo
    positive, negative, _ = node.execute(*words, vae, SIDE, SIDE, LENGTH, 1).args
    guider = guided("wan21_humo", pack, (positive, negative))
    sound = guider.original_conds["positive"][0]["audio_embed"]
    assert positive[0][1]["audio_embed"].shape[1] == 6 and sound.shape[1] == 5


@pytest.mark.parametrize("steps", [4, 6])
def test_sound_of_another_length_is_refused_with_the_right_one(pack, steps):
    words = with_sound(family("wan21_humo", pack)[1], torch.ones(1, steps, 8, 5, 1280))
    with pytest.raises(ConfigError, match=f"set length {LENGTH} in WanHuMoImageToVideo"):
        guided("wan21_humo", pack, words)


@pytest.mark.skipif("wan22_wandancer" not in PRESENT, reason="this ComfyUI has no WanDancer")
def test_a_size_that_wandancer_cannot_divide_is_refused(pack):
    words = family("wan22_wandancer", pack)[1]
    music = with_sound(words, torch.ones(1, 40, 35))
    with pytest.raises(SizeError, match="a multiple of 128"):
        guided("wan22_wandancer", pack, music, 48, 48)
    guided("wan22_wandancer", pack, words, 48, 48)
    guided("wan22_wandancer", pack, music, 128, 48)
