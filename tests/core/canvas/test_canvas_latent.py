"""Encoding reads footage once, and finds the first frame of what follows generated frames."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from sora_core.canvas import edits, rasterize
from sora_core.canvas.canvas import Box, Canvas, Placement
from sora_core.canvas.canvas_latent import CanvasLatent
from sora_core.canvas.encode import encode_canvas, openness
from sora_core.errors import SizeError
from sora_core.models.chunked_codec import encode_chunks
from sora_core.shapes import COMPRESSION, Compression
from sora_core.video.frames import video_from_frames
from sora_core.video.writer import write_video
from tests.support.clips import random_frames as clip
from tests.support.tiny import tiny_autoencoder

AUTOENCODER = tiny_autoencoder().requires_grad_(False)
CHANNELS = AUTOENCODER.config.latent_channels
CANVAS = Canvas(width=32, height=32, seconds=17 / 8)
JOIN = 13 / 8  # seconds: the first frame of the last latent frame


def encoded(canvas):
    return encode_canvas(canvas, partial(encode_chunks, AUTOENCODER), CHANNELS)


def lone(frame):
    return AUTOENCODER.encode(video_from_frames(frame[None])[None])


def test_each_file_is_read_once(tmp_path, monkeypatch):
    first, last = (
        write_video(tmp_path / f"{i}.mkv", [clip(n, i)], 8, codec="ffv1")
        for i, n in ((0, 5), (1, 4))
    )
    read, sources = rasterize.read_frames, []
    monkeypatch.setattr(
        rasterize, "read_frames", lambda path, **span: sources.append(path) or read(path, **span)
    )
    found = encoded(CANVAS.place(Placement(source=first), Placement(source=last, start=JOIN)))
    assert sorted(sources) == [first, last]
    (join,) = found.joins
    torch.testing.assert_close(join.first, lone(clip(4, 1)[0]), atol=1e-5, rtol=0)


def test_the_mask_is_that_of_the_canvas_without_a_model():
    for canvas in (CANVAS, edits.connect(CANVAS, clip(5), clip(4, 1), 5 / 8, 4 / 8)):
        assert torch.equal(encoded(canvas).mask, openness(canvas))


def test_the_first_frame_shows_what_lies_on_top():
    half = Box(16, 0, 16, 32)
    canvas = CANVAS.place(
        Placement(source=clip(4), start=JOIN),
        Placement(source=clip(4, 1), start=JOIN, region=half, fit="crop"),
    )
    (join,) = encoded(canvas).joins
    below, top = lone(clip(4)[0]), encoded(canvas).known[:, :, 4:, :, 2:]
    torch.testing.assert_close(join.first[..., :2], below[..., :2], atol=1e-5, rtol=0)
    assert not torch.isclose(join.first[..., 2:], below[..., 2:]).all()
    assert top.shape == join.first[..., 2:].shape


def test_footage_that_others_cover_gives_no_first_frame():
    canvas = CANVAS.place(
        Placement(source=clip(4), start=JOIN), Placement(source=clip(4, 1), start=JOIN)
    )
    (join,) = encoded(canvas).joins
    torch.testing.assert_close(join.first, lone(clip(4, 1)[0]), atol=1e-5, rtol=0)


def test_footage_that_becomes_firm_midway_joins_there_with_its_own_frame():
    rising = ((0.0, 0.0), (0.9, 0.0), (1.0, 1.0))
    (join,) = encoded(CANVAS.place(Placement(source=clip(17), firmness=rising))).joins
    assert (join.at, join.generated_frames) == (3, 9)
    torch.testing.assert_close(join.first, lone(clip(17)[9]), atol=1e-5, rtol=0)


def test_a_mask_that_opens_midway_is_read_at_the_frame_of_the_join():
    mask = torch.zeros(17, 32, 32)
    mask[:9] = 1
    (join,) = encoded(CANVAS.place(Placement(source=clip(17), mask=mask))).joins
    assert (join.at, join.generated_frames) == (3, 9)
    torch.testing.assert_close(join.first, lone(clip(17)[9]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [{"ring": True, "seconds": 2.0}, {"width": 64}])
def test_tensors_that_do_not_cover_the_canvas_are_refused(kind):
    found = encoded(CANVAS)
    with pytest.raises(SizeError, match="encode the canvas"):
        replace(found, canvas=replace(CANVAS, **kind))
    with pytest.raises(SizeError, match="5x4x4"):
        replace(found, compression=Compression(8, 8, 8))


def test_a_canvas_without_footage_knows_nothing():
    found = encoded(CANVAS)
    assert isinstance(found, CanvasLatent) and found.compression == COMPRESSION
    assert (found.joins, found.filler, found.sound) == ((), None, None)
    assert not found.known.any() and (found.mask == 1).all()
