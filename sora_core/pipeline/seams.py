"""Where what is painted goes on from footage before it.

A model paints in slightly other colours than footage has, and at a join that is seen as a flicker,
however well things move across it. So the first painted frames are moved towards the levels of the
last frame of the footage, less and less: by half, as things do change from frame to frame, and by
two levels at most.

Axes: b batch, t frames, y rows, x columns.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..canvas.canvas import Canvas, Placement
from ..canvas.encode import Encode, Mask, encode_canvas, whole_frames
from ..models.chunked_codec import frame_range
from ..shapes import COMPRESSION, Compression, Latent, Video
from ..video.flow import optical_flow, warp
from ..video.frames import frames_from_video, smoothstep
from ..video.levels import level_shift, shift_levels
from ..video.probe import duration_of

FADED_FRAMES = 8  # frames, at most
FADED_SHARE = 0.5  # of the step in colour that is taken for a fault


@dataclass(frozen=True, slots=True)
class ColourFade:
    """`generated_frames` frames, from frame `at` on, that follow footage kept whole."""

    at: int
    generated_frames: int


def colour_fades(
    canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION
) -> list[ColourFade]:
    """Where on `canvas` this happens, from the mask that `encode_canvas` gave of it."""
    known, generated = whole_frames(mask)
    found = []
    for at in range(1, len(known)):
        if known[at - 1] and generated[at]:
            end = at + [*generated[at:], False].index(False)
            start = canvas.frames_of(at, compression).start
            found.append(ColourFade(start, canvas.frames_of(end - 1, compression).stop - start))
    return found


def fade_colours(chunks: Iterable[Video], fades: Sequence[ColourFade]) -> Iterator[Video]:
    """The frames of `chunks`, those after each of `fades` in colours that go on from before it."""
    counts = {each.at: min(FADED_FRAMES, each.generated_frames) for each in fades}
    done, last, shift, shares = 0, None, None, iter(())
    for chunk in chunks:
        faded = {}
        for i, frame in enumerate(chunk.unbind(2)):
            if done + i in counts and last is not None:
                shift, shares = level_shift(frame, last), iter(fade_shares(counts[done + i]))
            share = next(shares, 0.0)
            if share and shift is not None:
                faded[i] = shift_levels(frame.float(), share * shift).to(frame)
            last = frame
        done += chunk.shape[2]
        if faded:
            chunk = torch.stack([faded.get(i, f) for i, f in enumerate(chunk.unbind(2))], dim=2)
        yield chunk


def fade_shares(count: int) -> list[float]:
    """The share of the shift that each of `count` frames takes."""
    return (FADED_SHARE * smoothstep(torch.linspace(1, 0, count + 1)[:-1])).tolist()


pass  # dropped

MORPHED_FRAMES = 8  # frames, at most
FLOW_CELL = 8  # pixels within which things move alike

Decode = Callable[[Latent], Iterator[Video]]
"""The frames of a latent in chunks, by a decoder that looks back alone."""


@dataclass(frozen=True, slots=True)
class SeamJoin:
    """Footage that is kept whole from latent frame `at` on, after so many `generated_frames`
    frames.

    `first` is its first frame alone: the latent of an image.
    """

    at: int
    generated_frames: int
    first: Latent


def seam_joins(
    canvas: Canvas,
    mask: Mask,
    encode: Encode,
    channels: int,
    compression: Compression = COMPRESSION,
) -> list[SeamJoin]:
    """Where on `canvas` this happens, from the mask that `encode_canvas` gave of it.

    Of footage that is there as a latent nobody knows the first frame; a loop has no first one.
    """
    if canvas.ring or any(each.is_latent for each in canvas.placements):
        return []
    known, generated = whole_frames(mask)
    found = []
    for at in range(1, len(known)):
        if not (known[at] and generated[at - 1]):
            continue
        frames = canvas.frames_of(at, compression)
        since = canvas.frames_of(at - [*generated[at - 1 :: -1], False].index(False), compression)
        for frame in frames:  # a still may lie on any of them
            moment = canvas_at(canvas, frame)
            first, opened = encode_canvas(moment, encode, channels, compression)
            if not opened.any():
                found.append(SeamJoin(at, frames.start - since.start, first))
                break
    return found


def canvas_at(canvas: Canvas, frame: int) -> Canvas:
    """One frame of `canvas` as an image, with the footage that is seen in it."""
    seconds = frame / canvas.fps
    placements = (
        replace(each, start=each.start - seconds)
        for each in canvas.placements
        if canvas.frame_at(each.start)
        <= frame
        < canvas.frame_at(each.start + _seconds_on_canvas(canvas, each))
    )
    return replace(canvas, seconds=0.0, placements=tuple(placements), prompts=())


def _seconds_on_canvas(canvas: Canvas, placement: Placement) -> float:
    source, seconds = placement.source, placement.lasts(canvas.fps)
    if isinstance(source, Tensor):
        return seconds or 0.0
    left = (float(duration_of(source)) - placement.skip) / placement.speed
    return left if seconds is None else min(left, seconds)


def decode_joined(
    decode: Decode,
    latent: Latent,
    joins: Sequence[SeamJoin],
    compression: Compression = COMPRESSION,
) -> Iterator[Video]:
    """The frames of `latent` in chunks, where `joins` as this module says."""
    waiting = None
    for before, after in pairwise((None, *joins, None)):
        cells = latent[:, :, before.at if before else 0 : after.at + 1 if after else None]
        if before:
            marks = cells.shape[1] - before.first.shape[1]
            first = pad(before.first, (0, 0) * 3 + (0, marks))  # which are 0: it was encoded
            cells = torch.cat([first.to(cells), cells], dim=2)
        chunks = frame_range(decode(cells), 1 if before else 0)
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
    """All but the last `extra` frames of `video`, bent towards `target`: the one frame that follows
    them, and not the one with which `video` would go on.

    Things move and differences fade by a share that rises smoothly from 0 to 1; then colours fade
    as they do after footage (`leaving.py`). In float32: half precision cannot tell the places of a
    large picture apart.
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
    """How many pixels what is seen in each pixel `here` lies right and down of it `there`.

    Flow on the CPU, of pictures made small; even within a few pixels, so that nothing tears.
    """
    pictures = (frames_from_video(picture.cpu().transpose(0, 1)) for picture in (here, there))
    found = optical_flow(*pictures)
    coarse = [max(1, side // FLOW_CELL) for side in found.shape[2:]]
    found = interpolate(found, coarse, mode="area")
    return interpolate(found, here.shape[2:], mode="bilinear").to(here)


def hold_back_last(chunks: Iterable[Video], count: int) -> Generator[Video, None, Video]:
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
