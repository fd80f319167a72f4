"""Placed footage as pixels of the picture: read as it is needed, at the rate and size of a canvas.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import SizeError
from ..shapes import Frames, Video
from ..video.frames import frames_from_images, resize, video_from_frames
from ..video.reader import frames_per_chunk, read_frames
from .canvas import Box, Canvas, Placement


def placed_frames(canvas: Canvas, placement: Placement) -> Iterator[Frames]:
    """The frames of `placement` that fall on the canvas, one for each frame of it, unfitted."""
    count, skip = visible_range(canvas, placement)
    source, rate = placement.source, canvas.fps / placement.speed
    if isinstance(source, Tensor):
        yield from _nearest_frames(source, skip, count, placement.fps or canvas.fps, rate)
    else:
        yield from read_frames(source, start=skip, seconds=count / rate, fps=rate)


def visible_range(canvas: Canvas, placement: Placement) -> tuple[int, float]:
    """How many frames of the canvas may show `placement`, and from which second of its source."""
    frames, begin = canvas.size.frames, first_frame(canvas, placement)
    cut = max(0, canvas.frame_at(-placement.start)) if not canvas.ring else 0
    count = frames if canvas.ring else frames - begin
    if placement.seconds is not None:
        count = min(count, max(1, canvas.frame_at(placement.seconds)) - cut)
    if begin >= frames or count < 1:
        raise SizeError(
            f"footage at {placement.start:g} s lies outside the canvas of {canvas.seconds:g} s: "
            "choose a start within it"
        )
    return count, placement.skip + cut / canvas.fps * placement.speed


def visible_frames(canvas: Canvas, placement: Placement) -> int:
    """How many frames of the canvas show `placement`; a file is taken not to end sooner."""
    lasts, (count, _) = placement.lasts(canvas.fps), visible_range(canvas, placement)
    return count if lasts is None else min(count, max(1, canvas.frame_at(lasts)))


def first_frame(canvas: Canvas, placement: Placement) -> int:
    """The first frame of the canvas that shows `placement`."""
    begin = canvas.frame_at(placement.start)
    return begin % canvas.size.frames if canvas.ring else max(0, begin)


def _nearest_frames(
    source: Tensor, skip: float, wanted: int, fps: float, rate: float
) -> Iterator[Frames]:
    """The pictures of `source` nearest to each of `wanted` moments from `skip` on."""
    left = len(source) / fps - skip
    if left <= 0:
        lasts = len(source) / fps
        raise SizeError(f"no picture at {skip:g} s of footage that lasts {lasts:g} s: skip less")
    count = min(wanted, max(1, round(left * rate)))
    moments = torch.round((skip + torch.arange(count, dtype=torch.float64) / rate) * fps).long()
    for part in moments.clamp(max=len(source) - 1).split(frames_per_chunk(*source.shape[2:0:-1])):
        chunk = source[part]
        yield chunk if chunk.dtype == torch.uint8 else frames_from_images(chunk)


@dataclass(frozen=True, slots=True)
class Axis:
    """Which of the footage's rows (or columns) each one of the picture shows.

    Beyond the edge of the footage its last row is repeated; `inside` is False there.
    """

    length: int  # of the footage, once scaled
    source_index: Int[Tensor, " n"]
    inside: Bool[Tensor, " n"]

    def take(self, frames: Frames, axis: int) -> Frames:
        """The rows (or columns) of `frames` that the picture shows; a view where none repeats."""
        first, count = int(self.source_index[0]), len(self.source_index)
        if bool((self.source_index == torch.arange(first, first + count)).all()):
            return frames.narrow(axis, first, count)
        return frames.index_select(axis, self.source_index)


@dataclass(frozen=True, slots=True)
class Fitting:
    """How footage lies in the picture that a latent grid covers."""

    rows: Axis
    columns: Axis

    @classmethod
    def of_placement(
        cls, canvas: Canvas, placement: Placement, size: tuple[int, int], covered: tuple[int, int]
    ) -> "Fitting":
        """`size` of the footage and `covered` of the picture are rows and columns of pixels.

        The covered picture has the canvas at its centre. Its margin is never visible, and repeats
        the edge of the canvas.
        """
        box = placement.region or Box(0, 0, canvas.width, canvas.height)
        height, width = _scaled_size(size, (box.height, box.width), placement.fit)
        return cls(
            _fit_axis(covered[0], canvas.height, box.top, box.height, height),
            _fit_axis(covered[1], canvas.width, box.left, box.width, width),
        )

    def frames(self, frames: Frames) -> Frames:
        """`frames` as bytes of the covered picture."""
        scaled = resize(frames, self.columns.length, self.rows.length)
        return self.columns.take(self.rows.take(scaled, 1), 2)

    def video(self, frames: Frames) -> Video:
        """`frames` as pixels of the covered picture."""
        return video_from_frames(self.frames(frames))[None]

    def openness(self, mask: Float[Tensor, "t y x"] | None) -> Float[Tensor, "t2 y2 x2"]:
        """The value of `mask` where footage lies, 0 without one; 1 elsewhere."""
        outside = ~(self.rows.inside[:, None] & self.columns.inside)
        if mask is None:
            return outside[None].float()
        size = self.rows.length, self.columns.length
        scaled = interpolate(mask[:, None].float(), size, mode="nearest-exact")[:, 0]
        fitted = scaled[:, self.rows.source_index][:, :, self.columns.source_index]
        return fitted.masked_fill(outside, 1.0)


def _scaled_size(size: tuple[int, int], region: tuple[int, int], fit: str) -> tuple[int, int]:
    if fit == "stretch":
        return region
    ratios = [side / own for side, own in zip(region, size, strict=True)]
    scale, bound = (min(ratios), min) if fit == "pad" else (max(ratios), max)
    height, width = (
        max(1, bound(side, round(own * scale))) for side, own in zip(region, size, strict=True)
    )
    return height, width


def _fit_axis(covered: int, canvas: int, begin: int, region: int, length: int) -> Axis:
    margin, offset = (covered - canvas) // 2, int((length - region) / 2)  # centred as frames are
    within = (torch.arange(covered) - margin).clamp(0, canvas - 1) - begin
    source_index = within + offset
    inside = (within >= 0) & (within < region) & (source_index >= 0) & (source_index < length)
    edges = max(0, offset), min(length, region + offset) - 1  # of the visible part of the footage
    return Axis(length, source_index.clamp(*edges), inside)
