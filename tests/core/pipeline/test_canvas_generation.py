"""The pipeline preserves the footage of a canvas, and closes a loop."""

import torch

from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.edits import extend_forward, loop, video_to_video
from sora_core.models.chunked_codec import decode_ring
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import generate
from sora_core.video.frames import video_from_frames
from tests.support.clips import random_frames as clip

CANVAS = Canvas(width=32, height=32, seconds=13 / 8)


def generated(pipeline, canvas):
    return generate(pipeline, "a red ball", canvas, steps=2)


def test_kept_footage_is_exact_in_the_latent_and_the_rest_is_generated(pipeline):
    latent = generated(pipeline, extend_forward(CANVAS, clip(5)))
    footage = pipeline.autoencoder.encode(video_from_frames(clip(5))[None])
    torch.testing.assert_close(latent[:, :, :2], footage, atol=1e-5, rtol=0)
    free = generated(pipeline, CANVAS)
    assert not torch.isclose(latent[:, :, 2:], free[:, :, 2:]).all()


def test_footage_that_is_not_firm_is_generated_over(pipeline):
    soft, firm = (
        generated(pipeline, video_to_video(CANVAS, clip(13), firmness)) for firmness in (0.5, 1.0)
    )
    assert not torch.isclose(soft, firm).any()


def test_rotating_a_loop_rotates_its_frames(pipeline):
    latent = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole, turned = (
            torch.cat(list(decode_ring(pipeline.autoencoder, x)), dim=2)
            for x in (latent, latent.roll(1, 2))
        )
    assert whole.shape[2] == 12
    torch.testing.assert_close(turned, whole.roll(4, 2), atol=1e-4, rtol=0)


def test_a_loop_has_exactly_the_frames_of_its_canvas(pipeline):
    canvas = loop(Canvas(width=32, height=32, seconds=1.0)).place(
        Placement(source=clip(1), start=0.5)
    )
    frames = torch.cat(list(decode_frames(pipeline, generated(pipeline, canvas), canvas)))
    assert frames.shape == (8, 32, 32, 3)
