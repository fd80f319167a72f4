"""Prompts, two guidances and long time on the canvas, through the whole pipeline."""

import pytest
import torch

from sora_core.canvas.canvas import Canvas, Placement, PromptSpan
from sora_core.canvas.edits import extend_backward, loop
from sora_core.pipeline.generate import generate
from sora_core.pipeline.script import prompt_weights
from sora_core.sampling.segments import SegmentSettings
from sora_core.shapes import Compression
from tests.support.clips import random_frames as clip

CANVAS = Canvas(width=32, height=32, seconds=13 / 8)
LONG = Canvas(width=32, height=32, seconds=4)
PROMPT = "a red ball"


def generated(pipeline, canvas, prompt=PROMPT, **how):
    return generate(pipeline, prompt, canvas, **{"steps": 2} | how)


def close(first, second):
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


@pytest.mark.parametrize("canvas", [CANVAS, LONG, loop(Canvas(width=32, height=32, seconds=1))])
@pytest.mark.parametrize("chain", [SegmentSettings(), None])
def test_the_same_prompt_in_every_span_is_one_prompt(pipeline, canvas, chain):
    spans = PromptSpan(prompt=PROMPT, end=0.6), PromptSpan(prompt=PROMPT, start=0.6, end=0.8)
    close(
        generated(pipeline, canvas.add_prompts(*spans), segments=chain),
        generated(pipeline, canvas, segments=chain),
    )


def test_the_main_prompt_is_not_heard_where_spans_cover_everything(pipeline):
    texts = CANVAS.add_prompts(PromptSpan(prompt="a blue cube"))
    close(generated(pipeline, texts, "whatever"), generated(pipeline, CANVAS, "a blue cube"))


def test_a_span_counts(pipeline):
    texts = CANVAS.add_prompts(PromptSpan(prompt="a blue cube", start=1.0))
    assert not torch.isclose(
        generated(pipeline, texts), generated(pipeline, CANVAS), atol=1e-3
    ).all()


def test_spans_count_side_by_side_as_they_do_alone(pipeline, monkeypatch):
    texts = CANVAS.add_prompts(PromptSpan(prompt="a blue cube that slides", start=1.0))
    together = generated(pipeline, texts)
    monkeypatch.setattr("sora_core.pipeline.denoiser.BATCHED_TOKENS", 0)
    close(generated(pipeline, texts), together)


def test_prompts_count_by_latent_frame_of_any_compression():
    texts = Canvas(width=32, height=32, seconds=17 / 8).add_prompts(
        PromptSpan(prompt="", end=1 / 8)
    )
    sharp = {"soft": 0.0}
    assert prompt_weights(texts, **sharp)[1].tolist() == [1, 0, 0, 0, 0]
    assert prompt_weights(texts, Compression(8, 32, 32), **sharp)[1].tolist() == [1, 0, 0]
    ring = loop(Canvas(width=32, height=32, seconds=2)).add_prompts(PromptSpan(prompt="", end=0.5))
    assert prompt_weights(ring, **sharp)[1].tolist() == [1, 0, 0, 0]


def test_without_footage_its_guidance_does_not_count(pipeline):
    assert torch.equal(
        generated(pipeline, CANVAS, footage_guidance=3.0), generated(pipeline, CANVAS)
    )


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_footage_guidance_leads_the_rest_and_keeps_the_footage(pipeline, guidance):
    canvas = CANVAS.place(Placement(source=clip(5)))
    plain, led = (
        generated(pipeline, canvas, guidance=guidance, footage_guidance=scale)
        for scale in (1.0, 3.0)
    )
    assert torch.equal(led[:, :, :2], plain[:, :, :2])
    assert not torch.isclose(led[:, :, 2:], plain[:, :, 2:], atol=1e-3).all()


def test_beside_known_footage_guidance_does_not_count(pipeline):
    canvas = CANVAS.place(Placement(source=clip(5)))
    plain, led = (generated(pipeline, canvas, steps=1, guidance=scale) for scale in (1.0, 9.0))
    close(led[:, :, 2], plain[:, :, 2])
    assert not torch.isclose(led[:, :, 3], plain[:, :, 3], atol=1e-3).all()


def test_three_views_side_by_side_are_what_they_are_alone(pipeline, monkeypatch):
    canvas = CANVAS.place(Placement(source=clip(5)))
    together = generated(pipeline, canvas, footage_guidance=3.0)
    monkeypatch.setattr("sora_core.pipeline.denoiser.BATCHED_TOKENS", 0)
    close(generated(pipeline, canvas, footage_guidance=3.0), together)


def test_a_long_canvas_begins_as_its_first_link_alone(pipeline):
    short = generated(pipeline, Canvas(width=32, height=32, seconds=2))
    close(generated(pipeline, LONG)[:, :, :5], short)


def test_segments_and_steps_are_reported(pipeline):
    links, steps = [], []
    latent = generated(
        pipeline,
        LONG,
        on_segment=lambda link, latent: links.append((link, latent)),
        on_step=lambda step: steps.append((step.index, step.total)),
    )
    assert [link.start for link, _ in links] == [0, 3, 4]
    assert steps == [(i, 6) for i in range(6)]
    assert all(torch.equal(latent[:, :, link.frames], result) for link, result in links)


@pytest.mark.parametrize("chain", [SegmentSettings(), None])
def test_footage_is_kept_exactly_in_links_and_in_windows(pipeline, chain):
    canvas = extend_backward(LONG, clip(9), 9 / 8)
    latent = generated(pipeline, canvas, segments=chain)
    short = generated(pipeline, canvas, segments=None, window=9)
    assert torch.equal(latent[:, :, -2:], short[:, :, -2:])
    assert not torch.isclose(latent[:, :, :-2], short[:, :, :-2], atol=1e-3).all()


def test_a_loop_longer_than_a_window_is_generated_in_windows(pipeline):
    sizes = []
    forward = type(pipeline.transformer).forward

    def watch(self, latent, *args, **kwargs):
        sizes.append(latent.shape[2])
        return forward(self, latent, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline.transformer), "forward", watch)
        latent = generated(pipeline, loop(LONG))
    assert latent.shape[2] == 8
    assert set(sizes) == {5}
