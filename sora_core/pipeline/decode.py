"""A latent to frames, with the footage of its canvas as it was encoded.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Iterable, Iterator
from functools import partial

import torch

from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import CanvasLatent
from ..models.chunked_codec import decode_chunks, decode_ring
from ..seams.colour_fade import colour_fades, fade_colours
from ..seams.morph import decode_joined
from ..shapes import Frames, Latent, Size, Video, crop
from ..video.frames import frames_from_video
from .generate import Pipeline


def decode_frames(
    pipeline: Pipeline, latent: Latent, canvas: Canvas | CanvasLatent
) -> Iterator[Frames]:
    """The frames of `latent` in chunks, with the size and number of frames of `canvas`.

    With a `CanvasLatent`, known footage is decoded by the decoder for encoded frames, if the model
    has two. Generated frames after footage begin in its colours; generated frames before footage
    morph into it, and it is decoded as it was encoded. No footage is read. With a `Canvas` all
    frames count as generated.
    """
    encoded = canvas if isinstance(canvas, CanvasLatent) else None
    canvas = canvas.canvas if isinstance(canvas, CanvasLatent) else canvas
    decode = partial(decode_ring if canvas.ring else decode_chunks, pipeline.autoencoder)
    with torch.inference_mode():
        if encoded is None:
            chunks = decode(latent)
        else:
            fades = colour_fades(canvas, encoded.mask, encoded.compression)
            mask = encoded.mask
            if encoded.is_matched(latent):
                mask = torch.zeros_like(mask)
            joined = decode_joined(decode, latent, encoded.joins, mask)
            chunks = fade_colours(joined, fades)
        for video in cropped(chunks, canvas.size):
            yield frames_from_video(video[0])


def cropped(chunks: Iterable[Video], size: Size) -> Iterator[Video]:
    """`chunks` of a video, cropped to `size` as one."""
    left = size.frames
    for chunk in chunks:
        frames = min(left, chunk.shape[2])
        yield crop(chunk, Size(size.width, size.height, frames))
        left -= frames
        if left == 0:
            return
