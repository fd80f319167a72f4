"""How much of a thing's silhouette a camera shows: compiled, without drawing the frame."""

from math import inf, sqrt

import numpy as np
from numba import njit
from numpy import ndarray

from .raycast import FAST, nearest_hit, project_groups


@njit(nogil=True, fastmath=FAST)
def visible_share(
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
