"""Decoding opens no footage: encoding has read all that it needs."""

from dataclasses import replace

import torch

from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.edits import extend_forward, loop
from sora_core.models.chunked_codec import decode_chunks
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import encode_footage, generate
from sora_core.seams.colour_fade import colour_fades, fade_colours
from sora_core.video.frames import frames_from_video
from sora_core.video.writer import write_video
from tests.support.clips import random_frames as clip

CANVAS = Canvas(width=32, height=32, seconds=17 / 8)


def decoded(pipeline, latent, canvas):
    return torch.cat(list(decode_frames(pipeline, latent, canvas)))


def test_footage_may_be_deleted_once_it_is_encoded(pipeline, tmp_path):
    files = [write_video(tmp_path / f"{i}.mkv", [clip(4 + i, i)], 8, codec="ffv1") for i in (1, 0)]
    on_disk, in_memory = (
        CANVAS.place(Placement(source=first), Placement(source=last, start=13 / 8))
        for first, last in (files, (clip(5, 1), clip(4)))
    )
    encoded, same = (encode_footage(pipeline, canvas) for canvas in (on_disk, in_memory))
    for path in files:
        path.unlink()
    latent = generate(pipeline, "a red ball", encoded, steps=2)
    frames = decoded(pipeline, latent, encoded)
    assert torch.equal(latent, generate(pipeline, "a red ball", same, steps=2))
    assert torch.equal(frames, decoded(pipeline, latent, same))
    assert not torch.equal(frames, decoded(pipeline, latent, on_disk))  # without its joins


def test_a_canvas_and_its_latent_generate_the_same(pipeline):
    canvas = extend_forward(CANVAS, clip(5))
    encoded = encode_footage(pipeline, canvas)
    first, second = (generate(pipeline, "a cube", each, steps=2) for each in (canvas, encoded))
    assert torch.equal(first, second)


def test_a_loop_of_footage_decodes_to_the_frames_of_its_canvas(pipeline):
    canvas = loop(Canvas(width=32, height=32, seconds=2.0), clip(8), 0.5)
    encoded = encode_footage(pipeline, canvas)
    latent = generate(pipeline, "a cube", encoded, steps=2)
    assert decoded(pipeline, latent, encoded).shape == (16, 32, 32, 3)


def test_generated_frames_with_the_statistics_of_footage_are_decoded_as_footage(pipeline):
    encoded = encode_footage(pipeline, extend_forward(CANVAS, clip(9)))
    latent = generate(pipeline, "a cube", encoded, steps=1)
    with torch.inference_mode():
        by_one_decoder = decode_chunks(pipeline.autoencoder, latent, torch.zeros_like(encoded.mask))
        faded = fade_colours(by_one_decoder, colour_fades(encoded.canvas, encoded.mask))
        expected = torch.cat([frames_from_video(video[0]) for video in faded])
    assert torch.equal(decoded(pipeline, latent, replace(encoded, matched=latent)), expected)
    for other in (None, latent + 1e-3):  # not matched, or changed since
        unmatched = replace(encoded, matched=other)
        assert not torch.equal(decoded(pipeline, latent, unmatched), expected)
