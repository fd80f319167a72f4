"""Drift of colour and contrast along the segments of a video, and PSNR of preserved footage.

Axes: t frames, y rows, x columns.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from ..canvas.canvas import Canvas, Placement
from ..canvas.rasterize import Fitting, first_frame, placed_frames
from ..errors import SizeError
from ..shapes import Frames
from ..video.flow import GREY
from ..video.frames import frames_from_video, resize
from .report import decibels

LEAST_TEXTURE = 1e-3  # levels of 255: a blank clip has none, and no relative gain


@dataclass(frozen=True, slots=True)
class ColourStats:
    """The mean colour of a clip, red, green and blue, and its contrast, in levels of 255.

    Contrast is the standard deviation of a frame's grey levels, averaged over frames.
    """

    colour: tuple[float, float, float]
    contrast: float

    @classmethod
    def from_frames(cls, frames: Frames) -> "ColourStats":
        """The statistics of a clip; SizeError without frames."""
        if not frames.numel():
            raise SizeError("a segment of 0 frames: it needs one frame or more")
        red, green, blue = frames.float().mean(dim=(0, 1, 2)).tolist()
        grey = frames.float() @ torch.tensor(GREY)
        return cls((red, green, blue), grey.flatten(1).std(dim=1, correction=0).mean().item())

    @classmethod
    def mean(cls, looks: Sequence["ColourStats"]) -> "ColourStats":
        """The mean of the statistics of several clips; SizeError for none."""
        if not looks:
            raise SizeError("a segment of 0 frames: it needs one frame or more")
        red, green, blue = (
            sum(values) / len(looks) for values in zip(*(a.colour for a in looks), strict=True)
        )
        return cls((red, green, blue), sum(look.contrast for look in looks) / len(looks))


@dataclass(frozen=True, slots=True)
class Drift:
    """The statistics of a video's segments in order; SizeError for fewer than two."""

    looks: Sequence[ColourStats]

    def __post_init__(self) -> None:
        if len(self.looks) < 2:
            raise SizeError(f"{len(self.looks)} segments: drift needs 2 or more")

    @classmethod
    def from_segments(cls, links: Iterable[Frames]) -> "Drift":
        """The drift along segments; they are read one at a time, so any length fits into memory."""
        return cls([ColourStats.from_frames(frames) for frames in links])

    @classmethod
    def along(cls, chunks: Iterable[Frames], joins: Sequence[int]) -> "Drift":
        """The drift along a video that arrives in chunks; `joins` are the segments' first frames.

        `joins` is sorted and does not contain frame 0.
        """
        parts: list[list[ColourStats]] = [[] for _ in range(len(joins) + 1)]
        frames = (frame for chunk in chunks for frame in chunk.split(1))
        for number, frame in enumerate(frames):
            parts[bisect_right(joins, number)].append(ColourStats.from_frames(frame))
        return cls([ColourStats.mean(looks) for looks in parts])

    @property
    def per_link(self) -> list[float]:
        """The change of the mean colour from each segment to the next, averaged over channels."""
        return [_apart(a, b) for a, b in pairwise(self.looks)]

    @property
    def colour(self) -> float:
        """The mean of `per_link`; changes that cancel out later count too."""
        return sum(self.per_link) / len(self.per_link)

    @property
    def net_colour(self) -> float:
        """The change of the mean colour from the first segment to the last, per step."""
        return _apart(self.looks[0], self.looks[-1]) / len(self.per_link)

    @property
    def contrast(self) -> float:
        """The relative change of contrast from the first segment to the last; 0 for a blank one."""
        first, last = self.looks[0].contrast, self.looks[-1].contrast
        return (last - first) / first if first else 0.0

    def summary(self) -> dict[str, object]:
        """All numbers, ready for JSON."""
        return {
            "links": len(self.looks),
            "colour_per_link": round(self.colour, 3),
            "net_colour_per_link": round(self.net_colour, 3),
            "contrast": round(self.contrast, 4),
            "steps": [round(step, 3) for step in self.per_link],
            "contrasts": [round(look.contrast, 3) for look in self.looks],
        }


def preserved_psnr(
    true: Frames, result: Frames, where: Float[Tensor, "#t #y #x"] | None = None
) -> float:
    """The PSNR of preserved footage in dB, at most 120, which means exact.

    `where` is 1 for the pixels to compare, all by default. SizeError for different sizes, and if no
    pixel is left to compare.
    """
    if true.shape != result.shape:
        raise SizeError(
            f"frames {tuple(result.shape)} and {tuple(true.shape)}: sizes must be equal"
        )
    error = (result.float() - true.float()).div(255).square().mean(-1)
    if where is None:
        return decibels(error.mean().item())
    counts = where.expand_as(error)
    if not counts.any():
        raise SizeError("no pixel is preserved: nothing to compare")
    return decibels(((error * counts).sum() / counts.sum()).item())


def texture_gain(links: Sequence[Frames]) -> float:
    """The relative gain of fine texture per segment from the first to the last of `links`.

    0 for constant texture, 0.02 where each segment has 2 % more than the one before. SizeError for
    fewer than two segments.
    """
    if len(links) < 2:
        raise SizeError(f"{len(links)} segments: a gain needs 2 or more")
    first, last = (max(texture_strength(frames), LEAST_TEXTURE) for frames in (links[0], links[-1]))
    return (last / first) ** (1 / (len(links) - 1)) - 1


def texture_strength(frames: Tensor) -> float:
    """The mean strength of detail a pixel wide (Laplacian of grey), in levels of 255."""
    grey = (frames.float() @ torch.tensor(GREY))[:, None]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    return conv2d(grey, kernel).abs().mean().item()


def _apart(a: ColourStats, b: ColourStats) -> float:
    return sum(abs(x - y) for x, y in zip(a.colour, b.colour, strict=True)) / 3


def placed_psnr(
    canvas: Canvas, video: Callable[[], Iterable[Frames]], known_frames: Collection[int]
) -> float | None:
    """The PSNR in dB of placed footage in the frames `known_frames`; None if there is none.

    Each call of `video` returns the finished frames from the first on. Only pixels that footage
    covers count. Footage with a firmness below 1, with a mask, or placed as a latent is left out.
    """
    error, count = 0.0, 0
    for placement in canvas.placements:
        if placement.is_latent or placement.mask is not None or placement.curve[0][1] < 1:
            continue
        first = first_frame(canvas, placement)
        for t, (true, result, inside) in enumerate(
            _pairs(canvas, placement, video(), first), first
        ):
            if t % canvas.size.frames in known_frames:
                squared = (result.float() - true.float()).div(255).square().mean(-1)
                error += (squared * inside).sum().item()
                count += int(inside.sum())
    return decibels(error / count) if count else None


def _pairs(
    canvas: Canvas, placement: Placement, video: Iterable[Frames], first: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """For each placed frame: the fitted footage, the result, and a mask of the footage's pixels."""
    frames_of_result = _singly(video)
    for _ in range(first):
        next(frames_of_result, None)
    fitting, sides = None, (canvas.height, canvas.width)
    for true in _singly(placed_frames(canvas, placement)):
        frame = next(frames_of_result, None)
        if frame is None:
            return
        if fitting is None:
            fitting = Fitting.of_placement(canvas, placement, (true.shape[1], true.shape[2]), sides)
        inside = 1 - fitting.openness(None)[0]
        fitted = frames_from_video(fitting.video(true)[0])
        yield fitted[0], resize(frame, canvas.width, canvas.height)[0], inside


def _singly(chunks: Iterable[Frames]) -> Iterator[Frames]:
    for chunk in chunks:
        yield from chunk.split(1)
