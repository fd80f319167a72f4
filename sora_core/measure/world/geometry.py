"""Geometry: whether the floor stays one rigid plane under a moving camera.

Axes: t frames, y rows, x columns. The floor of the first frame is warped to later frames by the
world's own camera, at several paces, since a caption does not state the pace. The correlation of
grey levels at the best pace counts. With the true camera it is exact, where methods without ground
truth fail (MEt3R on unrelated images, arXiv 2605.18754).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d

from ...shapes import Frames
from ...video.flow import GREY
from .clips import Clips, Sample, calibration_readings, read_all
from .row import Row
from .shape import PASSING
from .tracker import matte_of
from .worlds import CameraTrack, camera_of

PACES = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3)
PACE_TOLERANCE = 0.16
WARPED_FRAMES = (4, 8, 12, 16)  # frames to which the first one is warped
FARTHEST_FLOOR = 14.0  # world units; beyond, the floor is fog and less than a pixel a tile
FEWEST = 60  # floor pixels in common, else the frame does not count
CAMERA_KINDS = ("orbit", "pan", "rise", "zoom")


@dataclass(frozen=True, slots=True)
class Carried:
    """The best correlation of the warped floor with the actual one, and its pace."""

    correlation: float
    pace: float


def carried(clips: Clips, sample: Sample, frames: Frames) -> Carried:
    """The match of the first frame's floor in later frames, at the best of the paces."""
    grey = frames.float() @ torch.tensor(GREY)
    hidden = max_pool2d((matte_of(frames, sample.tints[0]) > 0.3).float()[None], 5, 1, 2)[0] > 0
    best = Carried(-1.0, 0.0)
    size, fps = sample.shot.size, sample.shot.fps
    for pace in PACES:
        view = camera_of(clips.world, sample.scene, size, fps, pace)
        scores = [s for t in WARPED_FRAMES if (s := _match(grey, hidden, view, t)) is not None]
        if scores and (mean := float(np.mean(scores))) > best.correlation:
            best = Carried(mean, pace)
    return best


def right_pace(found: Carried) -> bool:
    """Whether the best pace is the true one, or one of its neighbours."""
    return abs(found.pace - 1) <= PACE_TOLERANCE


def floor_points(
    view: CameraTrack, t: int, height: int, width: int
) -> tuple[Float[Tensor, "y x 3"], Bool[Tensor, "y x"]]:
    """Where the ray of each pixel of frame `t` meets the floor, and whether it does so nearby."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    right, up = (x - width / 2) / view.focal[t], (height / 2 - y) / view.focal[t]
    rays = torch.stack([right, up, torch.ones_like(right)], dim=-1) @ view.axes[t]
    distance = -view.eye[t, 1] / rays[..., 1].clamp(max=-1e-6)
    points = view.eye[t] + distance[..., None] * rays
    return points, (rays[..., 1] < -1e-3) & (distance < FARTHEST_FLOOR)


def screen_points(
    view: CameraTrack, t: int, points: Float[Tensor, "y x 3"], height: int, width: int
) -> Float[Tensor, "y x 2"]:
    """Column and row of `points` in frame `t`, from -1 to 1 between the borders."""
    right, up, ahead = ((points - view.eye[t]) @ view.axes[t].T).unbind(-1)
    scale = view.focal[t] / ahead.clamp(min=1e-3)
    return torch.stack([scale * right * 2 / width, -scale * up * 2 / height], dim=-1)


def _match(
    grey: Float[Tensor, "t y x"], hidden: Bool[Tensor, "t y x"], view: CameraTrack, t: int
) -> float | None:
    """The correlation of frame `t` with the first one warped to it; None for too little overlap."""
    if t >= len(grey):
        return None
    height, width = grey.shape[1:]
    points, floor = floor_points(view, t, height, width)
    places = screen_points(view, 0, points, height, width)
    source = torch.stack([grey[0], (~hidden[0]).float()])
    taken, clear = grid_sample(source[None], places[None], align_corners=False)[0]
    usable = floor & ~hidden[t] & (clear > 0.99) & (places.abs() < 1).all(-1)
    if usable.sum() < FEWEST:
        return None
    a, b = taken[usable], grey[t][usable]
    a, b = a - a.mean(), b - b.mean()
    return (a @ b / (a.norm() * b.norm()).clamp(min=1e-6)).item()


def rows(
    clips: Clips, count: int, calibration: int, kinds: Sequence[str] = CAMERA_KINDS
) -> list[Row]:
    """`geometry/CAMERA`: the mean correlation; `_within`: the share in the limit's range; `_pace`:
    the share whose best pace is the true one, or next to it."""
    return [row for kind in kinds for row in _of_camera(clips, count, calibration, kind)]


def _of_camera(clips: Clips, count: int, calibration: int, kind: str) -> list[Row]:
    read, name = partial(carried, clips), f"geometry/{kind}"
    bars = [found.correlation for found in calibration_readings(clips, kind, calibration, read)]
    bar = float(np.quantile(bars, PASSING))
    trio = read_all(clips, clips.samples(kind, count), read)
    return [
        trio.means(name, lambda found: found.correlation),
        trio.shares(f"{name}_within", lambda found: found.correlation >= bar),
        trio.shares(f"{name}_pace", right_pace),
    ]
