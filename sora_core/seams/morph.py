"""Generated frames before footage move towards its first frame, by optical flow.

Axes: b batch, t frames, y rows, x columns.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..canvas.canvas_latent import SeamJoin
from ..models.chunked_codec import frame_range
from ..shapes import COMPRESSION, Compression, Latent, Mask, Video
from ..video.flow import optical_flow, warp
from ..video.frames import frames_from_video, smoothstep
from .colour_fade import fade_shares
from .levels import level_shift, shift_levels

MORPHED_FRAMES = 8  # frames, at most
FLOW_CELL = 8  # pixels within which things move alike

Decode = Callable[[Latent, Mask | None], Iterator[Video]]
"""The frames of a latent in chunks, by a causal decoder; the mask is 0 where it was encoded."""


def decode_joined(
    decode: Decode,
    latent: Latent,
    joins: Sequence[SeamJoin],
    mask: Mask | None = None,
    compression: Compression = COMPRESSION,
) -> Iterator[Video]:
    """The frames of `latent` in chunks; before each of `joins`, generated frames morph to footage.

    `joins` are in order of time. Footage is decoded as it was encoded: after its first frame alone.
    """
    waiting = None
    for before, after in pairwise((None, *joins, None)):
        part = slice(before.at if before else 0, after.at + 1 if after else None)
        cells, own = latent[:, :, part], mask
        if mask is not None:
            own = mask.expand(-1, -1, latent.shape[2], -1, -1)[:, :, part]
        if before:
            cells = torch.cat([before.first.to(cells), cells], dim=2)
            if own is not None:  # the first frame was encoded
                own = torch.cat([torch.zeros_like(own[:, :, :1]), own], dim=2)
        chunks = frame_range(decode(cells, own), 1 if before else 0)
        if waiting is not None:
            first = next(chunks)
            yield morph_to(waiting, first[:, :, :1], compression.time)
            chunks = chain([first], chunks)
        if after is None:
            yield from chunks
            return
        count = min(MORPHED_FRAMES, after.generated_frames) + compression.time
        waiting = yield from hold_back_last(chunks, count)


def morph_to(video: Video, target: Video, extra: int) -> Video:
    """All but the last `extra` frames of `video`, bent towards the one frame `target` after them.

    The first of the `extra` frames is how `video` itself would go on. Things move and differences
    fade by a share that rises smoothly from 0 to 1; then colours fade as they do after footage
    (`colour_fade.py`). In float32: half precision cannot tell the places of a large picture apart.
    """
    generated, continuation = video[:, :, :-extra].float(), video[:, :, -extra].float()
    target = target[:, :, 0].float()
    path = displacement(target, continuation)
    gap = target - warp(continuation, path)
    shares = smoothstep(torch.linspace(0, 1, generated.shape[2] + 2)[1:-1]).tolist()
    frames = [
        warp(frame, share * path) + share * gap
        for frame, share in zip(generated.unbind(2), shares, strict=True)
    ]
    shift, shares = level_shift(frames[-1], target), reversed(fade_shares(len(frames)))
    frames = [
        shift_levels(frame, share * shift) for frame, share in zip(frames, shares, strict=True)
    ]
    return torch.stack(frames, dim=2).to(video)


def displacement(
    here: Float[Tensor, "b 3 y x"], there: Float[Tensor, "b 3 y x"]
) -> Float[Tensor, "b 2 y x"]:
    """The optical flow from `here` to `there`, in pixels right and down of each pixel `here`.

    Computed on the CPU from downscaled pictures; smooth over a few pixels, so that nothing tears.
    """
    pictures = (frames_from_video(picture.cpu().transpose(0, 1)) for picture in (here, there))
    found = optical_flow(*pictures)
    coarse = [max(1, side // FLOW_CELL) for side in found.shape[2:]]
    found = interpolate(found, coarse, mode="area")
    return interpolate(found, here.shape[2:], mode="bilinear").to(here)


def hold_back_last(chunks: Iterable[Video], count: int) -> Generator[Video, None, Video]:
    """Yields the frames of `chunks` without the last `count`, and returns those."""
    chunks = iter(chunks)
    first = next(chunks)
    waiting = first[:, :, :0]
    for chunk in chain([first], chunks):
        joined = torch.cat([waiting, chunk], dim=2)
        waiting = joined[:, :, -count:]
        if joined.shape[2] > count:
            yield joined[:, :, :-count]
    return waiting
