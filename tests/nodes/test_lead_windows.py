"""Windows and loops on models of the host begin with a latent frame whose prediction is dropped.

The first latent frame of a clip covers one frame, all others several. A window that begins within a
video has no such frame, so it gets the one before it too, as in the host's context windows.
"""

import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas import edits
from sora_nodes.sora_core.canvas.canvas import Canvas

from tests.nodes.test_host_families import FPS, PRESENT, STEPS, clip, family
from tests.support.families import FAMILIES

ONE_LEVEL = ["wan21_t2v", "hunyuan", "mochi", "cosmos1_t2v", "cogvideox_t2v"]
LOOPED = [*ONE_LEVEL, "wan21_i2v", "wan21_vace", "wan22_5b", "ltxv", "kandinsky5"]


def present(names):
    return [name for name in names if name in PRESENT]


def encoded(name, pack, loop):
    _, time, side = FAMILIES[name].grid
    frames = 8 * time if loop else 1 + 7 * time
    canvas = Canvas(width=4 * side, height=4 * side, seconds=frames / FPS, fps=FPS)
    if loop:
        canvas = edits.loop(canvas, clip(time, 4 * side))
    else:
        canvas = edits.extend_forward(canvas, clip(1 + time, 4 * side))
    return SoraEncodeCanvas.execute(canvas, family(name, pack)[2]).args[0]


def sampled(name, latent, pack, window, wrapper=None):
    """The samples, and for each call its number of latent frames."""
    model, words, _ = family(name, pack)
    model, lengths = model.clone(), []

    def call(apply, arguments):
        lengths.append(arguments["input"].shape[2])
        result = apply(arguments["input"], arguments["timestep"], **arguments["c"])
        return result if wrapper is None else wrapper(result, arguments)

    model.set_model_unet_function_wrapper(call)
    settings = {"window": window, "resume": False}
    guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings).args[0]
    sigmas = SoraSchedule.execute(latent, STEPS, 0.0, 1.0, model).args[0]
    noise = SoraNoise.execute(3).args[0]
    result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]
    return result["samples"], lengths


def spoiled(result):
    result = result.clone()
    result[:, :, 0] += 7
    return result


def spoiled_within(result, arguments):
    """`result`, wrong in the first frame of all calls that begin within the video."""
    within = arguments["c"]["transformer_options"].get("context_window") is not None
    return spoiled(result) if within else result


@pytest.mark.parametrize("name", present(ONE_LEVEL))
def test_predictions_for_lead_frames_of_windows_count_nowhere(pack, name):
    latent = encoded(name, pack, loop=False)
    window = (1 + 3 * FAMILIES[name].grid[1]) / FPS
    result, lengths = sampled(name, latent, pack, window)
    wrong, _ = sampled(name, latent, pack, window, spoiled_within)
    assert set(lengths) == {4}
    assert torch.equal(result, wrong)


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("name", present(LOOPED))
def test_predictions_for_lead_frames_of_loops_count_nowhere(pack, name, windowed):
    latent = encoded(name, pack, loop=True)
    window = (1 + 3 * FAMILIES[name].grid[1]) / FPS if windowed else 0.0
    result, lengths = sampled(name, latent, pack, window)
    wrong, _ = sampled(name, latent, pack, window, lambda result, _: spoiled(result))
    assert set(lengths) == ({4} if windowed else {10})
    assert torch.equal(result, wrong)
