"""A prompt becomes exactly the frames that were asked for, the same each time."""

import pytest
import torch

from sora_core import __main__
from sora_core.canvas.canvas import Canvas
from sora_core.errors import ConfigError
from sora_core.pipeline.decode import cropped, decode_frames
from sora_core.pipeline.generate import SAMPLERS, Pipeline, generate, load
from sora_core.shapes import Size
from sora_core.video.probe import probe
from tests.support.tiny import write_tiny

CANVAS = Canvas(width=50, height=34, seconds=1.4)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pipeline(path) -> Pipeline:
    return load(path)


def generated(pipeline, prompt="a red ball", canvas=CANVAS, seed=0, **how):
    return generate(pipeline, prompt, canvas, seed, **{"steps": 3} | how)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_latent(pipeline, sampler):
    first, second = (generated(pipeline, sampler=sampler) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, generated(pipeline, sampler=sampler, seed=1))


def test_another_prompt_gives_another_latent(pipeline):
    assert not torch.allclose(generated(pipeline), generated(pipeline, "a blue cube"))


def test_a_negative_prompt_counts(pipeline):
    assert not torch.allclose(generated(pipeline), generated(pipeline, negative="a blue cube"))


def test_invisible_characters_in_a_prompt_do_not_count(pipeline):
    assert torch.equal(generated(pipeline), generated(pipeline, "a \u202ered\u0000  ball\n"))


def test_prompts_side_by_side_give_what_they_give_alone(pipeline, monkeypatch):
    together = generated(pipeline)
    monkeypatch.setattr("sora_core.pipeline.denoiser.BATCHED_TOKENS", 0)
    torch.testing.assert_close(generated(pipeline), together, atol=1e-4, rtol=1e-4)


@pytest.fixture
def rows(pipeline, monkeypatch):
    """How many rows each call of the transformer had."""
    rows = []
    forward = type(pipeline.transformer).forward

    def count(self, latent, *args, **kwargs):
        rows.append(len(latent))
        return forward(self, latent, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.transformer), "forward", count)
    return rows


def test_at_guidance_one_the_negative_prompt_is_not_computed(pipeline, rows):
    generated(pipeline, guidance=1.0)
    assert rows == [1, 1, 1]


@pytest.mark.parametrize(
    "interval, expected",
    [((0.0, 1.0), [2, 2, 2]), ((0.9, 1.0), [2, 1, 1]), ((0.0, 0.9), [1, 2, 2]), (None, [2, 2, 1])],
)
def test_outside_of_the_interval_the_negative_prompt_is_not_computed(
    pipeline, rows, interval, expected
):
    generated(pipeline, interval=interval)
    assert rows == expected


def test_every_step_is_reported_and_may_stop_the_rest(pipeline):
    class StopError(Exception):
        pass

    texts = []

    def on_step(step):
        texts.append((step.index, step.total))
        if step.index == 1:
            raise StopError

    with pytest.raises(StopError):
        generated(pipeline, on_step=on_step)
    assert texts == [(0, 3), (1, 3)]


def test_an_unknown_sampler_is_refused(pipeline):
    with pytest.raises(ConfigError, match="euler"):
        generated(pipeline, sampler="ddim")


@pytest.mark.parametrize("seconds, frames", [(0.0, 1), (0.3, 2), (1.4, 11), (2.1, 17)])
def test_the_frames_are_exactly_the_canvas(pipeline, seconds, frames):
    canvas = Canvas(width=50, height=34, seconds=seconds)
    latent = generated(pipeline, canvas=canvas)
    chunks = list(decode_frames(pipeline, latent, canvas))
    assert {chunk.shape[1:] for chunk in chunks} == {(34, 50, 3)}
    assert sum(map(len, chunks)) == frames


@pytest.mark.parametrize("lengths", [[1, 4, 4], [9], [3, 3, 3, 3]])
def test_chunks_are_cropped_as_the_whole_is(lengths):
    video = torch.arange(12.0 * 16 * 20).reshape(1, 1, 12, 16, 20).expand(1, 3, -1, -1, -1)
    size = Size(18, 16, 8)
    result = torch.cat(list(cropped(video[:, :, : sum(lengths)].split(lengths, 2), size)), 2)
    assert torch.equal(result, video[:, :, :8, :, 1:19])


def test_the_command_writes_the_video_it_names(path, tmp_path, capsys):
    out = tmp_path / "ball.mp4"
    arguments = ["generate", "a red ball", f"--out={out}", f"--model={path}", "--steps=2"]
    assert __main__.main([*arguments, "--size=50x34", "--seconds=1.5", "--scale=2"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    info = probe(out)
    assert (info.width, info.height, info.fps) == (100, 68, 8)


@pytest.mark.parametrize(
    "wrong", [["--model=/nowhere.safetensors"], ["--size=5x5"], ["--steps=-1"], ["--scale=9"]]
)
def test_a_mistake_is_one_line_and_no_traceback(path, tmp_path, capsys, wrong):
    arguments = [
        "generate",
        "a ball",
        f"--model={path}",
        f"--out={tmp_path / 'a.mp4'}",
        "--steps=1",
    ]
    assert __main__.main([*arguments, *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
