"""A model with positions in seconds has the frame rate of the canvas, in the core and the host."""

import folder_paths
import pytest
import torch
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.loaders import SoraLoadModel
from sora_nodes.nodes.prompt import SoraEncodePrompt
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from sora_nodes.sora_core.canvas.canvas import Canvas as NodeCanvas

import nodes as stock
import sora_core.pipeline.generate as core
from sora_core.canvas.canvas import Canvas
from sora_core.checkpoints.checkpoint import write_checkpoint
from tests.support.tiny import tiny_autoencoder, tiny_transformer

PROMPT = "a red ball rolls to the left on grass"
NAME = "metric.safetensors"


def size(fps):
    return {"width": 48, "height": 32, "seconds": 9 / fps, "fps": fps}


@pytest.fixture(scope="module", params=[1, 2])
def path(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp(f"metric{request.param}")
    path = folder / f"{request.param}-{NAME}"
    transformer = tiny_transformer(patch=request.param, positions="metric")
    write_checkpoint(path, transformer, tiny_autoencoder(), name="metric")
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    return path


@pytest.fixture(scope="module")
def loaded(path):
    return SoraLoadModel.execute(path.name).args


@pytest.fixture(scope="module")
def words(loaded):
    return [SoraEncodePrompt.execute(loaded[1], text).args[0] for text in (PROMPT, "")]


def generated(loaded, words, fps):
    return sampled_on(loaded, words, NodeCanvas(**size(fps)))


def sampled_on(loaded, words, canvas):
    latent = SoraEncodeCanvas.execute(canvas, loaded[2]).args[0]
    schedule = SoraSchedule.execute(latent, 2, 0.0, 1.0).args[0]
    guider = SoraGuider.execute(loaded[0], *words, 2.0, 0.0, 1.0, 0.0, latent, 1.0).args[0]
    noise = SoraNoise.execute(3).args[0]
    return SoraSample.execute(noise, guider, schedule, latent, "euler").args[0]["samples"]


def test_the_guider_generates_at_the_rate_of_the_canvas_as_the_core_does(path, loaded, words):
    pipeline = core.load(path)
    for fps in (8.0, 24.0):
        expected = core.generate(
            pipeline, PROMPT, Canvas(**size(fps)), 3, steps=2, guidance=2.0, interval=(0.0, 1.0)
        )
        torch.testing.assert_close(generated(loaded, words, fps), expected, atol=2e-4, rtol=0)


def test_a_loop_is_the_same_in_both(path, loaded, words):
    loop = {"width": 48, "height": 32, "seconds": 1.5, "fps": 8.0, "ring": True}
    expected = core.generate(
        core.load(path), PROMPT, Canvas(**loop), 3, steps=2, guidance=2.0, interval=(0.0, 1.0)
    )
    found = sampled_on(loaded, words, NodeCanvas(**loop))
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


def test_another_rate_generates_another_clip(loaded, words):
    assert not torch.allclose(
        generated(loaded, words, 8.0), generated(loaded, words, 24.0), atol=1e-3
    )


def sampled(loaded, positive, negative):
    empty = {"samples": torch.zeros(1, 16, 3, 4, 6)}
    return stock.KSampler().sample(
        loaded[0], 3, 2, 1.0, "euler", "simple", positive, negative, empty
    )[0]["samples"]


def test_a_stock_sampler_without_a_canvas_generates_at_the_rate_of_the_model(loaded, words):
    stated = [[[states, {**more, "frame_rate": 8.0}] for states, more in each] for each in words]
    other = [[[states, {**more, "frame_rate": 24.0}] for states, more in each] for each in words]
    assert torch.equal(sampled(loaded, *words), sampled(loaded, *stated))
    assert not torch.allclose(sampled(loaded, *words), sampled(loaded, *other), atol=1e-3)
