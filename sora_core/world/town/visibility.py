"""The visible share of each thing in a view, without rendering. Axes: k things, t frames."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...shapes import Size
from .bodies import stage_bodies
from .cameras import camera_path
from .scene import Scene, Shot
from .silhouette import visible_share

SQUARE = Size(64, 64)


def visible_shares(
    shot: Shot, local: Float[ndarray, "t"], size: Size = SQUARE
) -> Float[ndarray, "k t"]:
    """The share of each thing's silhouette in view and not hidden, `local` seconds into a shot."""
    clock = local + shot.offset
    bodies = stage_bodies(shot.stage, clock, 0)
    camera = camera_path(shot.view, shot.stage, local, clock)
    side = min(size.width, size.height)
    shares = [
        [
            visible_share(
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


def shot_lengths(scene: Scene, seconds: float) -> list[tuple[Shot, float]]:
    """The shots that begin before `seconds`, each with how long it lasts in a clip of that length.

    The last frame of a clip is at the latest at `seconds`; a still (0) has its first shot only.
    """
    starts = [shot.start for shot in scene.shots[1:]] + [max(seconds, 0.0)]
    lengths = [
        (shot, min(stop, max(seconds, 0.0)) - shot.start)
        for shot, stop in zip(scene.shots, starts, strict=True)
    ]
    return lengths[:1] + [(shot, length) for shot, length in lengths[1:] if length > 1e-9]
