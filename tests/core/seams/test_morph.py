"""Generated frames morph into the footage after them, and the footage stays exact."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.canvas_latent import SeamJoin
from sora_core.models.chunked_codec import decode_chunks, frame_range
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import encode_footage
from sora_core.seams.colour_fade import FADED_SHARE
from sora_core.seams.levels import MAX_LEVEL_SHIFT
from sora_core.seams.morph import MORPHED_FRAMES, decode_joined, hold_back_last, morph_to
from sora_core.shapes import COMPRESSION
from sora_core.video.frames import frames_from_video, video_from_frames
from sora_core.video.writer import write_video
from tests.support.clips import random_frames as clip

STEP = COMPRESSION.time
CANVAS = Canvas(width=32, height=32, seconds=17 / 8)


def remembering(length, latent, mask=None):
    """A decoder whose every frame is its cell and half of the frame before."""
    frames = torch.cat([latent[:, :, :1], latent[:, :, 1:].repeat_interleave(STEP, dim=2)], dim=2)
    result = frames.clone()
    for t in range(1, result.shape[2]):
        result[:, :, t] += result[:, :, t - 1] / 2
    return iter(result.split(length, dim=2))


def test_footage_after_what_is_generated_is_found_with_its_first_frame(pipeline):
    canvas = edits.connect(CANVAS, clip(5), clip(4, seed=1), 5 / 8, 4 / 8)
    (one,) = encode_footage(pipeline, canvas).joins
    assert (one.at, one.generated_frames) == (4, 8)
    alone = pipeline.autoencoder.encode(video_from_frames(clip(4, seed=1)[:1])[None])
    torch.testing.assert_close(one.first, alone, atol=1e-5, rtol=0)


def test_a_still_at_the_end_is_morphed_to_as_well(pipeline):
    canvas = edits.key_frames(CANVAS, [(0.0, clip(1)), (CANVAS.last, clip(1, seed=1))])
    (one,) = encode_footage(pipeline, canvas).joins
    assert (one.at, one.generated_frames) == (4, 12)
    alone = pipeline.autoencoder.encode(video_from_frames(clip(1, seed=1))[None])
    torch.testing.assert_close(one.first, alone, atol=1e-5, rtol=0)


def test_footage_in_a_file_that_ended_is_not_asked_for_its_frame(pipeline, tmp_path):
    file = write_video(tmp_path / "clip.mkv", [clip(5)], 8, codec="ffv1")
    canvas = CANVAS.place(Placement(source=file), Placement(source=clip(4), start=13 / 8))
    (one,) = encode_footage(pipeline, canvas).joins
    assert one.at == 4


@pytest.mark.parametrize(
    "canvas",
    [
        CANVAS,
        edits.extend_forward(CANVAS, clip(9)),
        edits.video_to_video(CANVAS, clip(17), 0.5),
        edits.loop(Canvas(width=32, height=32, seconds=2)).place(Placement(source=clip(4))),
        CANVAS.place(Placement(source=torch.zeros(1, 16, 2, 4, 4), start=9 / 8)),
    ],
    ids=["nothing", "forward", "regenerated", "loop", "latent"],
)
def test_nothing_meets_where_no_footage_follows_or_nobody_knows_its_first_frame(pipeline, canvas):
    assert encode_footage(pipeline, canvas).joins == ()


@torch.inference_mode()
def test_the_footage_is_as_it_comes_out_alone_and_no_other_kept_frame_changes(pipeline):
    canvas = edits.connect(CANVAS, clip(5), clip(4, seed=1), 5 / 8, 4 / 8)
    encoded = encode_footage(pipeline, canvas)
    latent = torch.randn(1, 16, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    result = torch.cat(list(decode_frames(pipeline, latent, encoded)))
    plain = frames_from_video(pipeline.autoencoder.decode(latent, encoded.mask)[0])
    footage = torch.cat([encoded.joins[0].first, latent[:, :, 4:]], dim=2)
    alone = pipeline.autoencoder.decode(footage, torch.zeros(1, 1, 1, 1, 1))
    assert torch.equal(result[13:], frames_from_video(alone[0])[1:])
    assert torch.equal(result[:5], plain[:5])
    assert not torch.equal(result[5:13], plain[5:13])


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2))
def test_what_is_generated_bends_more_the_nearer_the_footage_is(length, generated, preserved):
    generator = torch.Generator().manual_seed(length)
    latent = torch.rand(1, 3, preserved + generated + 2, 1, 1, generator=generator) / 4
    latent = latent.expand(-1, -1, -1, 16, 16)
    join = COMPRESSION.pixel_frames(preserved + generated)
    frames = STEP * generated if preserved else join
    joins = [SeamJoin(preserved + generated, frames, torch.full((1, 3, 1, 16, 16), 0.9))]
    plain = torch.cat(list(remembering(length, latent)), dim=2)
    result = torch.cat(list(decode_joined(partial(remembering, length), latent, joins)), dim=2)
    assert result.shape == plain.shape
    apart, bend = (result - plain)[0, 0, :, 8, 8], min(MORPHED_FRAMES, frames)
    shares = apart[join - bend : join] / apart[join]
    level = 2 / 255 / apart[join].abs().item()
    assert (shares.diff() > 0).all() and shares[0] > 0 and shares[-1] < 1 + level
    coloured = 1e-3 + 2 * FADED_SHARE * MAX_LEVEL_SHIFT * level
    torch.testing.assert_close(shares + shares.flip(0), torch.ones(bend), atol=coloured, rtol=0)
    if bend > 2:  # as smooth where it begins as where it meets
        assert shares[0] < shares.diff().max() + level > 1 - shares[-1]
    assert (apart[: join - bend] == 0).all()


def blob(at):
    """A soft ball of a video of one frame, 32 pixels a side."""
    x, y = torch.arange(32.0), torch.arange(32.0)[:, None]
    ball = torch.exp(-((x - at) ** 2 + (y - 16) ** 2) / 32) * 1.6 - 0.8
    return ball.expand(1, 3, 1, -1, -1)


def test_what_lies_elsewhere_moves_there_and_is_not_seen_twice():
    result = morph_to(blob(14).expand(-1, -1, MORPHED_FRAMES + STEP, -1, -1), blob(17), STEP)[0, 0]
    across = (result + 0.8).clamp(min=0)
    centres = (across * torch.arange(32.0)).sum((1, 2)) / across.sum((1, 2))
    assert (centres.diff() > -0.01).all() and centres[0] < 14.5 < 16.5 < centres[-1]
    assert (result.amax((1, 2)) > 0.6).all()  # two halves of a ball would be fainter


def test_a_large_picture_in_half_precision_is_bent_as_in_full():
    wide = torch.rand(1, 3, 1, 16, 400, generator=torch.Generator().manual_seed(0)) * 2 - 1
    video, then = wide.expand(-1, -1, 2 + STEP, -1, -1), wide.roll(1, dims=4)
    whole, half = (
        morph_to(video.to(precision), then.to(precision), STEP).float()
        for precision in (torch.float32, torch.bfloat16)
    )
    assert (whole - half).abs().mean() < 0.02


def test_without_a_join_it_is_the_decoder_itself(pipeline):
    latent = torch.randn(1, 16, 3, 4, 4)
    with torch.inference_mode():
        decode = partial(decode_chunks, pipeline.autoencoder)
        result = torch.cat(list(decode_joined(decode, latent, [])), dim=2)
        assert torch.equal(result, torch.cat(list(decode(latent)), dim=2))


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 7), st.integers(1, 20))
def test_the_last_frames_are_kept_back_whatever_the_chunks_are(frames, length, count):
    video = torch.arange(frames).view(1, 1, -1, 1, 1)
    arguments_on, preserved = [], None

    def run():
        nonlocal preserved
        preserved = yield from hold_back_last(video.split(length, dim=2), count)

    arguments_on = list(run())
    assert torch.equal(torch.cat([*arguments_on, preserved], dim=2), video)
    assert preserved.shape[2] == min(count, frames)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 7), st.integers(0, 20), st.integers(0, 20))
def test_a_part_of_a_video_is_that_part_whatever_the_chunks_are(frames, length, first, end):
    video = torch.arange(frames).view(1, 1, -1, 1, 1)
    for last in (end, None):
        found = [video[:, :, :0], *frame_range(video.split(length, dim=2), first, last)]
        assert torch.equal(torch.cat(found, dim=2), video[:, :, first:last])
