"""Prompts, two guidances and long time on the canvas, through the whole pipeline."""

import pytest
import torch

from sora_core.canvas import Canvas, Placement, Span
from sora_core.edits import extend_backward, loop
from sora_core.painting import prompt_weights
from sora_core.pipeline import Pipeline, generate, load
from sora_core.sampling.chain import Chain
from sora_core.shapes import Compression
from tests.tiny import write_tiny

CANVAS = Canvas(width=32, height=32, seconds=13 / 8)
LONG = Canvas(width=32, height=32, seconds=4)
PROMPT = "a red ball"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return load(write_tiny(tmp_path_factory.mktemp("models")))


def painted(pipeline, canvas, prompt=PROMPT, **how):
    return generate(pipeline, prompt, canvas, **{"steps": 2} | how)


def clip(frames):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (frames, 32, 32, 3), generator=generator).to(torch.uint8)


def close(first, second):
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


@pytest.mark.parametrize("canvas", [CANVAS, LONG, loop(Canvas(width=32, height=32, seconds=1))])
@pytest.mark.parametrize("chain", [Chain(), None])
def test_the_same_prompt_in_every_span_is_one_prompt(pipeline, canvas, chain):
    spans = Span(prompt=PROMPT, end=0.6), Span(prompt=PROMPT, start=0.6, end=0.8)
    close(
        painted(pipeline, canvas.tell(*spans), chain=chain), painted(pipeline, canvas, chain=chain)
    )


def test_the_main_prompt_is_not_heard_where_spans_cover_everything(pipeline):
    told = CANVAS.tell(Span(prompt="a blue cube"))
    close(painted(pipeline, told, "whatever"), painted(pipeline, CANVAS, "a blue cube"))


def test_a_span_counts(pipeline):
    told = CANVAS.tell(Span(prompt="a blue cube", start=1.0))
    assert not torch.isclose(painted(pipeline, told), painted(pipeline, CANVAS), atol=1e-3).all()


def test_spans_count_side_by_side_as_they_do_alone(pipeline, monkeypatch):
    told = CANVAS.tell(Span(prompt="a blue cube that slides", start=1.0))
    together = painted(pipeline, told)
    monkeypatch.setattr("sora_core.painting.BATCHED_TOKENS", 0)
    close(painted(pipeline, told), together)


def test_prompts_count_by_latent_frame_of_any_compression():
    told = Canvas(width=32, height=32, seconds=17 / 8).tell(Span(prompt="", end=1 / 8))
    sharp = {"soft": 0.0}
    assert prompt_weights(told, **sharp)[1].tolist() == [1, 0, 0, 0, 0]
    assert prompt_weights(told, Compression(8, 32, 32), **sharp)[1].tolist() == [1, 0, 0]
    ring = loop(Canvas(width=32, height=32, seconds=2)).tell(Span(prompt="", end=0.5))
    assert prompt_weights(ring, **sharp)[1].tolist() == [1, 0, 0, 0]


def test_without_footage_its_guidance_does_not_count(pipeline):
    assert torch.equal(painted(pipeline, CANVAS, footage_guidance=3.0), painted(pipeline, CANVAS))


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_footage_guidance_leads_the_rest_and_keeps_the_footage(pipeline, guidance):
    canvas = CANVAS.place(Placement(source=clip(5)))
    plain, led = (
        painted(pipeline, canvas, guidance=guidance, footage_guidance=scale) for scale in (1.0, 3.0)
    )
    assert torch.equal(led[:, :, :2], plain[:, :, :2])
    assert not torch.isclose(led[:, :, 2:], plain[:, :, 2:], atol=1e-3).all()


def test_beside_known_footage_guidance_does_not_count(pipeline):
    canvas = CANVAS.place(Placement(source=clip(5)))
    plain, led = (painted(pipeline, canvas, steps=1, guidance=scale) for scale in (1.0, 9.0))
    close(led[:, :, 2], plain[:, :, 2])
    assert not torch.isclose(led[:, :, 3], plain[:, :, 3], atol=1e-3).all()


def test_three_views_side_by_side_are_what_they_are_alone(pipeline, monkeypatch):
    canvas = CANVAS.place(Placement(source=clip(5)))
    together = painted(pipeline, canvas, footage_guidance=3.0)
    monkeypatch.setattr("sora_core.painting.BATCHED_TOKENS", 0)
    close(painted(pipeline, canvas, footage_guidance=3.0), together)


def test_a_long_canvas_begins_as_its_first_link_alone(pipeline):
    short = painted(pipeline, Canvas(width=32, height=32, seconds=2))
    close(painted(pipeline, LONG)[:, :, :5], short)


def test_links_and_steps_are_told_of(pipeline):
    links, steps = [], []
    latent = painted(
        pipeline,
        LONG,
        on_link=lambda link, latent: links.append((link, latent)),
        on_step=lambda step: steps.append((step.index, step.total)),
    )
    assert [link.start for link, _ in links] == [0, 3, 4]
    assert steps == [(i, 6) for i in range(6)]
    assert all(torch.equal(latent[:, :, link.frames], made) for link, made in links)


@pytest.mark.parametrize("chain", [Chain(), None])
def test_footage_is_kept_exactly_in_links_and_in_windows(pipeline, chain):
    canvas = extend_backward(LONG, clip(9), 9 / 8)
    latent = painted(pipeline, canvas, chain=chain)
    short = painted(pipeline, canvas, chain=None, window=9)
    assert torch.equal(latent[:, :, -2:], short[:, :, -2:])
    assert not torch.isclose(latent[:, :, :-2], short[:, :, :-2], atol=1e-3).all()


def test_a_loop_longer_than_a_window_is_painted_in_windows(pipeline):
    sizes = []
    forward = type(pipeline.transformer).forward

    def watch(self, latent, *args, **kwargs):
        sizes.append(latent.shape[2])
        return forward(self, latent, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline.transformer), "forward", watch)
        latent = painted(pipeline, loop(LONG))
    assert latent.shape[2] == 8
    assert set(sizes) == {5}
