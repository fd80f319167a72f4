"""Drift of long videos: the first 15 % against the last 15 %, as Helios compares them.

Axes: t frames, y rows, x columns. Texture is measured beside colour, since the burn-in that
users report is a gain of sharpness from segment to segment.
"""

from torch import Tensor

from ...shapes import Frames, Size
from ..drift import texture_strength
from .clips import Clips, Sample, read_all
from .row import Row

SHARE = 0.15


def colour(_: Sample, frames: Frames) -> float:
    """The change of the mean colour, averaged over channels, in levels of 255."""
    first, last = (part.float().mean((0, 1, 2)) for part in end_frames(frames))
    return (first - last).abs().mean().item()


def texture(_: Sample, frames: Frames) -> float:
    """The relative change of fine texture, without its sign."""
    first, last = (texture_strength(part) for part in end_frames(frames))
    return abs(last / max(first, 1e-6) - 1)


def end_frames(frames: Frames) -> tuple[Tensor, Tensor]:
    """The first and the last 15 % of the frames, at least one."""
    count = max(1, round(SHARE * len(frames)))
    return frames[:count], frames[-count:]


DRIFTS = (colour, texture)


def rows(clips: Clips, count: int, size: Size) -> list[Row]:
    """`drift/colour` and `drift/texture` of `count` long videos of `size`."""
    samples = clips.samples("bounce", count, size=size)
    return [read_all(clips, samples, read).means(f"drift/{read.__name__}") for read in DRIFTS]
