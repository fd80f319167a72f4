"""The visible share of each thing in a view, without rendering. Axes: k things, t frames."""

from math import inf, sqrt

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray

from ...shapes import Size
from .bodies import stage_bodies
from .cameras import view_path
from .raycast import FAST, nearest_hit, project_groups
from .scene import Shot, TownScene


@njit(nogil=True, fastmath=FAST)
def share_in_view(
    bodies: ndarray,
    groups: ndarray,
    g: int,
    eye: ndarray,
    axes: ndarray,
    focal: float,
    wide: float,
    tall: float,
) -> float:
    """The share of group `g`'s silhouette that is inside the frame and not behind another group.

    `wide` and `tall` are half the frame's sides, in half smaller sides.
    """
    bounds, own = np.empty((groups.shape[0], 4)), np.array([g])
    others = np.array([other for other in range(groups.shape[0]) if other != g], np.int64)
    project_groups(groups, eye, axes, focal, bounds)
    if bounds[g, 0] > bounds[g, 1] or bounds[g, 0] == -inf:
        return 0.0
    if bounds[g, 0] > wide or bounds[g, 1] < -wide or bounds[g, 2] > tall or bounds[g, 3] < -tall:
        return 0.0
    blockers = 0
    for i in range(others.shape[0]):
        k = others[i]
        if (
            bounds[k, 0] < bounds[g, 1]
            and bounds[k, 1] > bounds[g, 0]
            and bounds[k, 2] < bounds[g, 3]
            and bounds[k, 3] > bounds[g, 2]
        ):
            others[blockers] = k
            blockers += 1
    whole = displayed = 0
    for row in range(16):
        for column in range(16):
            sx = bounds[g, 0] + (bounds[g, 1] - bounds[g, 0]) * (column + 0.5) / 16
            sy = bounds[g, 2] + (bounds[g, 3] - bounds[g, 2]) * (row + 0.5) / 16
            scale = 1 / sqrt(sx * sx + sy * sy + focal * focal)
            ray = (
                eye[0],
                eye[1],
                eye[2],
                (axes[0, 0] * sx + axes[1, 0] * sy + axes[2, 0] * focal) * scale,
                (axes[0, 1] * sx + axes[1, 1] * sy + axes[2, 1] * focal) * scale,
                (axes[0, 2] * sx + axes[1, 2] * sy + axes[2, 2] * focal) * scale,
            )
            reach = nearest_hit(bodies, groups, own, 1, ray)[0]
            if reach == inf:
                continue
            whole += 1
            if abs(sx) > wide or abs(sy) > tall:
                continue
            displayed += (
                blockers == 0 or nearest_hit(bodies, groups, others, blockers, ray)[0] > reach
            )
    return displayed / whole if whole else 0.0


SQUARE = Size(64, 64)


def visible_shares(
    shot: Shot, local: Float[ndarray, "t"], size: Size = SQUARE
) -> Float[ndarray, "k t"]:
    """The share of each thing's silhouette in view and not hidden, `local` seconds into a shot."""
    clock = local + shot.offset
    bodies = stage_bodies(shot.stage, clock, 0)
    camera = view_path(shot.view, shot.stage, local, clock)
    side = min(size.width, size.height)
    shares = [
        [
            share_in_view(
                bodies.rows[t],
                bodies.groups[t],
                g,
                camera.eye[t],
                camera.axes[t],
                camera.focal[t],
                size.width / side,
                size.height / side,
            )
            for t in range(len(local))
        ]
        for g in range(len(shot.stage.things))
    ]
    return np.array(shares).reshape(len(shot.stage.things), len(local))


def shot_lengths(scene: TownScene, seconds: float) -> list[tuple[Shot, float]]:
    """The shots that begin before `seconds`, each with how long it lasts in a clip of that length.

    The last frame of a clip is at the latest at `seconds`; a still (0) has its first shot only.
    """
    starts = [shot.start for shot in scene.shots[1:]] + [max(seconds, 0.0)]
    lengths = [
        (shot, min(stop, max(seconds, 0.0)) - shot.start)
        for shot, stop in zip(scene.shots, starts, strict=True)
    ]
    return lengths[:1] + [(shot, length) for shot, length in lengths[1:] if length > 1e-9]
