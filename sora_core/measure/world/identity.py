"""Identity: whether a thing is the same on both sides of a cut.

Axes: t frames, y rows, x columns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ...shapes import Frames
from .clips import Clips, Sample, calibration_readings, read_all
from .row import Row
from .shape import OUTSIDE_SHARE
from .tracker import Track, hue_difference, overlap, tint_of, track

SIDE = 32  # pixels of an outline that is scaled to one area
AREA = 0.25  # of these pixels
CUT_LEVELS = 8.0  # levels of 255 that the mean pixel changes, at least, where a cut is
VIEW_FRAMES = 2  # in which the thing must be in view, on either side


@dataclass(frozen=True, slots=True)
class Likeness:
    """A thing before and after a cut: overlap of outlines, difference of hues in degrees."""

    outline: float
    hue: float


def likeness(sample: Sample, frames: Frames) -> Likeness | None:
    """The likeness across the first cut of the true clip; None without a cut or the thing."""
    at = cut_of(sample)
    if at is None or at >= len(frames):
        return None
    if (frames[at].float() - frames[at - 1].float()).abs().mean() < CUT_LEVELS:
        return None
    found = track(frames, sample.tints[0])
    sides = [_in_view(found, range(at)), _in_view(found, range(at, len(frames)))]
    if min(map(len, sides)) < VIEW_FRAMES:
        return None
    hues = [tint_of(frames[side], found.matte[side] > 0.5).hue for side in sides]
    one, other = (_mean_outline(found, side) for side in sides)
    return Likeness(overlap(one[None], other[None])[0].item(), hue_difference(*hues))


def cut_of(sample: Sample) -> int | None:
    """The first frame of the second shot of the true clip; None if there is one shot."""
    shots = sample.clip.truth.shot
    later = torch.nonzero(shots > shots[0])
    return int(later[0]) if len(later) else None


def rows(clips: Clips, count: int, calibration: int) -> list[Row]:
    """`identity/cut`: the share with a cut at its place and the same thing on both sides."""
    usual = calibration_readings(clips, "cut", calibration, likeness)
    scored = [value for value in usual if value is not None]
    outline = float(np.quantile([value.outline for value in scored], OUTSIDE_SHARE / 2))
    hue = float(np.quantile([value.hue for value in scored], 1 - OUTSIDE_SHARE / 2))

    def same(sample: Sample, frames: Frames) -> bool:
        found = likeness(sample, frames)
        return found is not None and found.outline >= outline and found.hue <= hue

    trio = read_all(clips, clips.samples("cut", count), same)
    return [trio.shares("identity/cut")]


def _in_view(found: Track, at: range) -> ndarray:
    return np.array([t for t in at if found.inside[t]], dtype=int)


def _mean_outline(found: Track, at: ndarray) -> Bool[Tensor, "y x"]:
    """The median silhouette of some frames, each moved to the middle and scaled to one area."""
    height, width = found.matte.shape[1:]
    zoom = np.sqrt(found.area[at] / (AREA * SIDE * SIDE))  # pixels there for one pixel here
    moves = torch.zeros(len(at), 2, 3)
    moves[:, 0, 0] = torch.from_numpy(zoom * SIDE / width)
    moves[:, 1, 1] = torch.from_numpy(zoom * SIDE / height)
    moves[:, 0, 2] = torch.from_numpy(2 * found.x[at] / width - 1)
    moves[:, 1, 2] = torch.from_numpy(2 * found.y[at] / height - 1)
    grid = affine_grid(moves, [len(at), 1, SIDE, SIDE], align_corners=False)
    return (
        grid_sample(found.matte[at][:, None], grid, align_corners=False)[:, 0].median(0).values
        > 0.5
    )
