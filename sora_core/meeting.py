"""Where what is painted meets footage that follows it.

A causal decoder would make the first frames of that footage from what was painted before them, and
not as they are. So the footage is decoded as it was encoded, after a first frame of its own; and
what is painted before it bends to it over a few frames: things move by what is then between the
two, and what still differs fades in.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .canvas import Canvas, Placement
from .encode import Encode, Mask, encode_canvas, whole_frames
from .leaving import fading
from .models.streaming import part
from .shapes import COMPRESSION, Compression, Latent, Video
from .video.flow import flow, moved
from .video.frames import frames_from_video, smoothstep
from .video.levels import level_shift, shifted
from .video.probe import lasting

BENT = 8  # frames, at most
EVEN = 8  # pixels within which things move alike

Decode = Callable[[Latent], Iterator[Video]]
"""The frames of a latent in chunks, by a decoder that looks back alone."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Footage that is kept whole from latent frame `at` on, after so many `painted` frames.

    `first` is its first frame alone: the latent of an image.
    """

    at: int
    painted: int
    first: Latent


def meetings(
    canvas: Canvas,
    mask: Mask,
    encode: Encode,
    channels: int,
    compression: Compression = COMPRESSION,
) -> list[Meeting]:
    """Where on `canvas` this happens, from the mask that `encode_canvas` gave of it.

    Of footage that is there as a latent nobody knows the first frame; a loop has no first one.
    """
    if canvas.ring or any(each.is_latent for each in canvas.placements):
        return []
    kept, painted = whole_frames(mask)
    found = []
    for at in range(1, len(kept)):
        if not (kept[at] and painted[at - 1]):
            continue
        frames = canvas.frames_of(at, compression)
        since = canvas.frames_of(at - [*painted[at - 1 :: -1], False].index(False), compression)
        for frame in frames:  # a still may lie on any of them
            moment = moment_of(canvas, frame)
            first, opened = encode_canvas(moment, encode, channels, compression)
            if not opened.any():
                found.append(Meeting(at, frames.start - since.start, first))
                break
    return found


def moment_of(canvas: Canvas, frame: int) -> Canvas:
    """One frame of `canvas` as an image, with the footage that is seen in it."""
    seconds = frame / canvas.fps
    placements = (
        replace(each, start=each.start - seconds)
        for each in canvas.placements
        if canvas.frame_at(each.start) <= frame < canvas.frame_at(each.start + _lasts(canvas, each))
    )
    return replace(canvas, seconds=0.0, placements=tuple(placements), prompts=())


def _lasts(canvas: Canvas, placement: Placement) -> float:
    source, seconds = placement.source, placement.lasts(canvas.fps)
    if isinstance(source, Tensor):
        return seconds or 0.0
    left = (float(lasting(source)) - placement.skip) / placement.speed
    return left if seconds is None else min(left, seconds)


def decode_meeting(
    decode: Decode,
    latent: Latent,
    met: Sequence[Meeting],
    compression: Compression = COMPRESSION,
) -> Iterator[Video]:
    """The frames of `latent` in chunks, where `met` as this module says."""
    waiting = None
    for before, after in pairwise((None, *met, None)):
        cells = latent[:, :, before.at if before else 0 : after.at + 1 if after else None]
        if before:
            marks = cells.shape[1] - before.first.shape[1]
            first = pad(before.first, (0, 0) * 3 + (0, marks))  # which are 0: it was encoded
            cells = torch.cat([first.to(cells), cells], dim=2)
        chunks = part(decode(cells), 1 if before else 0)
        if waiting is not None:
            first = next(chunks)
            yield bent(waiting, first[:, :, :1], compression.time)
            chunks = chain([first], chunks)
        if after is None:
            yield from chunks
            return
        count = min(BENT, after.painted) + compression.time
        waiting = yield from all_but_the_last(chunks, count)


def bent(video: Video, then: Video, more: int) -> Video:
    """All but the last `more` frames of `video`, bent towards `then`: the one frame that follows
    them, and not the one with which `video` would go on.

    Things move and differences fade by a share that rises smoothly from 0 to 1; then colours fade
    as they do after footage (`leaving.py`). In float32: half precision cannot tell the places of a
    large picture apart.
    """
    painted, on = video[:, :, :-more].float(), video[:, :, -more].float()
    then = then[:, :, 0].float()
    path = displacement(then, on)
    gap = then - moved(on, path)
    shares = smoothstep(torch.linspace(0, 1, painted.shape[2] + 2)[1:-1]).tolist()
    frames = [
        moved(frame, share * path) + share * gap
        for frame, share in zip(painted.unbind(2), shares, strict=True)
    ]
    shift, shares = level_shift(frames[-1], then), reversed(fading(len(frames)))
    frames = [shifted(frame, share * shift) for frame, share in zip(frames, shares, strict=True)]
    return torch.stack(frames, dim=2).to(video)


def displacement(
    here: Float[Tensor, "b 3 y x"], there: Float[Tensor, "b 3 y x"]
) -> Float[Tensor, "b 2 y x"]:
    """How many pixels what is seen in each pixel `here` lies right and down of it `there`.

    Flow on the CPU, of pictures made small; even within a few pixels, so that nothing tears.
    """
    seen = (frames_from_video(picture.cpu().transpose(0, 1)) for picture in (here, there))
    found = flow(*seen)
    coarse = [max(1, side // EVEN) for side in found.shape[2:]]
    found = interpolate(found, coarse, mode="area")
    return interpolate(found, here.shape[2:], mode="bilinear").to(here)


def all_but_the_last(chunks: Iterable[Video], count: int) -> Generator[Video, None, Video]:
    """The frames of `chunks` without the last `count`, and those as what it returns."""
    chunks = iter(chunks)
    first = next(chunks)
    waiting = first[:, :, :0]
    for chunk in chain([first], chunks):
        joined = torch.cat([waiting, chunk], dim=2)
        waiting = joined[:, :, -count:]
        if joined.shape[2] > count:
            yield joined[:, :, :-count]
    return waiting
